"""The numbers of a report as CSV texts."""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from tf_lottery.report.formats import format_numbers
from tf_lottery.report.matching_tickets import Ticket
from tf_lottery.report.method_results import LevelStatistics, MethodResults
from tf_lottery.store.csv_files import table_text
from tf_lottery.store.schema import SUMMARY_COLUMNS

_OF_A_METHOD = ("run", "branch", "method")
# Of a `Spread`.
ACCURACY_COLUMNS = ("mean_accuracy", "least_accuracy", "largest_accuracy", "replicates")
# Differences of replicates to their own dense networks.
AGAINST_DENSE_COLUMNS = ("against_dense", "least_against_dense", "largest_against_dense")
_DENSE_COLUMNS = (
    "dense_accuracy",
    "least_dense_accuracy",
    "largest_dense_accuracy",
    "dense_replicates",
)
_TICKET_COLUMNS = (
    *(*_OF_A_METHOD, *_DENSE_COLUMNS, "tolerance", "matching_levels"),
    *("level", "density", "weights_remaining", *ACCURACY_COLUMNS, *AGAINST_DENSE_COLUMNS, "note"),
)


def levels_csv(methods: Sequence[MethodResults]) -> str:
    """Writes a row per run or branch, replicate and complete level.

    Args:
      methods: runs and branches.

    Returns:
      The text. Fractions have all their digits; unknown numbers are empty cells. Layers without
      weights are separated by semicolons.
    """
    columns = (*_OF_A_METHOD, "replicate", *SUMMARY_COLUMNS, "empty_layers", "multiply_adds")
    rows = (
        {
            **_of_method(method),
            "replicate": record.replicate,
            **record.levels[level].summary.numbers(),
            "empty_layers": ";".join(record.levels[level].summary.empty_layers),
            "multiply_adds": record.levels[level].summary.multiply_adds,
        }
        for method in methods
        for record in method.records
        for level in sorted(record.levels)
    )
    return table_text(columns, rows)


def tickets_csv(tickets: Sequence[Ticket]) -> str:
    """Writes a row per run or branch with its sparsest matching ticket.

    Args:
      tickets: the outcomes.

    Returns:
      The text; the cells of a ticket that does not exist are empty. Accuracies and the tolerance
      of matching are fractions.
    """
    return table_text(_TICKET_COLUMNS, map(_ticket_row, tickets))


def against_dense_cells(level: LevelStatistics) -> dict[str, float]:
    """The values of `AGAINST_DENSE_COLUMNS`, fractions; none where there are none."""
    spread = level.against_dense
    values = () if spread is None else (spread.mean, spread.minimum, spread.maximum)
    return dict(zip(AGAINST_DENSE_COLUMNS, values, strict=False))


def _ticket_row(ticket: Ticket) -> dict[str, Any]:
    row: dict[str, Any] = {**_of_method(ticket.results), "note": ticket.note()}
    if ticket.dense is not None:
        row |= zip(_DENSE_COLUMNS, astuple(ticket.dense), strict=True)
        row["tolerance"] = ticket.tolerance
        row["matching_levels"] = format_numbers(level.level for level in ticket.matching)
    if ticket.level is not None:
        row |= zip(ACCURACY_COLUMNS, astuple(ticket.level.known_accuracy), strict=True)
        row |= against_dense_cells(ticket.level)
        row["level"] = ticket.level.level
        row["density"] = ticket.level.density
        row["weights_remaining"] = ticket.level.weights_remaining
    return row


def _of_method(method: MethodResults) -> dict[str, str]:
    return {"run": method.run, "branch": method.branch or "", "method": method.method}
