"""Columns that the tables of several analyses have, of rows of their CSV files."""

from tf_lottery.report.formats import (
    MISSING,
    format_accuracy,
    format_count,
    format_density,
    format_number,
)
from tf_lottery.report.landscape.networks import network_text
from tf_lottery.report.table import Column
from tf_lottery.store.csv_files import Row

RowColumn = Column[Row]

# From here on, numbers are written as 1.0e+04.
_TOO_LONG = 1e4

LEVEL = RowColumn("level", lambda row: str(row["level"]))
DENSITY = RowColumn("density", lambda row: format_density(row["density"]))
REWIND_STEP = RowColumn("rewind\nstep", lambda row: format_count(row["rewind_step"]))
NETWORK = RowColumn("network", lambda row: network_text(row["network"]))
TEST_ACCURACY = RowColumn("test\naccuracy", lambda row: format_accuracy(row["test_accuracy"]))
OF_NETWORKS = (REWIND_STEP, LEVEL, DENSITY, NETWORK, TEST_ACCURACY)


def number(header: str, name: str, form: str) -> RowColumn:
    """A column of numbers, which are never missing, in a form such as ".2f"."""
    return RowColumn(header, lambda row: f"{row[name]:{_fitting(row[name], form)}}")


def share(header: str, name: str) -> RowColumn:
    """A column of fractions as percentages with a decimal; missing ones as "-"."""

    def text(row: Row) -> str:
        percent = None if row[name] is None else 100 * row[name]
        shown = format_number(percent, _fitting(percent, ".1f"))
        return shown if shown == MISSING else f"{shown}%"

    return RowColumn(header, text)


def points(header: str, name: str) -> RowColumn:
    """A column of fractions in points of percentage, such as barriers of the error."""
    return RowColumn(header, lambda row: f"{100 * row[name]:.2f}")


def _fitting(value: float | None, form: str) -> str:
    """The form, or a short one where so many digits before the point would take the whole line."""
    short = value is None or form.endswith("g") or not abs(value) >= _TOO_LONG
    return form if short else ".1e"
