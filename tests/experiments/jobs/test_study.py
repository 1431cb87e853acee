"""Studies in processes of their own: the same bits, however many there are and who is killed.

How often each is killed is TF_LOTTERY_KILLS (3 if it is unset). For twenty times:

    TF_LOTTERY_KILLS=20 pytest -m slow tests/experiments/jobs/test_study.py -k "killed and _kill_9"
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_TRAININGS = ("--replicates=1-2", "--controls=random_mask,random_reinitialization")


def arguments(workdir, flags_of_tiny, jobs, *more):
    flags = {**flags_of_tiny, "levels": 1, "workdir": workdir, "jobs": jobs}
    given = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, str(_ROOT / "main.py"), *given, *(more or _TRAININGS)]


def do(*given, **options):
    return subprocess.run(
        arguments(*given), check=True, capture_output=True, text=True, timeout=280, **options
    ).stdout


def runs_in(workdir, outcome_of):
    return {path.name: outcome_of(path) for path in sorted((workdir / "tiny").iterdir())}


@pytest.fixture(scope="module")
def timed_one_by_one(tmp_path_factory, flags_of_tiny, outcome_of):
    """What a study comes to that nobody disturbs, and how long it takes."""
    workdir, started = tmp_path_factory.mktemp("one_by_one"), time.monotonic()
    said = do(workdir, flags_of_tiny, 1)
    seconds = time.monotonic() - started
    assert said.count("[6 of 6]") == 1
    return runs_in(workdir, outcome_of), seconds


@pytest.fixture(scope="module")
def one_by_one(timed_one_by_one):
    return timed_one_by_one[0]


def test_replicates_are_trained_side_by_side(tmp_path, flags_of_tiny):
    short = ("--replicates=1-2", "--experiment=train", "--train_steps=8it")
    said = do(tmp_path, flags_of_tiny, 2, *short)
    assert "2 to do, 2 at a time" in said and "[2 of 2] replicate_" in said
    assert len(list((tmp_path / "tiny").glob("replicate_*/level_0/level.json"))) == 2
    again = do(tmp_path, flags_of_tiny, 2, *short)
    assert "at a time" not in again and again.count("complete already") == 2


@pytest.mark.slow
def test_side_by_side_they_have_the_bits_that_they_have_one_by_one(
    one_by_one, tmp_path, flags_of_tiny, outcome_of
):
    said = do(tmp_path, flags_of_tiny, 2)
    assert "6 to do, 2 at a time" in said and said.count(" of 6] replicate_") == 6
    assert "replicate_2 random_mask" in said and "--experiment=report" in said
    assert runs_in(tmp_path, outcome_of) == one_by_one
    again = do(tmp_path, flags_of_tiny, 2)
    assert "at a time" not in again and again.count("complete already") == 6


@pytest.mark.slow
def test_a_diverged_replicate_is_named_when_the_others_are_done(tmp_path, flags_of_tiny):
    flags = (*_TRAININGS, "--learning_rate=1e30")
    given = arguments(tmp_path, flags_of_tiny, 2, *flags)
    done = subprocess.run(given, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 1
    assert "replicate_1, " in done.stderr and "replicate_2 diverged; see above." in done.stderr
    told, not_begun = done.stdout.split("Not begun, as what they need has failed: ")
    assert "random_mask" not in told.split("at a time")[1]
    assert not_begun.count("random_mask") == not_begun.count("random_reinitialization") == 2


@pytest.mark.slow
def test_copies_of_an_analysis_are_trained_side_by_side(tmp_path, flags_of_tiny, snapshot):
    for jobs in (1, 2):
        workdir = tmp_path / str(jobs)
        do(workdir, flags_of_tiny, 1, "--replicates=1-2")
        runs = f"--run={workdir}/tiny"
        said = subprocess.run(
            [
                *(sys.executable, str(_ROOT / "main.py"), "--experiment=instability", runs),
                *(f"--jobs={jobs}", "--levels=0,1", "--points=3"),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=280,
        ).stdout
        assert ("at a time" in said) == (jobs == 2)
    # What is measured is shown again without processes.
    again = ("--experiment=instability", runs, "--levels=0,1", "--points=3")
    said = subprocess.run(
        [sys.executable, str(_ROOT / "main.py"), *again],
        check=True,
        capture_output=True,
        text=True,
        timeout=280,
    ).stdout
    assert "at a time" not in said and said.count("instability of") == 2
    one, two = (
        {
            path.relative_to(tmp_path / str(jobs)): path.read_text()
            for path in (tmp_path / str(jobs)).rglob("landscape/*.csv")
        }
        for jobs in (1, 2)
    )
    assert one == two and len(one) == 2


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize(
    ("who", "jobs"),
    [("worker", 2), ("parent", 2), ("parent", 1), ("ctrl_c", 2), ("interrupt", 2)],
    ids=["worker_kill_9", "parent_kill_9", "alone_kill_9", "ctrl_c", "interrupt"],
)
def test_whoever_is_killed_the_same_command_ends_with_the_same_bits(
    who, jobs, timed_one_by_one, tmp_path, flags_of_tiny, outcome_of
):
    expected, seconds = timed_one_by_one
    chance, attempt, kills = random.Random(f"{who} {jobs}"), 0, 0
    while kills < int(os.environ.get("TF_LOTTERY_KILLS", "3")):
        attempt += 1
        workdir = tmp_path / str(attempt)
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                arguments(workdir, flags_of_tiny, jobs),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            after = chance.uniform(1, 0.9 * seconds)
            time.sleep(after)
            kill(who, process.pid)
            code = process.wait(120)
        said = (tmp_path / "log").read_text()
        if code == 0:
            continue  # It was done before.
        if who in ("ctrl_c", "interrupt"):
            assert "The same command continues" in said, said
        if who == "worker":
            assert "the same command continues" in said, said
        do(workdir, flags_of_tiny, jobs)
        assert runs_in(workdir, outcome_of) == expected, f"killed after {after:.3f} seconds"
        kills += 1
        print(f"{who}, --jobs={jobs}: killed after {after:.3f} seconds", flush=True)
        shutil.rmtree(workdir)


def kill(who, pid):
    if who == "worker":
        children = subprocess.run(
            ["pgrep", "-P", str(pid), "-f", "spawn_main"], capture_output=True, text=True
        ).stdout.split()
        for child in children[-1:]:
            os.kill(int(child), signal.SIGKILL)
    elif who == "parent":
        os.kill(pid, signal.SIGKILL)
    elif who == "ctrl_c":
        os.killpg(pid, signal.SIGINT)
    else:
        os.kill(pid, signal.SIGINT)
