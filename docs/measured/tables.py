"""The CSV files of docs/results, and means of their rows."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from measured.words import Measured, count, share
from tf_lottery.config.matching import DEFAULT_TOLERANCE
from tf_lottery.report.method_results import LOTTERY, Spread

RESULTS = Path(__file__).parents[1] / "results"
# Above it, arXiv 1912.05671 calls a network unstable.
UNSTABLE = 0.02
# Networks of results on CIFAR-10, and how much of the paper's training they had.
HALF = "ResNet-14 of half the width, 2,000 of 63,000 iterations"
RESNET_20 = "ResNet-20, 2,000 of 63,000 iterations"
RESNET_20_LONGER = "ResNet-20, 6,000 of 63,000 iterations"
VGG_19 = "VGG-19 of a quarter of the width, 2,000 of 112,480 iterations"
NEW_WEIGHTS, MASK, ONE_SHOT = "random_reinitialization", "random_mask", "one_shot"


@cache
def table_of(name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{name}.csv")


def mean_of(values: Iterable[float]) -> float:
    return Spread.of(values).mean


def lth_mean(method: str, level: int, column: str = "test_accuracy") -> float:
    """A mean over the replicates of fashion_mnist_lth."""
    rows = table_of("fashion_mnist_lth")
    return mean_of(rows[(rows.method == method) & (rows.level == level)][column])


def lth_share(level: int) -> str:
    """What is left of the weights at a level of fashion_mnist_lth."""
    return share(lth_mean(LOTTERY, level, "density"))


def lth_steps(method: str, level: int) -> str:
    """The iteration of early stopping, a mean over the replicates of fashion_mnist_lth."""
    return count(lth_mean(method, level, "early_stop_step"))


def sweep_mean(name: str, network: str, level: int, column: str, step: int = 0) -> float:
    """A mean over the replicates of the sweep over rewind steps."""
    rows = table_of(name)
    rows = rows[rows.run.str.startswith("fashion_mnist_k_") & (rows.network == network)]
    return mean_of(rows[(rows.level == level) & (rows.rewind_step == step)][column])


def matches(accuracy: float, dense: float) -> bool:
    # Accuracies are ten-thousandths: their rounding errors must not decide.
    return accuracy >= dense - DEFAULT_TOLERANCE - 1e-9


def of_fashion_mnist(rows: pd.DataFrame, here: str) -> list[Measured]:
    return [Measured("Fashion-MNIST", rows.replicate.nunique(), here)]
