"""Jobs on the workers of a dask scheduler."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_lottery.config.launching import Launcher, options_text
from tf_lottery.experiments.jobs.remote import JobLostError

_OPTIONS = ("scheduler", "scheduler_file")
_SECONDS_TO_CONNECT = 20


class DaskQueue:
    """Gives jobs to dask; made before anything is done, opened when jobs are submitted."""

    def __init__(self, launcher: Launcher):
        """Checks the settings.

        Raises:
          ValueError: if there is no dask, or a setting is not right; says what is.
        """
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise ValueError(
                "--launcher=dask needs the package distributed, which is not installed: "
                'pip install "tf_lottery[dask]".'
            ) from error
        self._given = f"--launcher_options={options_text(launcher)}"
        unknown = [name for name in launcher.options if name not in _OPTIONS]
        if unknown:
            raise ValueError(
                f"{self._given}: {unknown[0]} is not known of --launcher=dask; use scheduler or "
                "scheduler_file."
            )
        if len(launcher.options) != 1:
            raise ValueError(
                "--launcher=dask needs a scheduler: give its address, such as "
                "--launcher_options=scheduler:tcp://HOST:8786, or its file, as "
                "scheduler_file:PATH."
            )
        self._where = {name: str(value) for name, value in launcher.options.items()}
        address, file = self._where.get("scheduler"), self._where.get("scheduler_file")
        if address is not None and not re.fullmatch(r"[a-z]+://.+|.+:\d+", address):
            raise ValueError(
                f"{self._given}: {address} is not the address of a scheduler; write it as "
                "tcp://HOST:8786."
            )
        if file is not None and not Path(file).is_file():
            raise ValueError(
                f"{self._given}: there is no such file; dask scheduler --scheduler-file={file} "
                "writes it when it starts."
            )
        self._client: Any = None

    def open(self, folder: Path) -> DaskQueue:
        """Connects to the scheduler.

        Args:
          folder: of the runs.

        Raises:
          ConnectionError: if none answers.
          ValueError: if a worker would do several tasks at once.
        """
        from distributed import Client

        address, file = self._where.get("scheduler"), self._where.get("scheduler_file")
        try:
            self._client = Client(
                address,
                scheduler_file=file,
                timeout=_SECONDS_TO_CONNECT,
                set_as_default=False,
            )
        except (OSError, TimeoutError, ValueError) as error:
            said = " ".join(str(error).split())
            raise ConnectionError(f"{self._given}: no dask scheduler answers: {said}") from error
        several = [worker for worker, count in self._client.nthreads().items() if count > 1]
        if several:
            self.close()
            raise ValueError(
                f"{self._given}: the worker {several[0]} would train several at once; start "
                "workers by dask worker --nthreads 1."
            )
        return self

    @property
    def room(self) -> int | None:
        """As of `JobQueue`."""
        try:
            return len(self._client.nthreads())
        except OSError:
            return 1  # The scheduler is gone, as its tasks will say.

    def submit(self, arguments: Sequence[str], name: str) -> _DaskJob:
        """As of `JobQueue`."""
        # Of Python alone, so that nothing is imported there.
        future = self._client.submit(
            subprocess.call,
            list(arguments),
            cwd=os.getcwd(),  # noqa: PTH109
            stdin=subprocess.PIPE,
            key=f"{name}-{secrets.token_hex(4)}",
            pure=False,
        )
        return _DaskJob(future)

    def close(self) -> None:
        """As of `JobQueue`."""
        if self._client is not None:
            self._client.close()


class _DaskJob:
    """A future of dask."""

    def __init__(self, future: Any):
        self._future, self.name = future, f"task {future.key}"

    def status(self) -> int | None:
        """As of `Job`."""
        state = self._future.status
        if state == "pending":
            return None
        if state == "finished":
            return self._future.result()
        if state == "error":
            error = self._future.exception()
            raise JobLostError(f"{type(error).__name__}: {error}")
        raise JobLostError(f"the scheduler says that it is {state}.")

    def cancel(self, begun: bool) -> None:
        """As of `Job`."""
        # What runs has read that it is to stop, and ends by itself.
        if not begun:
            self._future.cancel()
