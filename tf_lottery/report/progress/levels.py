"""Progress of the level loop: a live line on a terminal, sparse lines in a log file."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tf_lottery.report.console import default_console, print_line
from tf_lottery.report.formats import (
    GAP,
    epochs_text,
    format_accuracy,
    format_density,
    format_duration,
    is_known,
)
from tf_lottery.report.progress.time_left import TimeLeft
from tf_lottery.report.progress.watching import watcher
from tf_lottery.store.schema import LevelSummary

LIVE_LINES_PER_SECOND = 8
SECONDS_BETWEEN_LOG_LINES = 10.0
_DENSITY_WIDTH = len("0.687%")


@dataclasses.dataclass(frozen=True)
class _LevelInTraining:
    level: int
    density: float
    last_step: int
    steps_per_epoch: int


@dataclasses.dataclass(frozen=True)
class _Evaluation:
    """What the live line shows; replaced as a whole, because another thread draws it."""

    training: _LevelInTraining | None
    step: int
    metrics: Mapping[str, float | None]
    seconds_left: float | None
    time: float


class ProgressReporter:
    """Shows where an experiment stands, for every level and evaluation.

    On a terminal it keeps one live line and prints one permanent line per finished level. Into a
    file or a pipe it prints when a level starts and finishes, and evaluations at most every
    `SECONDS_BETWEEN_LOG_LINES`. Use it as a context manager: leaving it, by an exception or Ctrl-C
    too, removes the live line.
    """

    def __init__(
        self,
        steps_per_level: Sequence[int],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Prepares to report; shows nothing yet.

        Args:
          steps_per_level: training iterations of each level, of level 0 (dense) first.
          console: where to print; standard output by default.
          clock: returns the time in seconds.
        """
        self._levels, self._are_likely = len(steps_per_level) - 1, False
        self._console, self._watcher = console or default_console(), watcher()
        self._interactive = (
            self._console.is_interactive if self._watcher is None else self._watcher.interactive
        )
        self._clock = clock
        self._time_left = TimeLeft(steps_per_level, clock)
        self._training: _LevelInTraining | None = None
        self._shown = _Evaluation(None, 0, {}, None, 0.0)
        self._complete_levels: list[int] = []
        self._latest_line = -float("inf")
        self._live: Live | None = None
        self._evaluated = False

    def __enter__(self) -> "ProgressReporter":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def expect_levels(self, steps_per_level: Sequence[int], *, exact: bool) -> None:
        """Takes back how many levels there will be, where that shows only on the way.

        Args:
          steps_per_level: as at the beginning.
          exact: whether it is known by now, and not only likely.
        """
        self._levels, self._are_likely = len(steps_per_level) - 1, not exact
        self._time_left.replace_steps(steps_per_level)

    def skip_level(self, level: int) -> None:
        """Reports a level that was found complete; levels in a row share one line."""
        self._complete_levels.append(level)
        self._time_left.finish_level(level)

    def start_level(
        self, level: int, density: float, first_step: int, last_step: int, steps_per_epoch: int
    ) -> None:
        """Reports that a level's training starts, or continues after an interruption.

        Args:
          level: number of prunings so far.
          density: fraction of prunable weights that remain.
          first_step: iteration at which training starts now.
          last_step: iteration at which it ends.
          steps_per_epoch: iterations in an epoch.
        """
        self._print_complete_levels()
        self._training = _LevelInTraining(level, density, last_step, steps_per_epoch)
        self._time_left.start_level(level, first_step, last_step)
        self._show(first_step, {})
        if not self._interactive:
            self._print(
                f"{self._level_text(level, density)}{GAP}training from step {first_step:,} to "
                f"{last_step:,}"
            )
        elif self._live is None and self._watcher is None:
            self._start_live_line()

    def advance(self, step: int) -> None:
        """Reports that training has come to a step, between evaluations.

        Args:
          step: the iteration.
        """
        self._time_left.reach(step)
        self._report(step, self._shown.metrics)

    def update(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Reports an evaluation.

        Args:
          step: the iteration.
          metrics: the metrics row: `train_loss_since_last_row`, `validation_accuracy` and
            `test_accuracy` are shown where they are there and not None, the last only for want of
            the second.
        """
        # A row without it comes before the first step, which is yet to be compiled.
        if metrics.get("train_loss_since_last_row") is not None:
            self._time_left.reach(step)
            if not self._evaluated:
                # Until then most of the time went into compiling training and evaluation.
                self._time_left.restart_clock()
                self._evaluated = True
        self._report(step, metrics)

    def _report(self, step: int, metrics: Mapping[str, float | None]) -> None:
        self._show(step, metrics)
        due = self._latest_line + SECONDS_BETWEEN_LOG_LINES
        if not self._interactive and self._shown.time >= due:
            self._print(self._line(self._shown, with_step=True, with_density=True))

    def finish_level(self, summary: LevelSummary) -> None:
        """Reports that a level is complete, with its results."""
        self._time_left.finish_level(summary.level)
        self._training = None
        self._show(0, {})
        results = f"test {format_accuracy(summary.test_accuracy)}"
        if is_known(summary.early_stop_test_accuracy):
            results += f", at early stop {format_accuracy(summary.early_stop_test_accuracy)}"
        parts = [
            self._level_text(summary.level, summary.density),
            results,
            format_duration(summary.seconds),
        ]
        if not self._interactive and summary.level < self._levels:
            parts += self._time_left_text(self._shown)
        self._print(GAP.join(parts))

    def note(self, text: str) -> None:
        """Prints a permanent line."""
        self._print_complete_levels()
        self._print(text)

    def close(self) -> None:
        """Removes the live line; may be called again."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._print_complete_levels()

    def _show(self, step: int, metrics: Mapping[str, float | None]) -> None:
        self._shown = _Evaluation(
            self._training, step, dict(metrics), self._time_left.seconds(), self._clock()
        )
        if self._watcher is not None:
            left = self._shown.seconds_left
            text = self._line(dataclasses.replace(self._shown, seconds_left=None), False, True)
            self._watcher.live(text, left)

    def _start_live_line(self) -> None:
        self._live = Live(
            get_renderable=self._live_line,
            console=self._console,
            refresh_per_second=LIVE_LINES_PER_SECOND,
            transient=True,
        )
        self._live.start()
        # rich hides the cursor; a killed process would leave the user's shell without one.
        self._console.show_cursor(True)

    def _live_line(self) -> Text:
        shown, line = self._shown, ""
        for with_step, with_density in ((True, True), (False, True), (False, False)):
            line = self._line(shown, with_step, with_density)
            if len(line) <= self._console.width:
                break
        return Text(line, no_wrap=True, overflow="crop")

    def _line(self, shown: _Evaluation, with_step: bool, with_density: bool) -> str:
        training = shown.training
        if training is None:
            return GAP.join(self._time_left_text(shown))
        # Lines of a log stand below each other.
        density = _density_text(training.density, 0 if self._interactive else _DENSITY_WIDTH)
        epochs = epochs_text(
            shown.step / training.steps_per_epoch, training.last_step / training.steps_per_epoch
        )
        parts = [self._of_levels(training.level)]
        parts += [density] if with_density else []
        parts += [f"epoch {epochs}"] if epochs else []
        with_step = with_step or not epochs
        parts += [f"step {shown.step:,}/{training.last_step:,}"] if with_step else []
        return GAP.join(parts + _metric_texts(shown.metrics) + self._time_left_text(shown))

    def _time_left_text(self, shown: _Evaluation) -> list[str]:
        if shown.seconds_left is None:
            return []
        seconds = shown.seconds_left - (self._clock() - shown.time)
        return [f"{format_duration(seconds)} left"]

    def _level_text(self, level: int, density: float) -> str:
        return f"{self._of_levels(level)}{GAP}{_density_text(density)}"

    def _of_levels(self, level: int) -> str:
        likely = "~" if self._are_likely else ""
        return f"level {level:>{len(str(self._levels))}}/{likely}{self._levels}"

    def _print_complete_levels(self) -> None:
        if not self._complete_levels:
            return
        first, last = self._complete_levels[0], self._complete_levels[-1]
        which = f"level {first} is" if first == last else f"levels {first} to {last} are"
        if self._complete_levels != list(range(first, last + 1)):
            which = f"levels {', '.join(map(str, self._complete_levels))} are"
        self._complete_levels = []
        self._print(f"{which} complete already")

    def _print(self, line: str) -> None:
        self._latest_line = self._clock()
        if self._watcher is not None:
            self._watcher.line(line)
        else:
            print_line(line, self._console)


def _density_text(density: float, width: int = _DENSITY_WIDTH) -> str:
    return f"density {format_density(density):>{width}}"


def _metric_texts(metrics: Mapping[str, float | None]) -> list[str]:
    texts = []
    if metrics.get("train_loss_since_last_row") is not None:
        texts.append(f"loss {metrics['train_loss_since_last_row']:.4f}")
    for label, key in (("val", "validation_accuracy"), ("test", "test_accuracy")):
        if metrics.get(key) is not None:
            return [*texts, f"{label} {format_accuracy(metrics[key])}"]
    return texts
