"""Where metrics go: what loggers are told, in which order, and that nothing is told twice."""

import csv
import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import tensorflow as tf

import tf_lottery
from tf_lottery.config.loggers import LOGGERS, RunLogger, register_logger
from tf_lottery.experiments.running.run_logs import RunLogs
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import METRICS


class FakeWandb(ModuleType):
    """Keeps what each of its runs is told, as the service does, beyond `init` and `finish`."""

    def __init__(self):
        super().__init__("wandb")
        self.runs, self.begun, self.fails_after = {}, [], None

    def init(self, **arguments):
        name = arguments["id"] or f"run_{len(self.runs)}"
        told = self.runs.setdefault(name, [])
        self.begun.append(arguments)

        def log(values):
            if self.fails_after is not None and len(told) >= self.fails_after:
                raise ConnectionError("no route")
            told.append(values)

        return SimpleNamespace(
            id=name,
            log=log,
            define_metric=lambda *_, **__: None,
            finish=lambda exit_code: told.append(exit_code),
        )


class FakeMlflow(ModuleType):
    """As far as it is used: a client, whose runs outlive it."""

    def __init__(self):
        super().__init__("mlflow")
        fake, self.told, self.uris = self, [], []
        self.entities = ModuleType("mlflow.entities")
        self.entities.Param = self.entities.Metric = lambda *values: values
        self.exceptions = ModuleType("mlflow.exceptions")
        self.exceptions.MlflowException = OSError

        class Client:
            def __init__(self, uri):
                fake.uris.append(uri)

            def create_experiment(self, name):
                raise OSError("is there")

            def get_experiment_by_name(self, name):
                return SimpleNamespace(experiment_id=f"of {name}")

            def create_run(self, experiment, run_name):
                fake.told.append((experiment, run_name))
                return SimpleNamespace(info=SimpleNamespace(run_id="mine"))

            def update_run(self, run_id, status):
                fake.told.append((run_id, status))

            def set_terminated(self, run_id, status):
                fake.told.append((run_id, status))

            def log_batch(self, run_id, metrics=(), params=()):
                assert run_id == "mine" and len(params) <= 100
                fake.told += [*params, *((name, value, step) for name, value, _, step in metrics)]

        self.MlflowClient = Client


