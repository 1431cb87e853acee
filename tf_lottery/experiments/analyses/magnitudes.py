"""--experiment=magnitudes: weights before pruning and after retraining, level by level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.landscape.magnitudes import (
    MagnitudeChange,
    MagnitudeHistograms,
    magnitude_change,
    magnitude_histograms,
)
from tf_lottery.messages import tell
from tf_lottery.report.landscape.magnitudes import (
    magnitude_histogram_figures,
    magnitudes_figures,
    print_magnitudes,
)
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import (
    HISTOGRAM_COLUMNS,
    MAGNITUDES_COLUMNS,
    QUARTER_COLUMNS,
)

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun


@register_analysis(
    ResultFile("magnitudes", figures=magnitudes_figures),
    ResultFile("magnitude_histograms", figures=magnitude_histogram_figures),
    place=8,
)
def magnitudes(run: MeasuredRun, levels: Sequence[int] | None) -> Rows:
    """Compares each level's survivors before and after retraining (arXiv 2210.03044).

    Writes landscape/magnitudes.csv and landscape/magnitude_histograms.csv in the run folder, and
    figures of both. Levels, from 1, that were measured before are not measured again; those to make
    which nothing was pruned are left out.

    Raises:
      ValueError: if a level is not finished, nothing was pruned to make any of them, the run is a
        branch, or it does not prune the network that the level before trained.
    """
    path, prune_from = run.run.path, run.config.pruning.prune_from
    if run.run.kind_of_branch is not None:
        raise ValueError(f"--run={path} is a branch; name the run that it starts from.")
    if prune_from != "previous_level":
        raise ValueError(
            "--experiment=magnitudes compares a level with the one before, which it was pruned "
            f"from, but {path} was made with --prune_from={prune_from}."
        )
    finished = run.run.complete_levels()
    wanted = [level for level in run.levels(levels) if level - 1 in finished]
    if not wanted:
        raise ValueError(
            "--levels: none is chosen that follows a finished level, with which "
            f"--experiment=magnitudes compares it; finished in {path} are "
            f"{', '.join(map(str, finished))}."
        )
    # Of whole units or blocks, too few to remove one of them.
    same = [level for level in wanted if _density(run, level) == _density(run, level - 1)]
    wanted = [level for level in wanted if level not in same]
    if not wanted:
        raise ValueError("--levels: none is chosen to make which anything was pruned.")
    for level in wanted:
        run.levels([number for number in (level - 1, level + 1) if number in finished])
    return Rows(
        wanted,
        MAGNITUDES_COLUMNS,
        _measure,
        partial(_show, same=same),
        # What is pruned next may not have been known yet.
        holds=lambda row: row["pruned_next"] is not None or row["level"] + 1 not in finished,
        counted="levels",
        part_columns=HISTOGRAM_COLUMNS,
        levels=lambda level: [
            number for number in (level - 1, level, level + 1) if number in finished
        ],
    )


def _show(rows: Sequence[Row], same: Sequence[int]) -> None:
    print_magnitudes(rows)
    if same:
        listed = ", ".join(map(str, same))
        tell(f"Left out, as nothing was pruned to make it: level {listed}.")


def _density(run: MeasuredRun, level: int) -> float:
    return run.summary(level).density


def _measure(analyzed: AnalyzedRun, missing: Sequence[int]) -> Iterator[tuple[Row, list[Row]]]:
    finished = analyzed.run.complete_levels()
    for level in missing:
        before, after = analyzed.level(level - 1), analyzed.level(level)
        following = analyzed.level(level + 1) if level + 1 in finished else None
        of_level = {"level": level, "density": analyzed.summary(level).density}
        change = _columns(magnitude_change(before, after, following))
        bins = _bins(magnitude_histograms(before, after))
        yield {**of_level, **change}, [{**of_level, **numbers} for numbers in bins]


def _columns(change: MagnitudeChange) -> Row:
    row = dict(vars(change))
    quarters = row.pop("pruned_next_by_quarter") or (None,) * len(QUARTER_COLUMNS)
    return row | dict(zip(QUARTER_COLUMNS, quarters, strict=True))


def _bins(histograms: MagnitudeHistograms) -> list[Row]:
    edges = histograms.edges.tolist()
    counts = (histograms.before, histograms.pruned, histograms.after)
    return [
        dict(zip(HISTOGRAM_COLUMNS[2:], numbers, strict=True))
        for numbers in zip(edges[:-1], edges[1:], *(part.tolist() for part in counts), strict=True)
    ]
