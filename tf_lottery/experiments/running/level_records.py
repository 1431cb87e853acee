"""What a level that is being trained leaves in the run folder, and continues from."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from tf_lottery.experiments.running.lengths import Lengths
from tf_lottery.experiments.running.run_logs import RunLogs
from tf_lottery.masking.masks import Mask
from tf_lottery.report.progress.levels import ProgressReporter
from tf_lottery.report.summary import early_stop
from tf_lottery.store.checkpoint import Checkpoint
from tf_lottery.store.csv_files import MetricsLog
from tf_lottery.store.empty_layers import no_weight_remains
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import (
    METRICS_COLUMNS,
    PARAMETERS_TRAINED,
    RENAMED_METRICS,
    LevelSummary,
    MetricsRow,
)
from tf_lottery.training.network import NetworkState

# Saving the state may take this share of the time; small networks would else mostly save.
_CHECKPOINT_SHARE = 0.03


class LevelRecords:
    """Takes what happens while a level is trained, and keeps nothing: only the chief writes."""

    def resume(self) -> Checkpoint | None:
        """The state from which an interrupted level continues."""

    def start(self, mask: Mask, step: int, last: int, parameters: int | None = None) -> None:
        """Training starts or continues at `step`, and ends at `last`, in iterations.

        Args:
          mask: of the level.
          step: iterations done.
          last: iterations when it is over.
          parameters: number of weights of all kinds, if a small network stands for the whole one.
        """

    def advance(self, step: int) -> None:
        """Training has come to a step, in iterations."""

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """An evaluation after a step: the values of a row of metrics."""

    def checkpoint(self, state: Callable[[], NetworkState]) -> None:
        """A point from which training can continue; reads the state if it is saved."""

    def keep(self, state: NetworkState) -> None:
        """A state that other runs may rewind to."""

    def lowest_loss(self) -> float | None:
        """The lowest validation loss so far; None if there was no evaluation."""

    def finish(self, mask: Mask) -> dict[str, Any]:
        """The level is trained; returns what is to be recorded of it."""
        return {}


def records_of_levels(
    run: RunFolder | None,
    lengths: Lengths,
    progress: ProgressReporter | None,
    logs: RunLogs | None,
) -> Callable[[int], LevelRecords]:
    """Returns the function from a level to its records: written by the chief, who has `run`."""

    def records_of(level: int) -> LevelRecords:
        if run is None or progress is None or logs is None:
            return LevelRecords()
        return WrittenRecords(run, level, lengths, progress, logs)

    return records_of


class WrittenRecords(LevelRecords):
    """Metrics, logs, checkpoints and progress of one level."""

    def __init__(
        self,
        run: RunFolder,
        level: int,
        lengths: Lengths,
        progress: ProgressReporter,
        logs: RunLogs,
    ):
        """Opens nothing yet.

        Args:
          run: where everything goes.
          level: number of prunings so far.
          lengths: of training.
          progress: is told of everything.
          logs: are told of evaluations.
        """
        self._run, self._level, self._lengths = run, level, lengths
        self._progress, self._logs, self._folder = progress, logs, run.level(level)
        self._log = MetricsLog(self._folder.metrics_path, METRICS_COLUMNS)
        self._seconds_before = 0.0

    def resume(self) -> Checkpoint | None:
        """Loads the latest checkpoint and the metrics up to it.

        Raises:
          DamagedFileError: if they are not as they were written.
        """
        checkpoint = self._folder.checkpoints.latest()
        if checkpoint is not None:
            path = self._folder.metrics_path
            self._log = MetricsLog.load(
                path, METRICS_COLUMNS, up_to_step=checkpoint.step, renamed=RENAMED_METRICS
            )
            if len(self._log.rows) != checkpoint.record["rows"]:
                raise DamagedFileError(path, "lacks rows or has too many")
            self._seconds_before = checkpoint.record["seconds"]
            self._progress.note(f"level {self._level} continues at step {checkpoint.step}")
        return checkpoint

    def start(self, mask: Mask, step: int, last: int, parameters: int | None = None) -> None:
        """Tells of layers without weights; starts the clock and the progress line."""
        self._parameters = parameters
        if layers := mask.empty_layers():
            self._progress.note(f"level {self._level}: {no_weight_remains(layers)}")
        self._logs.start_level(self._level, self._log.rows)
        self._started = time.perf_counter() - self._seconds_before
        self._last_checkpoint, self._checkpoint_cost = time.perf_counter(), 0.0
        self._progress.start_level(
            self._level,
            mask.density,
            step,
            last,
            self._lengths.steps_per_epoch,
        )

    def advance(self, step: int) -> None:
        """Tells the progress."""
        self._progress.advance(step)

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Keeps a row of metrics."""
        row: MetricsRow = {"step": step, **values}
        self._log.append(row)
        self._logs.evaluation(self._level, row)
        self._progress.update(step, row)

    def checkpoint(self, state: Callable[[], NetworkState]) -> None:
        """Saves the state if that is cheap for the time that it would save."""
        started = time.perf_counter()
        if started - self._last_checkpoint < self._checkpoint_cost / _CHECKPOINT_SHARE:
            return
        # The log first: rows beyond the checkpoint are dropped on resuming, missing ones are lost.
        self._log.write()
        now = state()
        self._folder.checkpoints.save(
            now.step,
            now.tensors(),
            {"seconds": started - self._started, "rows": len(self._log.rows)},
        )
        self._last_checkpoint = time.perf_counter()
        self._checkpoint_cost = self._last_checkpoint - started

    def keep(self, state: NetworkState) -> None:
        """Writes the state, unless an interrupted process did so already."""
        kept = self._run.kept_state(state.step)
        if not kept.exists():
            kept.save(state.tensors(), {"step": state.step})

    def lowest_loss(self) -> float | None:
        """The lowest validation loss of all rows."""
        losses = [row["validation_loss"] for row in self._log.rows]
        return min((loss for loss in losses if loss is not None), default=None)

    def finish(self, mask: Mask) -> dict[str, Any]:
        """Writes the metrics and summarizes them."""
        self._log.write()
        last = self._log.rows[-1]
        step, accuracy = early_stop(self._log.rows)
        summary = LevelSummary(
            level=self._level,
            density=mask.density,
            weights_remaining=mask.remaining,
            test_accuracy=last["test_accuracy"],
            test_loss=last["test_loss"],
            early_stop_step=step,
            early_stop_test_accuracy=accuracy,
            seconds=time.perf_counter() - self._started,
            empty_layers=mask.empty_layers(),
        )
        self._progress.finish_level(summary)
        layers = {name: [int(array.sum()), array.size] for name, array in mask.items()}
        record: dict[str, Any] = {**summary.numbers(), "layers": layers}
        if self._parameters is not None:
            record[PARAMETERS_TRAINED] = self._parameters
        return record
