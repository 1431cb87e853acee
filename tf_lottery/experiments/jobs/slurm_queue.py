"""Jobs of Slurm, by submitit; or of submitit's stand-in for it on one machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import is_number
from tf_lottery.config.launching import Launcher, options_text
from tf_lottery.experiments.jobs.job_folder import JOBS
from tf_lottery.experiments.jobs.remote import JobLostError
from tf_lottery.registry import likely_names

# Settings of all of submitit's executors; others have the name of one in front.
_GENERAL = frozenset(
    {
        "name",
        "timeout_min",
        "mem_gb",
        "nodes",
        "cpus_per_task",
        "gpus_per_node",
        "tasks_per_node",
        "stderr_to_stdout",
    }
)
_NUMBERS = _GENERAL - {"name", "stderr_to_stdout"}
_CLUSTERS = ("slurm", "local")
# On one machine nothing takes the time of others.
_MINUTES_OF_LOCAL = 60 * 24 * 30
# A task goes on where the time limit has ended it.
_TIME_LIMITS = 20
_LOG_LEVEL = "SUBMITIT_LOG_LEVEL"
_SECONDS_BETWEEN_QUESTIONS = 30.0
# Until a preempted job is in the queue again.
_SECONDS_OF_PREEMPTION = 600.0


class SlurmQueue:
    """Submits jobs by submitit; made before anything is done, opened when jobs are submitted."""

    def __init__(self, launcher: Launcher):
        """Checks the settings.

        Raises:
          ValueError: if there is no submitit or no Slurm, or a setting is not right; says what is.
        """
        submitit = _import_submitit()
        self._given = f"--launcher_options={options_text(launcher)}"
        settings = dict(launcher.options)
        self._cluster = settings.pop("cluster", "slurm")
        if self._cluster not in _CLUSTERS:
            raise ValueError(
                f"{self._given}: cluster:{self._cluster} is not known; use one of "
                f"{', '.join(_CLUSTERS)}."
            )
        if self._cluster == "slurm" and submitit.SlurmExecutor.affinity() < 0:
            raise ValueError(
                "--launcher=submitit: there is no Slurm on this machine (no command srun). Give "
                "the command where jobs are submitted, or --launcher_options=cluster:local to try "
                "it on this machine."
            )
        self._time_limits = settings.pop("max_num_timeout", _TIME_LIMITS)
        self._settings = self._checked(settings)
        with tempfile.TemporaryDirectory() as folder:
            self._executor = self._executor_in(Path(folder))

    def _checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        for name in ("nodes", "tasks_per_node"):
            if settings.get(name, 1) != 1:
                raise ValueError(f"{self._given}: each training is one process; leave {name} out.")
        for name in settings:
            self._check_known(name)
        for name in _NUMBERS & set(settings):
            if not is_number(settings[name]):
                right = f"use a number, such as {name}:10"
                raise ValueError(f"{self._given}: {name}:{settings[name]} is no number; {right}.")
        for name in ("timeout_min", "mem_gb", "cpus_per_task"):
            value = settings.get(name)
            if isinstance(value, int | float) and value <= 0:
                raise ValueError(f"{self._given}: {name}:{value} is out of range; use 1 or more.")
        found = {_full_name(name): value for name, value in settings.items()}
        if self._cluster == "local":
            return {"timeout_min": _MINUTES_OF_LOCAL, **found}
        if not {"timeout_min", "slurm_time"} & set(found):
            raise ValueError(
                "--launcher=submitit needs a time limit for each job, in minutes, such as "
                "--launcher_options=timeout_min:600; a training that takes longer is submitted "
                "again, and goes on."
            )
        return found

    def _check_known(self, name: str) -> None:
        submitit = _import_submitit()
        executors = {"slurm": submitit.SlurmExecutor, "local": submitit.LocalExecutor}
        full = _full_name(name)
        cluster, _, setting = full.partition("_")
        if full in _GENERAL or setting in _GENERAL | executors[cluster]._valid_parameters():
            return
        known = sorted(_GENERAL | executors[self._cluster]._valid_parameters())
        close = likely_names(name, known)
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"{self._given}: {name} is not known of --launcher=submitit.{meant} Known are: "
            f"{', '.join(known)}."
        )

    def _executor_in(self, folder: Path) -> Any:
        submitit = _import_submitit()
        try:
            executor = submitit.AutoExecutor(
                folder, self._cluster, **{f"{self._cluster}_max_num_timeout": self._time_limits}
            )
            executor.update_parameters(**self._settings)
        # What submitit raises for wrong names and types.
        except (NameError, AssertionError, ValueError, TypeError) as error:
            raise ValueError(f"{self._given}: {' '.join(str(error).split())}") from error
        return executor

    def open(self, folder: Path) -> SlurmQueue:
        """Has submitit's files be in a folder, `jobs/submitit` in that of the runs."""
        self._executor = self._executor_in(folder.absolute() / JOBS / "submitit")
        return self

    @property
    def room(self) -> int | None:
        """As of `JobQueue`."""
        return None

    def submit(self, arguments: Sequence[str], name: str) -> _SlurmJob:
        """As of `JobQueue`."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import FunctionSequence

        # Of submitit, so that nothing else is imported there. After a time limit or preemption
        # submitit calls it again, and the process continues where it was.
        call: Any = FunctionSequence()
        call.add(subprocess.call, list(arguments), cwd=os.getcwd(), stdin=subprocess.PIPE)  # noqa: PTH109
        if "name" not in self._settings:
            self._executor.update_parameters(name=name)
        try:
            return _SlurmJob(self._executor.submit(call))
        except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
            said = " ".join(str(error).split())
            raise ConnectionError(f"{name} could not be submitted: {said}") from error

    def close(self) -> None:
        """As of `JobQueue`."""


def _import_submitit() -> Any:
    # It would set up logging anew, and so close the handlers that others have. Its jobs may.
    given = os.environ.get(_LOG_LEVEL)
    os.environ[_LOG_LEVEL] = "NOCONFIG"
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            "--launcher=submitit needs the package submitit, which is not installed: "
            'pip install "tf_lottery[slurm]".'
        ) from error
    finally:
        if given is None:
            del os.environ[_LOG_LEVEL]
        else:
            os.environ[_LOG_LEVEL] = given
    return submitit


def _full_name(setting: str) -> str:
    is_full = setting in _GENERAL or setting.split("_")[0] in _CLUSTERS
    return setting if is_full else f"slurm_{setting}"


class _SlurmJob:
    """A job of submitit."""

    def __init__(self, job: Any):
        self._job, self.name = job, f"job {job.job_id}"
        self._asked = time.monotonic()
        self._preempted: float | None = None

    def status(self) -> int | None:
        """As of `Job`."""
        from submitit.core.utils import FailedJobError, UncompletedJobError

        now = time.monotonic()
        ask = now >= self._asked + _SECONDS_BETWEEN_QUESTIONS
        if ask:
            self._asked = now
        if not self._job.done(force_check=ask):
            if ask:
                self._refuse_preempted(now)
            return None
        try:
            return self._job.result()[0]
        except (UncompletedJobError, FailedJobError) as error:
            if "timed-out too many times" in str(error):
                raise JobLostError("it has come to its time limit too often.") from error
            raise JobLostError(
                f"it has left no result; its state is {self._job.state}.\n{error}"
            ) from error

    def _refuse_preempted(self, now: float) -> None:
        """A job that is preempted is submitted again, or not, as the cluster is set up."""
        if not self._job.state.startswith("PREEMPTED"):
            self._preempted = None
        elif self._preempted is None:
            self._preempted = now
        elif now > self._preempted + _SECONDS_OF_PREEMPTION:
            raise JobLostError("its state is PREEMPTED, and it is not in the queue again.")

    def cancel(self, begun: bool) -> None:
        """As of `Job`."""
        self._job.cancel(check=False)
