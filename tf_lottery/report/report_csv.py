"""The numbers of a report as CSV texts."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_lottery.report.formats import format_numbers
from tf_lottery.report.matching_tickets import Ticket
from tf_lottery.report.method_results import MethodResults
from tf_lottery.store.schema import SUMMARY_COLUMNS

_OF_A_METHOD = ("run", "branch", "method")
_TICKET_COLUMNS = (
    *_OF_A_METHOD,
    "dense_accuracy",
    "least_dense_accuracy",
    "largest_dense_accuracy",
    "dense_replicates",
    "tolerance",
    "matching_levels",
    "level",
    "density",
    "weights_remaining",
    "mean_accuracy",
    "least_accuracy",
    "largest_accuracy",
    "replicates",
    "note",
)


def levels_csv(methods: Sequence[MethodResults]) -> str:
    """Writes a row per run or branch, replicate and complete level.

    Args:
      methods: runs and branches.

    Returns:
      The text. Fractions have all their digits; unknown numbers are empty cells. Layers without
      weights are separated by semicolons.
    """
    columns = (*_OF_A_METHOD, "replicate", *SUMMARY_COLUMNS, "empty_layers")
    rows = (
        {
            **_of_method(method),
            "replicate": record.replicate,
            **record.levels[level].summary.numbers(),
            "empty_layers": ";".join(record.levels[level].summary.empty_layers),
        }
        for method in methods
        for record in method.records
        for level in sorted(record.levels)
    )
    return _text(columns, rows)


def tickets_csv(tickets: Sequence[Ticket]) -> str:
    """Writes a row per run or branch with its sparsest matching ticket.

    Args:
      tickets: the outcomes.

    Returns:
      The text; the cells of a ticket that does not exist are empty. Accuracies and the tolerance
      of matching are fractions.
    """
    return _text(_TICKET_COLUMNS, map(_ticket_row, tickets))


def _ticket_row(ticket: Ticket) -> dict[str, Any]:
    row: dict[str, Any] = {**_of_method(ticket.results), "note": ticket.note()}
    if ticket.dense is not None:
        row["dense_accuracy"] = ticket.dense.mean
        row["least_dense_accuracy"] = ticket.dense.minimum
        row["largest_dense_accuracy"] = ticket.dense.maximum
        row["dense_replicates"] = ticket.dense.count
        row["tolerance"] = ticket.tolerance
        row["matching_levels"] = format_numbers(level.level for level in ticket.matching)
    if ticket.level is not None:
        row["level"] = ticket.level.level
        row["density"] = ticket.level.density
        row["weights_remaining"] = ticket.level.weights_remaining
        row["mean_accuracy"] = ticket.level.known_accuracy.mean
        row["least_accuracy"] = ticket.level.known_accuracy.minimum
        row["largest_accuracy"] = ticket.level.known_accuracy.maximum
        row["replicates"] = ticket.level.known_accuracy.count
    return row


def _of_method(method: MethodResults) -> dict[str, str]:
    return {"run": method.run, "branch": method.branch or "", "method": method.method}


def _text(columns: Sequence[str], rows: Iterable[Mapping]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
