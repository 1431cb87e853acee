"""Where tickets' solutions lie: barriers to others, agreement, and gain of averaging."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from tf_lottery.report.figures.canvas import FigureFile, drawn
from tf_lottery.report.formats import format_points
from tf_lottery.report.landscape.columns import DENSITY, LEVEL, RowColumn, number, points, share
from tf_lottery.report.landscape.density_figure import curves_by_density, density_figure
from tf_lottery.report.landscape.measurements import Measurement, measured_runs, measured_split
from tf_lottery.report.table import print_sentences, print_table
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import COMPARISONS, barrier_column

COMPARISON_TEXTS = {
    "pruned_from": "pruned from",
    "dense": "dense",
    "independent": "independent run",
    "noise": "other data order",
}
_DESCRIPTIONS = {
    "pruned_from": "the solution that the level's mask was pruned from",
    "dense": "that of the dense network",
    "independent": "that of the same level with other seeds",
    "noise": "that of a copy of the level, trained with another data seed",
}


@dataclass(frozen=True)
class _Quantity:
    """What a figure shows: a column, in fractions."""

    name: str
    column: str
    title: str
    axis: str
    caption: str
    shows_zero: bool = True


def same_region_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws how tickets' solutions compare with others (arXiv 2106.06955).

    Args:
      measurements: rows of `SAME_REGION_COLUMNS` and barriers.

    Returns:
      "same_region_barrier", "same_region_agreement" and "same_region_gain" against the weights that
      remain, with a line for each solution that is compared with. Of several runs, one of each for
      each solution that is compared with, with a line for each run.
    """
    rows = [row for measurement in measurements for row in measurement.rows]
    shown = [
        name
        for name in COMPARISONS
        if any(row[name] and not (name == "dense" and row["pruned_from"]) for row in rows)
    ]
    apart = len(measured_runs(measurements)) > 1
    groups = {f"_{name}": [name] for name in shown} if apart else {"": shown}
    return drawn(
        _figure(measurements, quantity, ending, names)
        for quantity in _quantities(measured_split(measurements) or "test")
        for ending, names in groups.items()
    )


def _quantities(split: str) -> tuple[_Quantity, ...]:
    return (
        _Quantity(
            "barrier",
            barrier_column(split),
            "Barriers to other solutions",
            f"{split} error barrier (points)",
            "Error barrier between the solution of each level and another.",
        ),
        _Quantity(
            "agreement",
            "agreement",
            "Agreement with other solutions",
            "same answer\n(% of test examples)",
            "Test examples to which the solution of each level and another give the same answer.",
            shows_zero=False,
        ),
        _Quantity(
            "gain",
            "gain",
            "Gain of averaging",
            "gain of averaging outputs\n(points of test accuracy)",
            "Accuracy of the averaged outputs of the solution of each level and another, above the "
            "mean of their accuracies.",
        ),
    )


def _compared(measurements: Sequence[Measurement], comparison: str) -> list[Measurement]:
    """The rows about a solution that is compared with."""
    return [
        replace(measurement, rows=tuple(row for row in measurement.rows if row[comparison]))
        for measurement in measurements
    ]


def _figure(
    measurements: Sequence[Measurement], quantity: _Quantity, ending: str, shown: Sequence[str]
) -> FigureFile | None:
    """Draws all comparisons of one run, or with an ending of its name one comparison of several."""
    texts = {name: COMPARISON_TEXTS[name] for name in shown}
    curves = [
        curve
        for name, text in texts.items()
        for curve in curves_by_density(
            _compared(measurements, name), {quantity.column: "" if ending else text}
        )
    ]
    others = [f"{text.capitalize()}: {_DESCRIPTIONS[name]}." for name, text in texts.items()]
    return density_figure(
        curves,
        quantity.axis,
        f"same_region_{quantity.name}{ending}",
        ": ".join([quantity.title, *(texts.values() if ending else ())]),
        " ".join([quantity.caption, *others]),
        factor=100,
        level=0 if quantity.shows_zero else None,
    )


def print_same_region(rows: Sequence[Row], split: str, console: Console | None = None) -> None:
    """Prints a row for each comparison.

    Args:
      rows: of same_region.csv, in order.
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    columns = [
        *(LEVEL, DENSITY, RowColumn("compared\nwith", _compared_with)),
        points("barrier\n(points)", barrier_column(split)),
        number("L2", "l2", ".2f"),
        share("same\nanswer", "agreement"),
        share("same\nerrors", "error_overlap"),
        RowColumn("gain of\naveraging\n(points)", _gain),
    ]
    print_table(columns, rows, console)
    text = (
        f"Barriers of the {split} error. Of the test examples, same answer: those to which both "
        "give it; same errors: those that both get wrong, of those that either does; gain of "
        "averaging: of the average of both outputs over the mean of their accuracies."
    )
    print_sentences([text], console)


def _compared_with(row: Row) -> str:
    return next(text for name, text in COMPARISON_TEXTS.items() if row[name])


def _gain(row: Row) -> str:
    return format_points(row["gain"], 0.0)