@pytest.fixture
def wandb(monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def mlflow(monkeypatch):
    fake = FakeMlflow()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:elsewhere")
    for module in (fake, fake.entities, fake.exceptions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return fake


def rows_of(run, level):
    """The rows of metrics.csv as loggers name them, read without the package."""
    with (run / f"level_{level}" / "metrics.csv").open() as file:
        return [
            {"iteration": int(row["step"])}
            | {
                f"level_{level}/{metric.tag}": float(row[metric.column])
                for metric in METRICS
                if row[metric.column]
            }
            for row in csv.DictReader(file)
        ]


def logs_of(run, flags_of_tiny, log_to):
    values = {**flags_of_tiny, "workdir": str(run.parents[1]), "log_to": log_to}
    return RunLogs(RunFolder.read(run), tf_lottery.config_from_values(values))


def levels_told(told):
    return [values["level"] for values in told if isinstance(values, dict) and "level" in values]


def evaluations(told):
    return [values for values in told if isinstance(values, dict) and "iteration" in values]


def test_a_run_that_goes_on_tells_all_levels_once(wandb, mlflow, half_run, run_tiny, tmp_path):
    run_tiny(tmp_path, log_to="tensorboard,wandb,mlflow")
    ((name, told),) = wandb.runs.items()
    expected = [row for level in range(3) for row in rows_of(half_run, level)]
    assert evaluations(told) == expected
    assert levels_told(told) == [0, 1, 2] and told[-1] == 0
    assert told[-2]["levels/density"] == pytest.approx(1011 / 1580)
    assert told[-2]["levels/multiply_adds"] == 1011
    (begun,) = wandb.begun
    assert (begun["group"], begun["name"], begun["id"]) == ("tiny", "tiny/replicate_1", None)
    assert begun["config"]["model"] == "lenet_20_10" and "log_to" not in begun["config"]
    kept = json.loads((half_run / "logging" / "wandb.json").read_text())
    assert (kept["id"], kept["levels"]) == (name, [0, 1, 2])

    assert {*mlflow.uris} == {"file:elsewhere"}
    assert mlflow.told[0] == ("of tiny", "tiny/replicate_1")
    assert ("model", "lenet_20_10") in mlflow.told
    named = [told for told in mlflow.told if len(told) == 3 and told[0].startswith("level_")]
    assert named == [
        (name, value, row["iteration"])
        for row in expected
        for name, value in row.items()
        if name != "iteration"
    ]
    assert mlflow.told[-1] == ("mine", "FINISHED")
    assert (half_run / "tensorboard" / "level_2").is_dir()


def test_what_was_told_is_not_told_again(wandb, mlflow, copied_run, flags_of_tiny):
    for path in (copied_run / "level_2").glob("level.json"):
        path.unlink()
    rows = [{"step": step, "test_accuracy": step / 100} for step in range(7, 40, 10)]
    first = logs_of(copied_run, flags_of_tiny, "wandb,mlflow")
    first.start_level(2, [])
    for row in rows[:3]:
        first.evaluation(2, row)
    # Killed; training goes on from an earlier checkpoint.
    before = len(mlflow.told)
    second = logs_of(copied_run, flags_of_tiny, "wandb,mlflow")
    second.start_level(2, rows[:1])
    for row in rows[1:]:
        second.evaluation(2, row)
    second.end(finished=False)
    (told,) = wandb.runs.values()
    of_level = [row for row in evaluations(told) if "level_2/accuracy/test" in row]
    assert [row["iteration"] for row in of_level] == [7, 17, 27, 37]
    assert levels_told(told) == [0, 1] and told[-1] == 1
    assert [begun["resume"] for begun in wandb.begun] == [None, "allow"]
    assert mlflow.told[before:] == [
        ("mine", "RUNNING"),
        ("level_2/accuracy/test", 0.37, 37),
        ("mine", "FAILED"),
    ]


def test_a_logger_that_fails_is_said_once_and_told_later(
    wandb, half_run, run_tiny, finished_run, flags_of_tiny, outcome_of, tmp_path, capsys
):
    wandb.fails_after = 3
    run_tiny(tmp_path, log_to="wandb")
    said = [line for line in capsys.readouterr().out.splitlines() if "--log_to" in line]
    assert len(said) == 1
    assert said[0].endswith("until the run is continued: ConnectionError: no route")
    outcome = outcome_of(half_run)
    assert outcome.pop("logging/wandb.json") and outcome == outcome_of(finished_run)
    wandb.fails_after = None
    logs = logs_of(half_run, flags_of_tiny, "wandb")
    logs.start_level(3, [])
    (told,) = wandb.runs.values()
    assert evaluations(told) == [row for level in range(3) for row in rows_of(half_run, level)]
    assert levels_told(told) == [0, 1, 2]


@pytest.mark.parametrize(
    "content", ["", '{"steps": [7]}', '{"steps": {"2": "7"}}', '{"levels": 2}']
)
def test_what_was_told_is_not_overwritten_if_it_cannot_be_read(
    content, wandb, copied_run, flags_of_tiny, capsys
):
    path = copied_run / "logging" / "wandb.json"
    path.parent.mkdir()
    path.write_text(content)
    logs = logs_of(copied_run, flags_of_tiny, "wandb")
    logs.start_level(2, [{"step": 7, "test_accuracy": 0.5}])
    logs.finish_level(2)
    assert f"DamagedFileError: {path} is damaged" in capsys.readouterr().out
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("wandb", r'^--log_to=wandb needs the package wandb, .*pip install "tf_lottery\[wandb\]"'),
        ("mlflow", r'^--log_to=mlflow needs .*pip install "tf_lottery\[mlflow\]"'),
        ("tensorbord", r"^--log_to=tensorbord is not a known logger.*mean tensorboard\?"),
        ("tensorboard,tensorboard", r"^--log_to=tensorboard,tensorboard.*once"),
    ],
)
def test_what_cannot_be_logged_to_is_refused_before_training(
    given, said, command, monkeypatch, tmp_path
):
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=said):
        command(f"--log_to={given}", workdir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_mlflow_has_to_know_where(mlflow, command, monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(ValueError, match=r"MLFLOW_TRACKING_URI is not set; use the address"):
        command("--log_to=mlflow", workdir=tmp_path)


def test_a_logger_of_a_plugin(copied_run, flags_of_tiny):
    told = []

    @register_logger("lines")
    class Lines(RunLogger):
        def evaluation(self, level, step, values):
            told.append((level, step, values["accuracy/test"]))

    try:
        logs_of(copied_run, flags_of_tiny, "lines").start_level(2, [])
    finally:
        LOGGERS.remove("lines")
    assert told == [
        (level, row["iteration"], row[f"level_{level}/accuracy/test"])
        for level in range(3)
        for row in rows_of(copied_run, level)
    ]


def test_tensorboard_has_the_flags_that_are_not_at_their_defaults(finished_run):
    (file,) = (finished_run / "tensorboard" / "levels").iterdir()
    content = [
        value.metadata.plugin_data.content
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    flags = HParamsPluginData.FromString(content[0]).session_start_info.hparams
    assert flags["model"].string_value == "lenet_20_10"
    assert "dataset" not in flags and "learning_rate" not in flags
