"""Whether the search of a run folder has ended early, with a level that was not accurate enough."""

from contextlib import suppress
from dataclasses import dataclass

from tf_lottery.config.stopping import read_stop_rule
from tf_lottery.store.csv_files import read_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import METRICS_COLUMNS, RENAMED_METRICS


@dataclass(frozen=True)
class EarlyEnd:
    """A level that ended a search.

    Attributes:
      level: its number.
      accuracy: on the validation data, at the end of its training; a fraction.
      least: the accuracy that it would have had to have.
      rule: as it was given: --stop_below.
    """

    level: int
    accuracy: float
    least: float
    rule: str

    @property
    def ticket(self) -> int:
        """The level before it, which is accurate enough: what there is to export."""
        return max(0, self.level - 1)

    def __str__(self) -> str:
        """Says so, as the end of a sentence."""
        return (
            f"ended with level {self.level}, whose validation accuracy at the end of training, "
            f"{100 * self.accuracy:.2f}%, is below {100 * self.least:.2f}% "
            f"(--stop_below={self.rule})"
        )


def early_end(run: RunFolder, rule: str | None) -> EarlyEnd | None:
    """The first finished level that ends a search.

    Args:
      run: the run folder.
      rule: of --stop_below; None or empty: there is none.

    Raises:
      DamagedFileError: if the metrics of a level are not as they were written.
    """
    stops = read_stop_rule("--stop_below", rule)
    if stops is None or rule is None:
        return None
    dense = None
    for level in run.finished_levels():
        accuracy = _validation_accuracy(run, level)
        dense = accuracy if level == 0 else dense
        if accuracy is not None and dense is not None and stops.is_below(accuracy, dense):
            return EarlyEnd(level, accuracy, stops.least(dense), rule)
    return None


def known_end(run: RunFolder) -> EarlyEnd | None:
    """The same, of the rule that the run was last continued with, if the run has ended by it.

    None, too, of a run that has gone on with later levels, and of one that is damaged.
    """
    details, end = run.known_details, None
    with suppress(OSError, ValueError):
        end = None if details is None else early_end(run, details.stop_below)
    return None if end is None or end.level < run.finished_levels()[-1] else end


def not_finished(run: RunFolder, level: int | None) -> ValueError:
    """The error of a level that is asked for and not finished.

    Args:
      run: the run.
      level: that was asked for; None: any.
    """
    finished, end, details = run.complete_levels(), known_end(run), run.known_details
    said = f"no level is finished in {run.path} yet."
    if level is not None:
        there = ", ".join(map(str, finished)) or "none"
        said = f"level {level} is not finished in {run.path}; finished are {there}."
    if end is not None:
        said += f" The search {end}."
    elif run.command and details is not None and (level or 0) <= details.levels:
        said += f" To go on with it: {run.command}"
    return ValueError(f"--levels: {said}")


def _validation_accuracy(run: RunFolder, level: int) -> float | None:
    rows = read_csv(run.level(level).metrics_path, METRICS_COLUMNS, RENAMED_METRICS)
    accuracy = rows[-1]["validation_accuracy"] if rows else None
    return None if accuracy is None else float(accuracy)
