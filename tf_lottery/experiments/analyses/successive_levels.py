"""--experiment=successive_levels: barriers between the solutions of levels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.config.matching import tolerance_of
from tf_lottery.experiments.analyses.line_options import line_settings, line_splits
from tf_lottery.experiments.analyses.measured_run import MeasuredRun
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.landscape.levels_figure import LEVELS_COLUMNS, barrier_column
from tf_lottery.report.landscape.levels_table import LevelPair, print_successive_levels
from tf_lottery.store.metrics import Row

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun

_Pairs = list[tuple[int, int]]


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Measures the lines between levels (arXiv 2210.03044, section 3.1).

    Writes landscape/successive_levels__SETTINGS.csv in the run folder, a row per pair, and figures.
    Pairs that were measured before are not measured again.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to take; None: all that are finished.

    Raises:
      ValueError: if a level is not finished, or there is only one.
    """
    levels, pairs = _pairs(analyzed, options, levels)
    splits = line_splits(options)
    results = _results(analyzed, options)
    rows = _rows(results)
    _measure(analyzed, options, pairs, rows, results)
    summaries = [analyzed.summary(level) for level in levels]
    dense = analyzed.summary(0) if 0 in analyzed.run.complete_levels() else None
    barrier = barrier_column(splits[0])
    shown = [LevelPair(*pair, rows[pair][barrier], rows[pair]["l2"]) for pair in pairs]
    tolerance = tolerance_of(options.matching_tolerance)
    print_successive_levels(shown, summaries, dense, tolerance, splits[0])
    results.draw((rows[pair] for pair in pairs), tolerance=tolerance)
    print(f"Pairs of levels: {results.path}")


def is_measured(
    measured: MeasuredRun, options: AnalysisConfig, levels: Sequence[int] | None
) -> bool:
    """Whether all lines that `run` shows have been measured.

    Args:
      measured: the run.
      options: of the analysis.
      levels: as of `run`.

    Raises:
      ValueError: as `run`.
    """
    rows = _rows(_results(measured, options))
    return all(pair in rows for pair in _pairs(measured, options, levels)[1])


def _pairs(
    measured: MeasuredRun, options: AnalysisConfig, wanted: Sequence[int] | None
) -> tuple[list[int], _Pairs]:
    levels = measured.levels(wanted)
    if len(levels) < 2:
        raise ValueError(
            f"--levels: a line takes two levels, but level {levels[0]} of {measured.run.path} is "
            "the only one to take."
        )
    return levels, list(
        pairwise(levels) if options.pairs == "successive" else combinations(levels, 2)
    )


def _results(measured: MeasuredRun, options: AnalysisConfig) -> ResultsFile:
    splits = line_splits(options)
    columns = [barrier_column(split, of) for split in splits for of in ("error", "loss")]
    return ResultsFile(
        measured, "successive_levels", [*LEVELS_COLUMNS, *columns], line_settings(options)
    )


def _rows(results: ResultsFile) -> dict[tuple[int, int], Row]:
    return {(row["first_level"], row["second_level"]): row for row in results.read()}


def _measure(
    analyzed: AnalyzedRun,
    options: AnalysisConfig,
    pairs: _Pairs,
    rows: dict[tuple[int, int], Row],
    results: ResultsFile,
) -> None:
    missing = [pair for pair in pairs if pair not in rows]
    if not missing:
        return
    from tf_lottery.landscape.interpolation import interpolate
    from tf_lottery.landscape.solutions import distance

    splits = line_splits(options)
    evaluate = analyzed.evaluator(
        splits, estimate_statistics=options.line_statistics == "estimated"
    )
    # Neighbours first: they are what is looked for.
    missing.sort(key=lambda pair: (pair[1] - pair[0] > 1, pair))
    with CountingProgress("lines between levels", len(missing)) as progress:
        for first, second in missing:
            ends = analyzed.level(first), analyzed.level(second)
            line = interpolate(evaluate, *ends, points=options.points, mask=options.line_mask)
            row = {"first_level": first, "second_level": second, **vars(distance(*ends))}
            for name, level in (("first", first), ("second", second)):
                summary = analyzed.summary(level)
                row[f"{name}_density"] = summary.density
                row[f"{name}_test_accuracy"] = summary.test_accuracy
            for split in splits:
                row[barrier_column(split)] = line.barrier(split)
                row[barrier_column(split, "loss")] = line.barrier(split, "loss")
            rows[first, second] = row
            results.write(rows[pair] for pair in sorted(rows))
            progress.advance()
