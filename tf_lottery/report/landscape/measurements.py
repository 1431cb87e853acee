"""What an analysis has measured in run folders, and its means over replicates."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from tf_lottery.report.many_runs import leaves_figures_out
from tf_lottery.report.method_results import Spread
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import barrier_column


class NoColumnError(KeyError):
    """The file that a row is of lacks a column."""


class FileRow(Row):
    """A row of a file, and what is made of it by `|`, which says so if it lacks a column."""

    def __missing__(self, column: str) -> NoReturn:
        raise NoColumnError(column)

    def __or__(self, others: Row) -> Row:
        return FileRow({**self, **others})


@dataclass(frozen=True)
class Measurement:
    """What an analysis has measured in one run folder.

    Attributes:
      run: label of the experiment, the same for all of its replicates.
      replicate: name of the replicate's folder.
      rows: of the analysis' CSV file.
      file: its name.
    """

    run: str
    replicate: str
    rows: tuple[Row, ...]
    file: str = ""


def measured_runs(measurements: Iterable[Measurement]) -> list[str]:
    """Labels of the runs, each once, in order."""
    return list(dict.fromkeys(measurement.run for measurement in measurements))


def runs_apart(measurements: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """The measurements of each run, by what a figure of that run alone has at the end of its name.

    Returns:
      With several runs, "_of_run_1", "_of_run_2", ...; with one run, nothing; with many, none of
      them.
    """
    labels = measured_runs(measurements)
    if leaves_figures_out(len(labels)):
        return {}
    return {
        f"_of_run_{number}" if len(labels) > 1 else "": [
            measurement for measurement in measurements if measurement.run == label
        ]
        for number, label in enumerate(labels, 1)
    }


def measured_split(measurements: Iterable[Measurement]) -> str | None:
    """The data of whose error there are barriers: test data, or else training data."""
    columns = {column for found in measurements for row in found.rows[:1] for column in row}
    if not columns:
        return None
    return next((name for name in ("test", "train") if barrier_column(name) in columns), "test")


def first_middle_last(measurements: Iterable[Measurement]) -> list[int]:
    """Up to three of the levels in the rows, for figures that would be crowded with all of them."""
    levels = sorted({row["level"] for measurement in measurements for row in measurement.rows})
    chosen = {levels[0], levels[len(levels) // 2], levels[-1]} if levels else set()
    return sorted(chosen)


def spreads(
    measurements: Iterable[Measurement], key: Sequence[str], value: str
) -> dict[tuple, Spread]:
    """Takes the mean, the least and the largest of a column over the rows that share a key.

    Args:
      measurements: of several run folders.
      key: columns; rows in which they are the same, as those of replicates, are taken together.
      value: the column; rows in which it is empty or NaN are left out.

    Returns:
      Spread by (run label, *values of the key), in the order of the rows.
    """
    values: dict[tuple, list[float]] = defaultdict(list)
    for measurement in measurements:
        for row in measurement.rows:
            values[measurement.run, *(row[name] for name in key)].append(row[value])
    found = {group: Spread.of(numbers) for group, numbers in values.items()}
    return {group: spread for group, spread in found.items() if spread is not None}
