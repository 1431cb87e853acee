"""The folder of a task that another machine does: its log, its state, and what it is told."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from tf_lottery.experiments.commands import Analyze, RunExperiments
from tf_lottery.experiments.jobs.tasks import Task

JOBS = "jobs"
_LAST_LINES = 20


def job_folder(task: Task) -> Path:
    """Where log and state of a task are: in WORKDIR/NAME/jobs, named by its run and what it is."""
    command = task.command
    name = task.run.name
    if isinstance(command, Analyze):
        name += f"-{command.analysis}"
    elif not isinstance(command, RunExperiments):
        name += f"-{task.folder.name}"
    return task.run.absolute().parent / JOBS / re.sub(r"[^A-Za-z0-9._-]", "_", name)


class JobFolder:
    """The folder of one attempt at a task, as the process that submits the task sees it."""

    def __init__(self, path: Path, attempt: str):
        """Makes the folder.

        Args:
          path: of it.
          attempt: tells this attempt from others before it.
        """
        self.path, self._attempt = path, attempt
        self.log = path / "log.txt"
        path.mkdir(parents=True, exist_ok=True)
        (path / "order.txt").write_text("go on\n")
        self._begins_at = self.log.stat().st_size if self.log.exists() else 0

    def order_stop(self) -> None:
        """Has the task stop, wherever it runs."""
        # In place: a file that takes its place would be seen later in network file systems.
        (self.path / "order.txt").write_text(f"stop {self._attempt}\n")

    def state(self) -> dict[str, Any]:
        """What the task has written of this attempt; nothing if it is yet to begin."""
        with suppress(OSError, ValueError):
            state = json.loads((self.path / "state.json").read_text())
            if state["attempt"] == self._attempt:
                return state
        return {}

    def said(self) -> str:
        """All that was said in this attempt."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(self._begins_at)
            return file.read().decode(errors="replace")
        return ""

    def last_lines(self, most: int = _LAST_LINES) -> str:
        """The end of what was said in this attempt."""
        return "".join(f"{line}\n" for line in self.said().splitlines()[-most:])
