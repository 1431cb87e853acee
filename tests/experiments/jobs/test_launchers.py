"""Studies by submitit and dask, really run on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import tf_lottery
from tf_lottery.config.launching import read_launcher
from tf_lottery.experiments.commands import RunExperiments
from tf_lottery.experiments.jobs.outcome import TaskFailedError
from tf_lottery.experiments.jobs.study import do_elsewhere
from tf_lottery.experiments.jobs.tasks import tasks_of_experiments

_MAIN = Path(__file__).parents[3] / "main.py"
_STUDY = ("--replicates=1-2", "--controls=random_mask", "--control_levels=1")


@contextmanager
def dask_cluster(processes=True, workers=2, threads=1):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        processes=processes,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=":0",
    ) as cluster:
        yield f"scheduler:{cluster.scheduler_address}"


@contextmanager
def submitit_here():
    yield "cluster:local"


_ENGINES = [("submitit", submitit_here), ("dask", dask_cluster)]


def start(workdir, flags_of_tiny, *more, **options):
    flags = {**flags_of_tiny, "levels": 1, "workdir": workdir}
    given = [f"--{name}={value}" for name, value in flags.items()]
    return subprocess.Popen(
        [sys.executable, str(_MAIN), *given, *(more or _STUDY)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Where the tests are a background job, it would be inherited that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )


def do(*given):
    process = start(*given)
    said, _ = process.communicate(timeout=280)
    return process.returncode, said


def results(workdir, outcome_of):
    runs = sorted((workdir / "tiny").glob("replicate_*"))
    assert len(runs) == 2
    return {run.name: outcome_of(run) for run in runs}


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory, flags_of_tiny, outcome_of):
    workdir = tmp_path_factory.mktemp("one_by_one")
    code, said = do(workdir, flags_of_tiny, *_STUDY, "--jobs=1")
    assert code == 0, said
    return results(workdir, outcome_of)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "engine"), _ENGINES, ids=["submitit", "dask"])
def test_by_any_engine_a_study_has_the_same_bits(
    name, engine, one_by_one, tmp_path, flags_of_tiny, outcome_of
):
    with engine() as options:
        flags = (*_STUDY, f"--launcher={name}", f"--launcher_options={options}")
        code, said = do(tmp_path, flags_of_tiny, *flags)
        assert code == 0, said
        assert f"4 to do by {name}" in said and said.count(": begins on") == 0
        assert said.count("begins on ") == 4 and "[4 of 4] replicate_" in said
        assert results(tmp_path, outcome_of) == one_by_one
        log = (tmp_path / "tiny" / "jobs" / "replicate_2-random_mask" / "log.txt").read_text()
        assert log.startswith("$ main.py --experiment=branch --run=") and "Branch folder" in log
        code, again = do(tmp_path, flags_of_tiny, *flags)
        assert code == 0 and "to do by" not in again and again.count("complete already") == 4


def wait_for(condition, process):
    deadline = time.monotonic() + 200
    while not (found := condition()):
        assert process.poll() is None and time.monotonic() < deadline, process.stdout.read()
        time.sleep(0.2)
    return found


def process_of(state):
    try:
        return json.loads(state.read_text())["process"]
    except (OSError, ValueError):
        return None


def is_running(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "engine"), _ENGINES, ids=["submitit", "dask"])
def test_killed_and_stopped_tasks_are_continued(
    name, engine, one_by_one, tmp_path, flags_of_tiny, outcome_of
):
    jobs = tmp_path / "tiny" / "jobs"
    with engine() as options:
        flags = (*_STUDY, f"--launcher={name}", f"--launcher_options={options}")
        process = start(tmp_path, flags_of_tiny, *flags)
        task = wait_for(lambda: process_of(jobs / "replicate_1" / "state.json"), process)
        wait_for((tmp_path / "tiny" / "replicate_1" / "config.json").exists, process)
        os.kill(task, signal.SIGKILL)
        said = process.communicate(timeout=280)[0]
        assert process.returncode == 1
        assert "replicate_1 has ended with exit code -9" in said, said
        assert "what they need has failed: replicate_1 random_mask" in said
        assert "Error: replicate_1 failed; see above." in said and "[2 of 4] replicate_" in said

        process = start(tmp_path, flags_of_tiny, *flags)
        state = jobs / "replicate_1" / "state.json"
        task = wait_for(lambda: (new := process_of(state)) != task and new, process)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate(timeout=280)[0]
        assert process.returncode == 130 and "The same command continues" in said, said
        assert "Stopped: replicate_1" in said
        wait_for_end = time.monotonic() + 30
        while is_running(task):
            assert time.monotonic() < wait_for_end
            time.sleep(0.2)

        code, said = do(tmp_path, flags_of_tiny, *flags)
        assert code == 0, said
    assert results(tmp_path, outcome_of) == one_by_one


def failing_study(workdir):
    flags = {"workdir": str(workdir), "name": "tiny", "model": "lenet_of_old"}
    configs = tuple(tf_lottery.config_from_values({**flags, "replicate": one}) for one in (1, 2))
    return tasks_of_experiments(RunExperiments(configs))


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("submitit", submitit_here),
        pytest.param(
            "dask", lambda: dask_cluster(processes=False, workers=1), marks=pytest.mark.slow
        ),
    ],
    ids=["submitit", "dask"],
)
def test_tasks_that_are_refused_are_told(name, engine, tmp_path, capsys):
    with engine() as options:
        launcher = read_launcher(name, options)
        with pytest.raises(TaskFailedError, match=r"^replicate_1, replicate_2 failed; see above"):
            do_elsewhere(failing_study(tmp_path), launcher, None, print, lambda command: False)
    said = capsys.readouterr().out
    assert said.count("lenet_of_old is not a known model") == 2
    log = tmp_path / "tiny" / "jobs" / "replicate_2" / "log.txt"
    assert (
        f"replicate_2 has ended with exit code 1 on {os.uname().nodename}. Its log: {log}" in said
    )
    assert "lenet_of_old" in log.read_text()


def test_a_worker_that_would_train_several_at_once_is_refused(tmp_path):
    with dask_cluster(processes=False, workers=1, threads=2) as options:
        launcher = read_launcher("dask", options)
        with pytest.raises(ValueError, match="dask worker --nthreads 1"):
            do_elsewhere(failing_study(tmp_path), launcher, None, print, lambda command: False)
