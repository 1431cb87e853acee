"""Claims 4.3 to 4.6 (2106.06955)."""

import pandas as pd

from measured.tables import lth_share, mean_of, of_fashion_mnist, table_of
from measured.words import Measured, percent, percent_list
from tf_lottery.report.method_results import LOTTERY


def why_tickets_win() -> dict[str, list[Measured]]:
    """Claims 4.3 to 4.5, of solutions that are compared, and 4.6."""
    rows = table_of("fashion_mnist_same_region")
    levels = sorted(rows.level.unique())
    shares = ", ".join(lth_share(level) for level in levels)

    def means(other: str, column: str, digits: int = 2) -> str:
        compared = rows[rows[other] == 1]
        of_levels = (mean_of(compared[compared.level == level][column]) for level in levels)
        return percent_list(of_levels, digits)

    here = {
        "4.3": f"at {shares}: barrier to it {means('pruned_from', 'test_error_barrier')}, to an "
        f"independent ticket {means('independent', 'test_error_barrier')}",
        "4.4": f"at {shares}: agreement {means('pruned_from', 'agreement', 1)}, of independent "
        f"tickets {means('independent', 'agreement', 1)}",
        "4.5": f"at {shares}: barrier to the dense network {means('dense', 'test_error_barrier')}",
    }
    results = {number: of_fashion_mnist(rows, text) for number, text in here.items()}
    return {**results, "4.6": _before_training()}


def _before_training() -> list[Measured]:
    """Networks that are pruned at iteration 0, beside the tickets of the same replicates."""
    rows, all_runs = table_of("fashion_mnist_before_training"), table_of("fashion_mnist_lth")
    replicates = [f"replicate_{number}" for number in rows.replicate.unique()]
    tickets = all_runs[(all_runs.method == LOTTERY) & all_runs.replicate.isin(replicates)]
    names = {"snip": "SNIP", "synflow": "SynFlow", "grasp": "GraSP"}

    def mean(table: pd.DataFrame, level: int) -> str:
        return percent(mean_of(table[table.level == level].test_accuracy))

    of_levels = [
        f"at {lth_share(level)} "
        + ", ".join(
            f"{name} {mean(rows[rows.score == score], level)}" for score, name in names.items()
        )
        + f", ticket {mean(tickets, level)}"
        for level in sorted(rows.level.unique())
    ]
    return of_fashion_mnist(rows, f"{'; '.join(of_levels)}; dense {mean(tickets, 0)}")
