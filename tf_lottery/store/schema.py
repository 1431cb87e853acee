"""What tables and records of a run folder hold: whoever writes or reads them takes it from here.

metrics.csv: an evaluation in each row. level.json: the record of a finished level, which
summary.csv repeats, a level in each row. landscape/adaptive_pruning.csv: rates that were chosen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tf_lottery.store.empty_layers import empty_layers

MetricKind = Literal["loss", "accuracy"]
MetricsRow = dict[str, int | float | None]


@dataclass(frozen=True)
class Metric:
    """A column of metrics.csv.

    Attributes:
      column: its name.
      split: "train", "validation" or "test".
      measure: "loss" is the mean cross-entropy in nats, "accuracy" the fraction of right answers.
      tag: its name in TensorBoard, and for other loggers.
    """

    column: str
    split: str
    measure: MetricKind
    tag: str


# Those of training are means over the steps since the row before, each taken before its update;
# those of validation and test data are of the network as it is at the row's step.
METRICS = (
    Metric("train_loss_since_last_row", "train", "loss", "loss/train_since_last_row"),
    Metric("train_accuracy_since_last_row", "train", "accuracy", "accuracy/train_since_last_row"),
    Metric("validation_loss", "validation", "loss", "loss/validation"),
    Metric("validation_accuracy", "validation", "accuracy", "accuracy/validation"),
    Metric("test_loss", "test", "loss", "loss/test"),
    Metric("test_accuracy", "test", "accuracy", "accuracy/test"),
)
METRICS_COLUMNS = ("step", *(metric.column for metric in METRICS))

# From the names that they had in older versions.
RENAMED_METRICS = {
    "train_loss": "train_loss_since_last_row",
    "train_accuracy": "train_accuracy_since_last_row",
}


def measured(split: str, loss: float, accuracy: float) -> dict[str, float]:
    """What a row of metrics has of one split."""
    values = {"loss": loss, "accuracy": accuracy}
    return {metric.column: values[metric.measure] for metric in METRICS if metric.split == split}


@dataclass(frozen=True)
class LevelSummary:
    """The outcome of one level.

    Attributes:
      level: number of prunings so far; 0 is the dense network.
      density: fraction of prunable weights that remain.
      weights_remaining: number of prunable weights that remain.
      test_accuracy: fraction of test examples classified correctly at the end of training.
      test_loss: at the end of training.
      early_stop_step: iteration of the lowest validation loss, the early-stopping iteration of
        Frankle & Carbin (2019); None without a validation set.
      early_stop_test_accuracy: test accuracy at that iteration; None without a validation set.
      seconds: time that the level took.
      empty_layers: names of the layers of which no weight remains; none of runs that were made
        before layers were recorded.
      multiply_adds: multiplications with additions that the network does for an example, with the
        weights that remain; None of runs that were made before they were counted, and of networks
        without a kernel of which they are known.
    """

    level: int
    density: float
    weights_remaining: int
    test_accuracy: float | None
    test_loss: float | None
    early_stop_step: int | None
    early_stop_test_accuracy: float | None
    seconds: float
    empty_layers: tuple[str, ...] = ()
    multiply_adds: int | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LevelSummary:
        """Reads the record of a level, which may hold more than a summary."""
        remaining = {name: count for name, (count, _) in record.get("layers", {}).items()}
        numbers = {column: record[column] for column in SUMMARY_COLUMNS}
        counted = record.get(MULTIPLY_ADDS)
        return cls(
            **numbers,
            empty_layers=empty_layers(remaining),
            multiply_adds=sum(counted.values()) if counted else None,
        )

    def numbers(self) -> dict[str, int | float | None]:
        """The values of `SUMMARY_COLUMNS`."""
        return {column: getattr(self, column) for column in SUMMARY_COLUMNS}


SUMMARY_COLUMNS = tuple(
    field.name
    for field in dataclasses.fields(LevelSummary)
    if field.name not in ("empty_layers", "multiply_adds")
)

# Of a level that was trained as a small network: its number of weights of all kinds, while
# `weights_remaining` counts what the mask leaves of the whole network's.
PARAMETERS_TRAINED = "parameters_trained"

# Of what a level's network does for an example: by kernel, and the layers that are not counted.
MULTIPLY_ADDS, NOT_COUNTED = "multiply_adds", "not_counted"

# densities.csv: a kernel of a level in each row.
DENSITIES_COLUMNS = ("level", "kernel", "weights", "remaining", "density", "multiply_adds")


def density_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a level in densities.csv; none of a level that was made without such records."""
    layers, counted = record.get("layers", {}), record.get(MULTIPLY_ADDS, {})
    return [
        {
            "level": record["level"],
            "kernel": kernel,
            "weights": weights,
            "remaining": remaining,
            "density": None if weights is None else remaining / weights,
            "multiply_adds": counted.get(kernel),
        }
        for kernel in dict.fromkeys([*layers, *counted])
        for remaining, weights in [layers.get(kernel, (None, None))]
    ]


def level_values(record: Mapping[str, Any]) -> dict[str, float]:
    """What loggers are told of a finished level, by the names that it has there."""
    summary = LevelSummary.from_record(record)
    values = {"density": summary.density}
    values |= {
        f"density_of_kernels/{row['kernel']}": row["density"] for row in density_rows(record)
    }
    values |= {"multiply_adds": summary.multiply_adds, "accuracy/test": summary.test_accuracy}
    return {name: value for name, value in values.items() if value is not None}


# Of a level after the first whose pruning rate was chosen.
ADAPTIVE_COLUMNS = (
    *("level", "density"),
    *("pruning_rate", "loss_before_pruning", "loss_after_pruning"),
)


def is_adaptive(record: Mapping[str, Any]) -> bool:
    """Whether the record of a level says that its pruning rate was chosen."""
    return "pruning_rate" in record
