"""Columns that the tables of several analyses have, of rows of their CSV files."""

from tf_lottery.report.formats import format_accuracy, format_count, format_density
from tf_lottery.report.landscape.networks import network_text
from tf_lottery.report.table import Column
from tf_lottery.store.metrics import Row

RowColumn = Column[Row]

LEVEL = RowColumn("level", lambda row: str(row["level"]))
DENSITY = RowColumn("density", lambda row: format_density(row["density"]))
REWIND_STEP = RowColumn("rewind\nstep", lambda row: format_count(row["rewind_step"]))
NETWORK = RowColumn("network", lambda row: network_text(row["network"]))
TEST_ACCURACY = RowColumn("test\naccuracy", lambda row: format_accuracy(row["test_accuracy"]))
OF_NETWORKS = (REWIND_STEP, LEVEL, DENSITY, NETWORK, TEST_ACCURACY)


def number(header: str, name: str, form: str) -> RowColumn:
    """A column of numbers, which are never missing, in a form such as ".2f"."""
    return RowColumn(header, lambda row: f"{row[name]:{form}}")


def share(header: str, name: str) -> RowColumn:
    """A column of fractions as percentages with a decimal."""
    return RowColumn(header, lambda row: format_accuracy(row[name], 1))


def points(header: str, name: str) -> RowColumn:
    """A column of fractions in points of percentage, such as barriers of the error."""
    return RowColumn(header, lambda row: f"{100 * row[name]:.2f}")
