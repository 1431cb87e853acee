"""Figures and table of curvature: how flat each level is, and how much can be pruned at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console

from tf_lottery.report.figures.axes import clear_frame
from tf_lottery.report.figures.canvas import FigureFile, drawn
from tf_lottery.report.figures.curves import Curve, canvas_of
from tf_lottery.report.formats import format_density
from tf_lottery.report.landscape.columns import DENSITY, LEVEL, number, share
from tf_lottery.report.landscape.density_figure import curves_by_density, density_figure
from tf_lottery.report.landscape.measurements import (
    Measurement,
    first_middle_last,
    measured_runs,
    runs_apart,
    spreads,
)
from tf_lottery.report.method_results import Spread
from tf_lottery.report.table import print_sentences, print_table
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import (
    EIGENVALUE,
    ORDERS,
    RATIOS,
    prediction_error_column,
    ratio_column,
)

_RATIO_LABELS = {
    order: {
        ratio_column("predicted", order): f"{text}, predicted",
        ratio_column("retrained", order): f"{text}, retrained",
        ratio_column("measured", order): f"{text}, not retrained",
    }
    for order, text in zip(ORDERS, ("smallest", "random"), strict=True)
}
# Files of older versions lack them.
_ADDED = (*(ratio_column("retrained", order) for order in ORDERS), "sharpness_of_random")


def curvature_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws the curvature of levels, and what it lets be pruned (arXiv 2210.03044, section 3.3).

    Args:
      measurements: rows of `CURVATURE_COLUMNS` and eigenvalues, one for each level.

    Returns:
      "pruning_ratio", of the smallest and of random weights, in a figure for each where several
      runs would crowd it; "curvature"; and for each run "eigenvalues".
    """
    if not any(measurement.rows for measurement in measurements):
        return []
    measurements = [
        replace(
            found, rows=tuple(row | {name: row.get(name) for name in _ADDED} for row in found.rows)
        )
        for found in measurements
    ]
    if len(measured_runs(measurements)) > 1:
        ratios = [
            _ratios(measurements, columns, f"pruning_ratio_{order}")
            for order, columns in _RATIO_LABELS.items()
        ]
    else:
        together = {**_RATIO_LABELS[ORDERS[0]], **_RATIO_LABELS[ORDERS[1]]}
        ratios = [_ratios(measurements, together, "pruning_ratio")]
    spectra = (
        _spectrum(of_run, f"eigenvalues{ending}")
        for ending, of_run in runs_apart(measurements).items()
    )
    return drawn([*ratios, _curvature(measurements), *spectra])


def _ratios(
    measurements: Sequence[Measurement], columns: Mapping[str, str], name: str
) -> FigureFile | None:
    loss_rise = next(row["loss_rise"] for found in measurements for row in found.rows)
    return density_figure(
        curves_by_density(measurements, columns),
        "weights pruned at once\n(% of those remaining)",
        name,
        "Pruning at once",
        "Largest share of a level's weights that can be pruned at once, the smallest or random "
        f"ones, while the training loss rises by at most {loss_rise:g} nats: predicted from the "
        "curvature, where the other weights may move; measured by training them on at the end of "
        "the schedule; and measured without, where they stay.",
        factor=100,
    )


def _curvature(measurements: Sequence[Measurement]) -> FigureFile | None:
    columns = {
        "largest_eigenvalue": "largest",
        "sharpness_of_random": "along a random fifth",
        "sharpness_of_smallest": "along the smallest fifth",
    }
    return density_figure(
        curves_by_density(measurements, columns),
        "curvature of the training loss",
        "curvature",
        "Curvature at the solutions",
        "Largest eigenvalue of the Hessian by the weights that remain, and the curvature along "
        "the steps that prune a random fifth and the smallest fifth of them.",
        logarithmic=True,
    )


def _spectrum(measurements: Sequence[Measurement], name: str) -> FigureFile | None:
    columns = [
        column
        for column in next((found.rows[0] for found in measurements if found.rows), {})
        if column.startswith(EIGENVALUE)
    ]
    by_rank = {
        int(column.removeprefix(EIGENVALUE)): spreads(measurements, ["level"], column)
        for column in columns
    }
    densities = spreads(measurements, ["level"], "density")
    curves = []
    for level in first_middle_last(measurements):
        place = measurements[0].run, level
        spectrum: dict[float, Spread] = {
            rank: found[place] for rank, found in by_rank.items() if place in found
        }
        if spectrum:
            label = f"level {level} ({format_density(densities[place].mean)})"
            curves.append(Curve.of(label, spectrum))
    if not curves:
        return None
    canvas = canvas_of(curves, logarithmic=True)
    canvas.axes.locator_params(axis="x", integer=True)
    canvas.axes.set(xlabel="rank", ylabel="eigenvalue of the Hessian")
    clear_frame(canvas.axes)
    caption = f"The largest eigenvalues at the solutions of {measurements[0].run}."
    return canvas.figure(name, "Largest eigenvalues", caption)


def print_curvature(
    rows: Sequence[Row], loss_rise: float, retrain_steps: int, console: Console | None = None
) -> None:
    """Prints a row per level.

    Args:
      rows: of the analysis' CSV file.
      loss_rise: within which a pruning was to stay, in nats.
      retrain_steps: iterations of training after each pruning.
      console: where to print; standard output by default.
    """
    # Short words, since all columns are to fit 80 characters.
    headers = ("{}\ntheory", "{}\ntuned", "{}\nas is")
    columns = [
        *(LEVEL, DENSITY, number("loss", "loss", ".4f")),
        number("largest\neigenvalue", "largest_eigenvalue", ".4g"),
        *(
            share(header.format(text), ratio_column(ratio, order))
            for order, text in zip(ORDERS, ("least", "random"), strict=True)
            for header, ratio in zip(headers, RATIOS, strict=True)
        ),
    ]
    print_table(columns, rows, console)
    tuned = (
        f"measured, the others being trained for up to {retrain_steps:,} iterations at the end of "
        "the schedule"
    )
    text = (
        "Shares of the weights, the least or random ones, that can be pruned at once while the "
        f"training loss rises by at most {loss_rise:g}. Theory: predicted from the curvature, if "
        f"the others may move; tuned: {tuned if retrain_steps else 'not measured'}; as is: "
        "measured, the others staying as they are. The eigenvalue is that of the loss's Hessian."
    )
    print_sentences([text, *_errors_of_predictions(rows)], console)


def _errors_of_predictions(rows: Sequence[Row]) -> list[str]:
    # Rows of version 0.2.0 have none.
    errors = [row.get(prediction_error_column(order)) for row in rows for order in ORDERS]
    known = [error for error in errors if error is not None]
    if not known:
        return []
    return [f"Standard errors of the predictions: at most {100 * max(known):.1f} points."]
