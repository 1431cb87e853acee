"""One row per level: what a level of iterative magnitude pruning came to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matches
from tf_lottery.report.formats import is_number
from tf_lottery.store.empty_layers import empty_layers


@dataclasses.dataclass(frozen=True)
class LevelSummary:
    """The outcome of one level.

    Attributes:
      level: number of prunings so far; 0 is the dense network.
      density: fraction of prunable weights that remain.
      weights_remaining: number of prunable weights that remain.
      test_accuracy: fraction of test examples classified correctly at the end of training.
      test_loss: at the end of training.
      early_stop_step: iteration of the lowest validation loss, the early-stopping iteration of
        Frankle & Carbin (2019); None without a validation set.
      early_stop_test_accuracy: test accuracy at that iteration; None without a validation set.
      seconds: time that the level took.
      empty_layers: names of the layers of which no weight remains; none of runs that were made
        before layers were recorded.
    """

    level: int
    density: float
    weights_remaining: int
    test_accuracy: float | None
    test_loss: float | None
    early_stop_step: int | None
    early_stop_test_accuracy: float | None
    seconds: float
    empty_layers: tuple[str, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LevelSummary:
        """Reads the record of a level, which may hold more than a summary."""
        layers = record.get("layers", {})
        return cls(
            **{column: record[column] for column in SUMMARY_COLUMNS},
            empty_layers=empty_layers({name: remaining for name, (remaining, _) in layers.items()}),
        )

    def numbers(self) -> dict[str, int | float | None]:
        """The values of `SUMMARY_COLUMNS`."""
        return {column: getattr(self, column) for column in SUMMARY_COLUMNS}


SUMMARY_COLUMNS = tuple(
    field.name for field in dataclasses.fields(LevelSummary) if field.name != "empty_layers"
)
_INTEGER_COLUMNS = frozenset({"level", "weights_remaining", "early_stop_step"})
_OPTIONAL_COLUMNS = frozenset(
    {"test_accuracy", "test_loss", "early_stop_step", "early_stop_test_accuracy"}
)


def early_stop(rows: Iterable[Mapping[str, float | None]]) -> tuple[int | None, float | None]:
    """Finds the early-stopping iteration: the lowest validation loss, the earliest on ties.

    Args:
      rows: metrics rows in order of training, with `step`, `validation_loss` and `test_accuracy`;
        a value that was not measured is None.

    Returns:
      The iteration and the test accuracy at it (None if it was not measured there); two Nones if
      no row has a validation loss.
    """
    measured = [row for row in rows if is_number(row["validation_loss"])]
    if not measured:
        return None, None
    best = min(measured, key=lambda row: (row["validation_loss"], row["step"]))
    return int(best["step"]), best["test_accuracy"]


def summary_to_row(summary: LevelSummary) -> dict[str, str]:
    """Writes a summary as the text of a CSV row.

    Args:
      summary: the level's summary.

    Returns:
      Text by column, in the order of `SUMMARY_COLUMNS`. None becomes an empty text, and a number
      gets as many digits as it takes to read back the same one.
    """
    row = {}
    for column, value in summary.numbers().items():
        # int() and float() first: NumPy's repr of its own scalars is "np.float64(0.5)".
        number = int if column in _INTEGER_COLUMNS else float
        row[column] = "" if value is None else repr(number(value))
    return row


def summary_from_row(row: Mapping[str, str | None]) -> LevelSummary:
    """Reads a summary from the text of a CSV row.

    Args:
      row: text by column; columns that are not in `SUMMARY_COLUMNS` are ignored.

    Returns:
      The summary.

    Raises:
      ValueError: a column is absent, or its text is not the number it should be.
    """
    return LevelSummary(**{column: _read(row, column) for column in SUMMARY_COLUMNS})


def dense_summary(summaries: Sequence[LevelSummary]) -> LevelSummary | None:
    """Returns level 0, or None if it is absent or its test accuracy is unknown."""
    for summary in summaries:
        if summary.level == 0 and is_number(summary.test_accuracy):
            return summary
    return None


def matching_levels(
    summaries: Sequence[LevelSummary],
    dense_accuracy: float | None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> list[LevelSummary]:
    """Finds the pruned levels that match the dense network.

    Args:
      summaries: the levels.
      dense_accuracy: test accuracy of the dense network; None if unknown.
      tolerance: as of `matching.matches`.

    Returns:
      Those that match, the sparsest first.
    """
    matching = [
        summary
        for summary in summaries
        if summary.level > 0 and matches(summary.test_accuracy, dense_accuracy, tolerance)
    ]
    return sorted(matching, key=lambda summary: summary.density)


def _read(row: Mapping[str, str | None], column: str) -> int | float | None:
    text = row.get(column)
    if text is None:
        raise ValueError(
            f"summary row has no column {column!r}; expected the columns "
            f"{', '.join(SUMMARY_COLUMNS)}"
        )
    if text == "" and column in _OPTIONAL_COLUMNS:
        return None
    number, kind = (int, "an integer") if column in _INTEGER_COLUMNS else (float, "a number")
    try:
        return number(text)
    except ValueError:
        raise ValueError(f"summary column {column!r} is {text!r}; it must be {kind}") from None
