"""The table of curvatures: how flat each level is, and how much can be pruned at once."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import format_accuracy, format_density
from tf_lottery.report.table import print_sentences, table_of_numbers
from tf_lottery.store.result_columns import ORDERS, RATIOS, ratio_column

_HEADERS = (
    "level",
    "density",
    "loss",
    "largest\neigen-\nvalue",
    "least:\npre-\ndicted",
    "re-\ntrain-\ned",
    "not",
    "random:\npre-\ndicted",
    "re-\ntrain-\ned",
    "not",
)
_RATIOS = tuple(ratio_column(ratio, order) for order in ORDERS for ratio in RATIOS)


def print_curvature(
    rows: Sequence[Mapping[str, float]],
    loss_rise: float,
    retrain_steps: int,
    console: Console | None = None,
) -> None:
    """Prints a row per level.

    Args:
      rows: of the analysis' CSV file.
      loss_rise: within which a pruning was to stay, in nats.
      retrain_steps: iterations of training after each pruning.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of_numbers(_HEADERS)
    for row in rows:
        table.add_row(
            str(row["level"]),
            format_density(row["density"]),
            f"{row['loss']:.4f}",
            f"{row['largest_eigenvalue']:.4g}",
            *(format_accuracy(row[name], 1) for name in _RATIOS),
        )
    console.print(table)
    text = (
        "Weights, the least or random ones, that can be pruned at once while the training loss "
        "rises by at most "
        f"{loss_rise:g}: predicted from the curvature, where the others may move; "
        + (
            f"measured by training them for up to {retrain_steps:,} iterations at the end of the "
            "schedule; "
            if retrain_steps
            else ""
        )
        + "and measured without retraining, where they stay."
    )
    print_sentences(console, [text])
