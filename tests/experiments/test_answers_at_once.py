"""Refusals and what is finished already are answered without waiting for TensorFlow."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tf_lottery
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


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--pruning_rate=1.5"], "--pruning_rate=1.5 is out of range"),
        (["--model=lenet_300_x"], "--model=lenet_300_x is not a known model. Did you mean lenet"),
        (["--score=beauty"], "beauty"),
        (["--dataset=", "--name=new"], "--dataset= is not known. Choose digits"),
        (["--dataset=mnits", "--name=new"], "Did you mean mnist"),
        (["--dataset=mnist", "--data_dir=/none", "--name=new"], "--data_dir=/none is no folder"),
        (["--init_seed=7"], "--init_seed: the run folder has null, this command says 7"),
        (["--rewind_step=8it"], "holds another experiment"),
        (["--replicates=1-2", "--batch_size=0"], "--batch_size=0"),
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


@pytest.mark.parametrize("experiment", ["list", "verify"])
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
    "experiment", ["branch", "export", "curvature", "interpolate", "successive_levels"]
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
    assert "levels 0 to 2 are complete already" in answer.stdout
    assert f"Branch folder: {run / 'branches' / 'random_mask'}" in answer.stdout
    assert "imported:\n" in answer.stdout
    answer = ask(*given, "--pruning_rate=0.3", tiny=False)
    assert "a branch cannot change it" in answer.stderr
    assert "imported:\n" in answer.stdout
    (run / "branches" / "random_mask" / "level_1" / "metrics.csv").unlink()
    answer = ask(*given, tiny=False)
    assert "metrics.csv is missing" in answer.stderr
    assert "imported:\n" in answer.stdout
