"""Refusals and what is finished already are answered without waiting for TensorFlow."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tf_lottery
from tests.experiments.refused_flags import BAD_FLAGS, BAD_INPUT
from tf_lottery.experiments.commands import Analyze

_ROOT = Path(__file__).parents[2]
_MAIN = (
    "import sys; from tf_lottery import cli\n"
    "try:\n"
    "    cli.main()\n"
    "finally:\n"
    "    heavy = {'tensorflow', 'tf_keras', 'matplotlib'} & set(sys.modules)\n"
    "    print('imported:', *sorted(heavy))\n"
)

# Does in one process what main.py does with many commands, and tells what it says to each of them;
# TensorFlow cannot be imported there.
_ANSWERS = """
import importlib.machinery, io, json, sys
from contextlib import redirect_stdout

class Needed(BaseException): pass

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_keras", "matplotlib"):
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        raise Needed(spec.name)
    def exec_module(self, module): ...

sys.meta_path.insert(0, Refusing())
from absl import flags
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags
from tf_lottery.experiments.dispatch import run_command

def answer(given):
    values = flags.FlagValues()
    define_flags(values)
    try:
        with redirect_stdout(io.StringIO()):
            values(["main.py", *given])
            run_command(command_from_flags(values))
    except (ValueError, flags.Error) as error:
        return str(error)
    except Needed:
        return None

print(json.dumps([answer(given) for given in json.load(sys.stdin)]))
"""

# What needs the network, whose weights are counted by TensorFlow, or the devices.
_WAITS_FOR_TENSORFLOW = {
    *("--levels=200", "--pruning_rate=1e-12", "--pruning_rate=0.999999999", "--pruning_rates=1e-9"),
    *("--target_density=1e-9", "--target_density=0.5 --pruning_rate=1e-9"),
    *("--exclude=dense", "--pruning_rates_by_layer=conv:0.1"),
    "--first_layer_pruning_rate=0.999999",
    "--first_layer_pruning_rate=0 --output_pruning_rate=0 --model=lenet_30",
    *("--model=lenet_99999999999", "--model=lenet_99999999999999999999999999"),
    *("--model=lenet_1000000_1000000", "--model=wideresnet_16_99999", "--model=inception_v3"),
    "--distribution=mirrored --num_virtual_devices=7",
}
_OTHERS = {
    "--batch_size=1238": "--batch_size=1238 must be between 1 and 1237",
    "--batch_size=0 --replicates=1-2": "--batch_size=0",
    "--controls=foo": "--controls=foo is not a known",
    "--data_dir=/none --dataset=mnist": "--data_dir=/none is no folder",
    "--dataset=mnits": "Did you mean mnist",
    "--dataset=mnist --rewind_step=45it": "--rewind_step=45it is iteration 45",
    "--dense_from=/nope": "--dense_from=/nope is not a run folder",
    "--distribution=multi_worker": "--distribution=multi_worker needs",
    "--distribution=mirrored --num_virtual_devices=7": "--batch_size=60",
    "--export_dir=/etc": "--export_dir=/etc holds ",
    "--keep_states=50it": "--keep_states=50it: 50it is iteration 50",
    "--model=lenet_300_x": "Did you mean lenet_300",
    "--pruning_rate=1.5": "--pruning_rate=1.5 is out of range",
    "--validate_every=5it --validation_examples=0": "--validate_every=5it needs validation data",
    "--workdir=/proc/x": "cannot write /proc/x/tiny/replicate_1: No such file",
}

Answer = subprocess.CompletedProcess


@pytest.fixture(scope="module")
def workdir(finished_run, tmp_path_factory) -> Path:
    """A folder with the finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("work") / "runs"
    shutil.copytree(finished_run.parents[1], folder)
    return folder


