"""How much masks have in common: a figure, and tables."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from tf_lottery.report.figures.canvas import FigureFile, drawn
from tf_lottery.report.figures.palette import DASHES, GREY, LineStyle
from tf_lottery.report.landscape.columns import DENSITY, LEVEL, RowColumn, share
from tf_lottery.report.landscape.density_figure import curves_by_density, density_figure
from tf_lottery.report.landscape.measurements import Measurement, runs_apart
from tf_lottery.report.table import print_sentences, print_table
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_names import current_stem, settings_of

_REPLICATES = "other replicates"
_OF_CHANCE = LineStyle(GREY, "", DASHES[1])
_MATCHED = "units matched by their weights"
_MATCHING = (
    "The units of each other network were first put in the order in which its weights are most "
    "like the level's (--align=weights), and its mask with them. That alone makes masks more alike "
    "than chance, whose masks are not matched."
)
_MEANING = (
    "Jaccard: of the weights that remain in either mask, those that remain in both; by chance: "
    "what two random masks that leave as many weights in each layer are expected to have. Hamming: "
    "of all weights, those that one mask leaves and the other does not."
)


def compare_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws the Jaccard index of each level's mask and others, and what chance would give.

    Args:
      measurements: rows of `COMPARE_COLUMNS`.

    Returns:
      "compare" against the weights that remain, of each run one, with lines for the other
      replicates, for each branch, for another run, and for chance.
    """
    return drawn(_figure(of_run, ending) for ending, of_run in runs_apart(measurements).items())


def _figure(measurements: Sequence[Measurement], ending: str) -> FigureFile | None:
    groups = dict.fromkeys(_group(row) for one in measurements for row in one.rows)
    curves = []
    for group in groups:
        of_group = [
            replace(one, rows=tuple(row for row in one.rows if _group(row) == group))
            for one in measurements
        ]
        curves += curves_by_density(of_group, {"jaccard": group})
    # Of all groups, as it depends on nothing but how many weights remain in each layer.
    by_chance = curves_by_density(measurements, {"jaccard_of_chance": "two random masks"})
    curves += [replace(curve, style=_OF_CHANCE) for curve in by_chance]
    label = f" of {measurements[0].run}" if ending and measurements else ""
    stems = (current_stem(one.file.removesuffix(".csv")) for one in measurements)
    matched = any(_MATCHED in settings_of(stem) for stem in stems)
    return density_figure(
        curves,
        f"Jaccard index (%){f', {_MATCHED}' if matched else ''}",
        f"compare{ending}",
        f"What masks{label} have in common{f', {_MATCHED}' if matched else ''}",
        "Of the weights that remain in either of two masks of a level, the share that remains in "
        "both. Two random masks: the expected share of masks that leave as many weights in each "
        f"layer.{f' {_MATCHING}' if matched else ''}",
        factor=100,
    )


def _group(row: Row) -> str:
    return _REPLICATES if row["kind"] == "replicate" else row["other"]


def print_compared_masks(
    rows: Sequence[Row], console: Console | None = None, *, matched: bool = False
) -> None:
    """Prints a row for each mask that a level's is compared with.

    Args:
      rows: of compare.csv, in order.
      console: where to print; standard output by default.
      matched: whether the units of the others were matched first.
    """
    columns = [
        *(LEVEL, DENSITY),
        RowColumn("compared with", lambda row: row["other"], holds_names=True),
        *_SHARES,
    ]
    print_table(columns, rows, console)
    print_sentences([_MEANING, *([_MATCHING] if matched else [])], console)


def print_compared_kernels(rows: Sequence[Row], console: Console | None = None) -> None:
    """Prints the kernels of the last level, for the first mask that it is compared with.

    Args:
      rows: of compare_kernels.csv, in order.
      console: where to print; standard output by default.
    """
    if not rows:
        return
    level = max(row["level"] for row in rows)
    first = next(row for row in rows if row["level"] == level)
    shown = [
        row for row in rows if all(row[name] == first[name] for name in ("level", "kind", "other"))
    ]
    columns = [RowColumn("kernel", lambda row: row["kernel"], holds_names=True), *_SHARES]
    print_sentences([f"\nLevel {level} and {first['other']}, by kernel:"], console)
    print_table(columns, shown, console)


_SHARES = (
    share("Jaccard", "jaccard"),
    share("by\nchance", "jaccard_of_chance"),
    share("Hamming", "hamming"),
    share("by\nchance", "hamming_of_chance"),
)
