"""What the rows of a run's levels say: early stopping, the dense network, levels that match it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matches
from tf_lottery.report.formats import is_known
from tf_lottery.store.schema import LevelSummary


def early_stop(rows: Iterable[Mapping[str, Any]]) -> tuple[int | None, float | None]:
    """Finds the early-stopping iteration: the lowest validation loss, the earliest on ties.

    Args:
      rows: metrics rows in order of training, with `step`, `validation_loss` and `test_accuracy`;
        a value that was not measured is None.

    Returns:
      The iteration and the test accuracy at it (None if it was not measured there); two Nones if
      no row has a validation loss.
    """
    measured = [row for row in rows if is_known(row["validation_loss"])]
    if not measured:
        return None, None
    best = min(measured, key=lambda row: (row["validation_loss"], row["step"]))
    return int(best["step"]), best["test_accuracy"]


def dense_summary(summaries: Sequence[LevelSummary]) -> LevelSummary | None:
    """Returns level 0; None if it is absent, its test accuracy is unknown or it is not dense."""
    for summary in summaries:
        if summary.level == 0 and is_known(summary.test_accuracy) and not is_ticket(summary):
            return summary
    return None


def is_ticket(summary: LevelSummary) -> bool:
    """Whether a level is not the dense network; level 0 may be the ticket of another run."""
    return summary.level > 0 or summary.density < 1


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