@pytest.fixture(scope="module")
def ask(flags_of_tiny) -> Callable[..., Answer]:
    """Returns a function that runs main.py with the tiny experiment's flags and others."""

    def run(*flags: str, tiny: bool = True) -> Answer:
        given = [f"--{name}={value}" for name, value in flags_of_tiny.items()] if tiny else []
        return subprocess.run(
            [sys.executable, "-c", _MAIN, *given, *flags],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_what_needs_no_network_is_refused_without_tensorflow(flags_of_tiny, tmp_path):
    expected = {given: [parts.split("|")] for given, parts in BAD_FLAGS.items()}
    expected |= {given: [[part] for part in parts] for given, parts in BAD_INPUT.items()}
    expected |= {given: [[part]] for given, part in _OTHERS.items()}
    tiny = [f"--{name}={value}" for name, value in flags_of_tiny.items()]
    tiny += [f"--workdir={tmp_path}", "--jobs=1"]
    process = subprocess.run(
        [sys.executable, "-c", _ANSWERS],
        cwd=_ROOT,
        input=json.dumps([[*tiny, *given.split(" ")] for given in expected]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    answers = dict(zip(expected, json.loads(process.stdout), strict=True))
    assert {given for given, said in answers.items() if said is None} == _WAITS_FOR_TENSORFLOW
    for given, said in answers.items():
        for parts in expected[given] if said else ():
            assert any(part in said for part in parts), (given, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--dataset=", "--name=new"], "--dataset= is not known. Choose digits"),
        pytest.param(
            ["--init_seed=7"],
            "--init_seed: the run folder has null, this command says 7",
            marks=pytest.mark.slow,
        ),
        (["--rewind_step=8it"], "holds another experiment"),
    ],
)
def test_refusals(flags, said, ask, workdir):
    answer = ask(f"--workdir={workdir}", *flags)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "imported:\n" in answer.stdout


def test_a_finished_run_is_shown_again(ask, workdir):
    answer = ask(f"--workdir={workdir}")
    assert answer.returncode == 0, answer.stderr
    assert "levels 0 to 2 are complete already" in answer.stdout
    assert f"Run folder: {workdir}" in answer.stdout
    assert "imported:\n" in answer.stdout


@pytest.mark.parametrize("experiment", [pytest.param("list", marks=pytest.mark.slow), "verify"])
def test_lists_and_verification(experiment, ask, workdir, tmp_path):
    answer = ask(f"--experiment={experiment}", f"--workdir={workdir}", tiny=False)
    assert answer.returncode == 0, answer.stdout
    assert "replicate_1" in answer.stdout
    assert "imported:\n" in answer.stdout
    shutil.copytree(workdir, tmp_path / "runs")
    (tmp_path / "runs" / "tiny" / "replicate_1" / "level_1" / "masks.npz").unlink()
    answer = ask(f"--experiment={experiment}", f"--workdir={tmp_path / 'runs'}", tiny=False)
    assert answer.returncode == 1
    assert "masks.npz is missing" in answer.stdout


@pytest.mark.parametrize(
    "experiment",
    [
        "branch",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("curvature", "export", "interpolate", "successive_levels")
        ),
    ],
)
def test_damage_of_what_is_needed_is_refused(experiment, ask, workdir, tmp_path):
    run = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(workdir / "tiny" / "replicate_1", run)
    (run / "level_2" / "weights.index").unlink()
    more = ["--branch=random_mask"] if experiment == "branch" else []
    answer = ask(f"--experiment={experiment}", f"--run={run}", *more, tiny=False)
    assert answer.returncode == 1
    assert f"{run / 'level_2' / 'weights.index'} is missing" in answer.stderr
    assert "imported:\n" in answer.stdout


@pytest.mark.parametrize(
    ("analysis", "options"),
    [
        ("successive_levels", {"points": 3}),
        pytest.param("same_region", {"points": 3}, marks=pytest.mark.slow),
        pytest.param("magnitudes", {}, marks=pytest.mark.slow),
        pytest.param(
            "curvature",
            {"curvature_examples": 20, "eigenvalues": 1, "retrain_steps": 0},
            marks=pytest.mark.slow,
        ),
        pytest.param("instability", {"points": 3, "baselines": ""}, marks=pytest.mark.slow),
        pytest.param("stability", {"baselines": ""}, marks=pytest.mark.slow),
        pytest.param("robustness", {"points": 3, "perturbations": "1"}, marks=pytest.mark.slow),
    ],
)
def test_a_finished_analysis_is_shown_again(analysis, options, ask, workdir, tmp_path, capsys):
    run = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(workdir / "tiny" / "replicate_1", run)
    tf_lottery.run_command(Analyze(analysis, (run,), None, None, options, {}))
    table = capsys.readouterr().out.splitlines()[-6:]
    given = [f"--{name}={value}" for name, value in options.items()]
    answer = ask(f"--experiment={analysis}", f"--run={run}", *given, tiny=False)
    assert answer.returncode == 0, answer.stderr
    shown, _, imported = answer.stdout.rpartition("imported:")
    assert shown.splitlines()[-6:] == table
    assert "tensorflow" not in imported


@pytest.mark.slow
def test_a_finished_branch_is_shown_again(ask, workdir, tmp_path):
    run = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(workdir / "tiny" / "replicate_1", run)
    tf_lottery.run_branch(run, "random_mask")
    given = ("--experiment=branch", f"--run={run}", "--branch=random_mask")
    answer = ask(*given, tiny=False)
    assert answer.returncode == 0, answer.stderr
    assert "levels 1 to 2 are complete already" in answer.stdout
    assert f"Branch folder: {run / 'branches' / 'random_mask'}" in answer.stdout
    assert "imported:\n" in answer.stdout
    answer = ask(*given, "--pruning_rate=0.3", tiny=False)
    assert "a branch cannot change it" in answer.stderr
    assert "imported:\n" in answer.stdout
    (run / "branches" / "random_mask" / "level_1" / "metrics.csv").unlink()
    answer = ask(*given, tiny=False)
    assert "metrics.csv is missing" in answer.stderr
    assert "imported:\n" in answer.stdout
