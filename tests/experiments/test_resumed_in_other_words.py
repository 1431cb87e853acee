"""A run goes on with flags that are written otherwise and mean the same."""

import json
from pathlib import Path

import pytest

from tests.command_line import run_command_of
from tf_lottery.experiments.dispatch import run_command
from tf_lottery.store.config_file import read_config, refuse_other_experiment
from tf_lottery.store.errors import RunFolderMismatchError

# Of an experiment whose epochs have 20 iterations, and which is trained for 45.
IN_OTHER_WORDS = {
    "train_steps": "45",
    "rewind_step": "0.35ep",
    "evaluate_every": " 10 it",
    "warmup_steps": "0%",
    "init_seed": 1,
    "data_seed": 1,
}


def differences(run: Path, **changes) -> str:
    """What an experiment with some other flags is refused for."""
    stored = read_config(run).identity
    try:
        refuse_other_experiment(run, stored, {**stored, **changes}, None, ())
    except RunFolderMismatchError as error:
        return str(error)
    return ""


def test_an_interrupted_run_goes_on(half_run, finished_run, run_tiny, tmp_path):
    before = (half_run / "config.json").read_bytes()
    assert run_tiny(tmp_path, **IN_OTHER_WORDS) == half_run
    assert (half_run / "config.json").read_bytes() == before
    weights, expected = (
        (run / "level_2" / "weights.data-00000-of-00001").read_bytes()
        for run in (half_run, finished_run)
    )
    assert weights == expected
    # And again, when it is finished.
    run_tiny(tmp_path, **IN_OTHER_WORDS)


@pytest.mark.parametrize(("flag", "value"), IN_OTHER_WORDS.items())
def test_each_is_the_same(flag, value, finished_run):
    assert differences(finished_run, **{flag: value}) == ""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rewind_step": "8"}, ["rewind_step"]),
        ({"rewind_step": "0.4ep"}, ["rewind_step"]),
        ({"init_seed": 2}, ["init_seed"]),
        ({"data_seed": 0}, ["data_seed"]),
        ({"replicate": 2}, ["replicate"]),
        ({"replicate": 2, "init_seed": 1, "data_seed": 2}, ["data_seed", "replicate"]),
        # Of epochs of another length.
        ({"rewind_step": "0.35ep", "batch_size": 30}, ["batch_size", "rewind_step"]),
        ({"warmup_steps": "0%", "train_steps": "60"}, ["train_steps"]),
        ({"evaluate_every": "22.2%", "train_steps": "60"}, ["evaluate_every", "train_steps"]),
    ],
)
def test_what_is_another_is_refused(changes, named, finished_run):
    lines = differences(finished_run, **changes).splitlines()[1:-1]
    assert [line.partition(":")[0].strip() for line in lines] == [f"--{name}" for name in named]


def test_the_length_of_a_damaged_run_is_told_apart_by_what_is_written(copied_run):
    config = json.loads((copied_run / "config.json").read_text())
    stored = read_config(copied_run).identity
    (copied_run / "config.json").write_text(json.dumps({**config, "sha256": ""}))
    with pytest.raises(RunFolderMismatchError, match="--rewind_step"):
        refuse_other_experiment(copied_run, stored, {**stored, "rewind_step": "0.35ep"}, None, ())


@pytest.mark.parametrize("kind", ["branch --branch=random_mask --levels=1 --jobs=1", "magnitudes"])
def test_a_run_that_is_named_twice_is_done_once(kind, copied_run, capsys, monkeypatch):
    monkeypatch.chdir(copied_run.parents[1])
    named = (copied_run, copied_run.parent, Path("tiny/replicate_1"), Path("tiny/../tiny"))
    flags = f"--experiment={kind}".split(" ")
    said = []
    for runs in ([copied_run], [copied_run], named):
        run_command_of(*flags, *(f"--run={run}" for run in runs))
        said.append(capsys.readouterr().out)
    assert said[2] == said[1] != ""


def test_a_run_that_is_named_twice_is_exported_once(copied_run, monkeypatch):
    from tests.command_line import command_of
    from tf_lottery.experiments import ticket_export

    exported = []
    monkeypatch.setattr(ticket_export, "export_tickets", lambda runs, *_: exported.append(runs))
    named = [f"--run={path}" for path in (copied_run, copied_run.parent)]
    run_command(command_of("--experiment=export", *named))
    assert exported == [[copied_run]]
