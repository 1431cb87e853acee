"""--experiment=successive_levels: barriers between the solutions of all levels."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.interpolate import line_splits
from tf_lottery.landscape.interpolation import interpolate
from tf_lottery.landscape.solutions import distance
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.levels_figure import LevelPair, barrier_figures
from tf_lottery.report.levels_table import print_successive_levels
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.metrics import Row, read_csv, write_csv

_COLUMNS = ("first_level", "second_level", "l2", "cosine")


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Measures the line between every two levels (arXiv 2210.03044, section 3).

    Writes landscape/successive_levels....csv in the run folder, a row per pair, and two figures:
    the barriers between successive levels, and the matrix of all. Pairs that were measured before
    are not measured again.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to take; None: all that are finished.

    Raises:
      ValueError: if a level is not finished, or there is only one.
    """
    levels = analyzed.levels(levels)
    if len(levels) < 2:
        raise ValueError(
            f"--levels: a line takes two levels, but level {levels[0]} of {analyzed.run.path} is "
            "the only one to take."
        )
    rows = {(row["first_level"], row["second_level"]): row for row in _measured(analyzed, options)}
    _measure(analyzed, options, levels, rows)
    split = line_splits(options)[0]
    pairs = [
        LevelPair(*pair, rows[pair][f"{split}_error_barrier"], rows[pair]["l2"])
        for pair in combinations(levels, 2)
    ]
    summaries = [analyzed.summary(level) for level in levels]
    dense = analyzed.summary(0) if 0 in analyzed.run.complete_levels() else None
    print_successive_levels(pairs, summaries, dense, options.matching_tolerance / 100, split)
    for figure in barrier_figures(pairs, summaries, split):
        with atomic_path(analyzed.folder / f"{figure.name}.png") as path:
            path.write_bytes(figure.png)
    print(f"Pairs of levels: {_path(analyzed, options)}")


def _measure(
    analyzed: AnalyzedRun,
    options: AnalysisConfig,
    levels: Sequence[int],
    rows: dict[tuple[int, int], Row],
) -> None:
    missing = [pair for pair in combinations(levels, 2) if pair not in rows]
    if not missing:
        return
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
            apart = distance(*ends)
            row = {"first_level": first, "second_level": second}
            row |= {"l2": apart.l2, "cosine": apart.cosine}
            for split in splits:
                row[f"{split}_error_barrier"] = line.barrier(split)
                row[f"{split}_loss_barrier"] = line.barrier(split, "loss")
            rows[first, second] = row
            ordered = [rows[pair] for pair in sorted(rows)]
            write_csv(_path(analyzed, options), _columns(options), ordered)
            progress.advance()


def _measured(analyzed: AnalyzedRun, options: AnalysisConfig) -> list[Row]:
    path = _path(analyzed, options)
    return read_csv(path, _columns(options)) if path.exists() else []


def _columns(options: AnalysisConfig) -> list[str]:
    barriers = [
        f"{split}_{measure}_barrier"
        for split in line_splits(options)
        for measure in ("error", "loss")
    ]
    return [*_COLUMNS, *barriers]


def _path(analyzed: AnalyzedRun, options: AnalysisConfig) -> Path:
    split, statistics = options.line_split, options.line_statistics
    name = f"successive_levels,{options.points},{options.line_mask},{statistics},{split}.csv"
    return analyzed.folder / name
