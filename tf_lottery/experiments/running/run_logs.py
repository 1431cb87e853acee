"""Tells loggers of a run: each what it was not told yet, and none twice."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.loggers import LOGGERS, LoggedRun, RunLogger
from tf_lottery.messages import tell
from tf_lottery.store.atomic import read_json, write_json
from tf_lottery.store.csv_files import MetricsLog
from tf_lottery.store.errors import DamagedFileError, StorageError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import (
    METRICS,
    METRICS_COLUMNS,
    RENAMED_METRICS,
    MetricsRow,
    level_values,
)


class RunLogs:
    """All that `--log_to` names, while a run or a branch is trained."""

    def __init__(self, run: RunFolder, config: ExperimentConfig):
        """Begins nothing yet: perhaps nothing is left to train.

        Args:
          run: its folder.
          config: of it.
        """
        self._run, self._begun = run, False
        logged = _logged_run(run, config)
        self._logs = [_Log(name, logged) for name in config.run.loggers]

    def start_level(self, level: int, rows: Iterable[MetricsRow]) -> None:
        """The training of a level begins or goes on.

        Args:
          level: number of prunings so far.
          rows: evaluations so far, of which the loggers may have been told.
        """
        self._begin()
        for log in self._logs:
            log.start_level(level)
        for row in rows:
            self.evaluation(level, row)

    def evaluation(self, level: int, row: MetricsRow) -> None:
        """An evaluation of the level that was started."""
        for log in self._logs:
            log.evaluation(level, row)

    def finish_level(self, level: int) -> None:
        """A level is finished, and its record in the run folder."""
        self._begin()
        record = self._run.level(level).record()
        for log in self._logs:
            log.finish_level(level, record)

    def end(self, finished: bool) -> None:
        """Training has ended; `finished` is False if by an error or Ctrl-C."""
        for log in self._logs if self._begun else ():
            log.end(finished)

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        for log in self._logs:
            log.begin()
        for level in self._run.complete_levels():
            folder = self._run.level(level)
            record, rows = folder.record(), None
            for log in self._logs:
                if log.keeps and not log.knows_level(level):
                    # Another logger had them, or none.
                    rows = rows or _rows(folder.metrics_path)
                    log.start_level(level)
                    for row in rows:
                        log.evaluation(level, row)
                log.finish_level(level, record)


def _rows(path: Path) -> list[MetricsRow]:
    return MetricsLog.load(path, METRICS_COLUMNS, renamed=RENAMED_METRICS).rows


def _logged_run(run: RunFolder, config: ExperimentConfig) -> LoggedRun:
    home, flags, unset = run.home.absolute(), config.identity(), ExperimentConfig().identity()
    own = () if run.kind_of_branch is None else (run.path.name,)
    return LoggedRun(
        path=run.path,
        group=home.parent.name,
        name="/".join((home.parent.name, home.name, *own)),
        flags=flags,
        changed={name: value for name, value in flags.items() if value != unset.get(name)},
    )


class _Log:
    """A logger, and what it was told: in logging/NAME.json of the run folder, if it keeps that.

    It is noted before the logger is told: what a process that was killed between the two had to
    tell is missing, and not there twice.
    """

    def __init__(self, name: str, run: LoggedRun):
        self._name, self._run = name, run
        self._logger: RunLogger = LOGGERS.find(name)()
        self._path = run.path / "logging" / f"{name}.json"
        self._failed = False
        self._id: str | None = None
        # The last step by level, and levels that are finished.
        self._steps: dict[str, int] = {}
        self._levels: list[int] = []

    @property
    def keeps(self) -> bool:
        return self._logger.keeps

    def knows_level(self, level: int) -> bool:
        return level in self._levels

    def begin(self) -> None:
        def begin() -> None:
            known: dict[str, Any] = {}
            if self.keeps and self._path.exists():
                known = read_json(self._path)
            steps, levels = known.get("steps", {}), known.get("levels", [])
            if not (isinstance(steps, dict) and isinstance(levels, list)) or not all(
                isinstance(number, int) for number in (*steps.values(), *levels)
            ):
                raise DamagedFileError(self._path, "is damaged: it does not say what was told")
            self._id = self._logger.begin(self._run, known.get("id"))
            self._steps, self._levels = steps, levels
            self._note()

        self._do(begin)

    def start_level(self, level: int) -> None:
        self._do(lambda: self._logger.start_level(level))

    def evaluation(self, level: int, row: MetricsRow) -> None:
        number, step = str(level), row["step"]
        assert isinstance(step, int)
        before = self._steps.get(number, -1)
        if self.keeps and step <= before:
            return

        def take_back() -> None:
            self._steps[number] = before

        self._steps[number] = step
        values = {metric.tag: row.get(metric.column) for metric in METRICS}
        known = {tag: value for tag, value in values.items() if value is not None}
        self._tell(lambda: self._logger.evaluation(level, step, known), take_back)

    def finish_level(self, level: int, record: Any) -> None:
        if self.keeps and level in self._levels:
            return

        def take_back() -> None:
            self._levels.remove(level)

        self._levels.append(level)
        values = level_values(record)
        self._tell(lambda: self._logger.finish_level(level, values), take_back)

    def end(self, finished: bool) -> None:
        self._do(lambda: self._logger.end(finished))

    def _tell(self, what: Callable[[], None], take_back: Callable[[], None]) -> None:
        if self._failed:
            return
        self._note()
        self._do(what)
        if self._failed:
            # It is told when the run is continued.
            take_back()
            self._note()

    def _note(self) -> None:
        if self.keeps:
            noted = {"id": self._id, "steps": self._steps, "levels": self._levels}
            write_json(self._path, noted)

    def _do(self, what: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            what()
        except StorageError:
            # The run folder itself cannot be written.
            raise
        except Exception as error:
            self._failed = True
            tell(
                f"Note: --log_to={self._name} has failed, and is told nothing more of "
                f"{self._run.path} until the run is continued: {type(error).__name__}: {error}"
            )
