"""What submitit and dask are given, and what is refused before anything is done."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tf_lottery.config.launching import read_launcher
from tf_lottery.experiments.jobs.dask_queue import DaskQueue
from tf_lottery.experiments.jobs.remote import JobLostError
from tf_lottery.experiments.jobs.slurm_queue import SlurmQueue, _SlurmJob

MAIN = Path(__file__).parents[3] / "main.py"


def slurm(text):
    return SlurmQueue(read_launcher("submitit", text))


def dask(text):
    return DaskQueue(read_launcher("dask", text))


@pytest.fixture
def with_slurm(monkeypatch, tmp_path):
    """A machine with the commands of Slurm, of which sbatch takes every job."""
    for name, does in (("srun", "true"), ("sbatch", 'cp "$1" $0.txt; echo "job 17"')):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{does}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize(
    ("module", "make", "extra"), [("submitit", slurm, "slurm"), ("distributed", dask, "dask")]
)
def test_without_its_package_it_is_said_how_to_install_it(module, make, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=rf'pip install "tf_lottery\[{extra}\]"'):
        make("")


def test_without_slurm_it_is_refused(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="there is no Slurm on this machine"):
        slurm("timeout_min:10")


def test_without_a_time_limit_it_is_refused(with_slurm):
    with pytest.raises(ValueError, match="needs a time limit"):
        slurm("partition:gpu")
    assert slurm("time:10") is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster:debug", "cluster:debug is not known; use one of slurm, local"),
        ("cluster:local,gpu:1", "gpu is not known of --launcher=submitit. Did you mean gpus_per"),
        ("cluster:local,timeout_min:long", "timeout_min:long is no number; use a number, such as"),
        ("cluster:local,timeout_min:-5", "timeout_min:-5 is out of range; use 1 or more"),
        ("cluster:local,mem_gb:0", "mem_gb:0 is out of range; use 1 or more"),
        ("cluster:local,nodes:2", "each training is one process; leave nodes out"),
        ("cluster:local,local_magic:2", "local_magic is not known of --launcher=submitit"),
    ],
)
def test_wrong_settings_of_submitit_are_told_as_the_flags(text, message):
    with pytest.raises(ValueError, match=f"^--launcher_options={text}.*{message}"):
        slurm(text)


def test_what_slurm_is_given(with_slurm, tmp_path):
    text = "partition:gpu,timeout_min:600,mem_gb:16,gpus_per_node:1,cpus_per_task:4,setup:module x"
    queue = slurm(text).open(tmp_path / "n")
    job = queue.submit(["python", "task.py"], "replicate_1")
    assert (job.name, queue.room) == ("job 17", None)
    script = (with_slurm / "sbatch.txt").read_text()
    for setting in ("partition=gpu", "time=600", "mem=16GB", "gpus-per-node=1", "cpus-per-task=4"):
        assert f"#SBATCH --{setting}\n" in script
    assert "--job-name=replicate_1" in script and "module x" in script
    assert str(tmp_path / "n" / "jobs" / "submitit") in script


def test_a_job_that_slurm_does_not_take_is_told(with_slurm, tmp_path):
    (with_slurm / "sbatch").write_text("#!/bin/sh\necho no such partition >&2\nexit 1\n")
    queue = slurm("partition:x,timeout_min:1").open(tmp_path)
    with pytest.raises(ConnectionError, match=r"^replicate_1 could not be submitted: .*no such"):
        queue.submit(["python"], "replicate_1")


def test_a_preempted_job_is_given_time_to_be_in_the_queue_again(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("time.monotonic", lambda: now.seconds)
    job = SimpleNamespace(job_id="1", state="RUNNING", done=lambda force_check: False)
    followed = _SlurmJob(job)
    for state, seconds in (("PREEMPTED by x", 40), ("PENDING", 80), ("PREEMPTED", 700)):
        job.state, now.seconds = state, seconds
        assert followed.status() is None
    now.seconds = 1400
    with pytest.raises(JobLostError, match="PREEMPTED"):
        followed.status()


def test_time_limits_are_told():
    from submitit.core.utils import FailedJobError

    def result():
        raise FailedJobError("Job not requeued because: timed-out too many times.")

    job = SimpleNamespace(job_id="1", done=lambda force_check: True, result=result)
    with pytest.raises(JobLostError, match=r"^it has come to its time limit too often\.$"):
        _SlurmJob(job).status()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a scheduler: give its address"),
        ("scheduler:a,scheduler_file:b", "needs a scheduler"),
        ("scheduler:hello", "hello is not the address of a scheduler; write it as tcp://HOST:8786"),
        ("scheduler_file:nowhere.json", "there is no such file; dask scheduler --scheduler-file="),
        ("schedule:a", "schedule is not known of --launcher=dask"),
    ],
)
def test_wrong_settings_of_dask(text, message):
    with pytest.raises(ValueError, match=message):
        dask(text)


def test_a_scheduler_that_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setattr("tf_lottery.experiments.jobs.dask_queue._SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(ConnectionError, match="no dask scheduler answers"):
        dask("scheduler:tcp://127.0.0.1:9").open(tmp_path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--launcher=submitit", "--launcher_options=timeout_min:9"], "there is no Slurm"),
        pytest.param(["--launcher=dask"], "needs a scheduler", marks=pytest.mark.slow),
        (["--launcher_options=a:1"], "--launcher_options=a:1 is for --launcher=submitit or dask"),
        pytest.param(
            ["--launcher=slurm"],
            "--launcher=slurm: use one of local, submitit, dask",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_program_refuses_them_before_anything_is_done(flags, message, tmp_path):
    workdir = tmp_path / "runs"
    done = subprocess.run(
        [sys.executable, MAIN, f"--workdir={workdir}", *flags],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/nowhere"},
    )
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not workdir.exists()


def test_several_workers_are_refused(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, MAIN, f"--workdir={tmp_path}/runs", "--launcher=submitit"),
            *("--launcher_options=cluster:local", "--distribution=multi_worker"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and "begins trainings of one process each" in done.stderr
