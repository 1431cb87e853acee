"""--experiment=interpolate: loss and error on the lines between solutions."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.line_options import line_settings, line_splits
from tf_lottery.landscape.interpolation import Line, interpolate
from tf_lottery.landscape.solutions import Solution, distance
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.landscape.line_figure import LineCurves, line_figure
from tf_lottery.report.landscape.line_table import LineRow, print_lines
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.metrics import read_csv
from tf_lottery.store.result_names import result_path, result_stem
from tf_lottery.store.sealed_table import check_table, write_sealed_csv


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Measures the lines between each solution of `--solutions` and the next.

    Lines that were measured before are read. Each goes into
    landscape/lines/FIRST--SECOND__SETTINGS.csv in the run folder, all of them into one figure
    beside it.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: of no use here.

    Raises:
      ValueError: if a solution cannot be found, there are fewer than two, or levels are given.
    """
    names = [name.strip() for name in options.solutions.split(",") if name.strip()]
    if levels is not None:
        raise ValueError("--levels is not for --experiment=interpolate; name them in --solutions.")
    if len(names) < 2:
        raise ValueError(
            f"--solutions={options.solutions}: name two or more, such as level_0,level_5."
        )
    solutions = [analyzed.solution(name) for name in names]
    splits = line_splits(options)
    pairs = list(pairwise(solutions))
    lines = measure_lines(analyzed, options, pairs, splits)
    rows = [
        LineRow(
            line.labels,
            {split: (line.barrier(split), line.barrier(split, "loss")) for split in splits},
            distance(*pair).l2,
            distance(*pair).cosine,
        )
        for line, pair in zip(lines, pairs, strict=True)
    ]
    print_lines(rows)
    figure = line_figure(
        [LineCurves(line.labels, line.positions, line.errors, line.losses) for line in lines],
        f"lines of {analyzed.run.path.parent.name}, {analyzed.run.path.name}",
    )
    stem = result_stem(f"{_slug(names[0])}--{_slug(names[-1])}", _settings(options))
    with atomic_path(analyzed.folder / "lines" / f"{stem}.png") as path:
        path.write_bytes(figure.png)
    print(f"Lines: {analyzed.folder / 'lines'}")


def measure_lines(
    analyzed: AnalyzedRun,
    options: AnalysisConfig,
    pairs: Sequence[tuple[Solution, Solution]],
    splits: Sequence[str],
) -> list[Line]:
    """Measures lines between pairs of solutions, or reads those that were measured before."""
    paths = [_path(analyzed.folder, pair, options) for pair in pairs]
    missing = sum(not path.exists() for path in paths)
    evaluate = (
        analyzed.evaluator(splits, estimate_statistics=options.line_statistics == "estimated")
        if missing
        else None
    )
    columns = ["position", *(f"{split}_{of}" for split in splits for of in ("loss", "error"))]
    lines = []
    with CountingProgress("points on lines", missing * options.points) as progress:
        for pair, path in zip(pairs, paths, strict=True):
            if not path.exists():
                line = interpolate(
                    evaluate,
                    *pair,
                    points=options.points,
                    mask=options.line_mask,
                    on_progress=lambda done: progress.advance(),
                )
                write_sealed_csv(path, columns, line.rows())
            lines.append(_read(path, columns, pair, splits))
    return lines


def _read(
    path: Path, columns: list[str], pair: tuple[Solution, Solution], splits: Sequence[str]
) -> Line:
    check_table(path)
    rows = read_csv(path, columns)

    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], float)

    return Line(
        (pair[0].label, pair[1].label),
        column("position"),
        {split: column(f"{split}_loss") for split in splits},
        {split: column(f"{split}_error") for split in splits},
    )


def _path(folder: Path, pair: tuple[Solution, Solution], options: AnalysisConfig) -> Path:
    ends = "--".join(_slug(solution.label) for solution in pair)
    return result_path(folder / "lines", ends, _settings(options))


def _settings(options: AnalysisConfig) -> list[str]:
    return [str(value) for value in line_settings(options)]


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("../", ""))
