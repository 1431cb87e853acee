"""Lines between solutions of a run, kept in its folder, and their barriers."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tf_lottery.config.alignment import Alignment
from tf_lottery.config.lines import Lines
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.other_runs import DIGITS_OF_NUMBERS
from tf_lottery.landscape.interpolation import Line, interpolate
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.store.csv_files import Row, read_csv, read_table
from tf_lottery.store.result_columns import barrier_column
from tf_lottery.store.result_names import result_path
from tf_lottery.store.sealed_table import check_table, finish_seal, write_sealed_csv

Ends = tuple[Solution, Solution]

# Of a checksum: enough to tell a few solutions of one name from each other.
_DIGITS = 8
# Columns, with the number of each end.
_ENDS = ("first_solution", "second_solution")


def measure_line(
    evaluate: SolutionEvaluator,
    ends: Ends,
    lines: Lines,
    advance: Callable[[], None] = lambda: None,
) -> Line:
    """Measures a line; `advance` is called after each point."""
    return interpolate(
        evaluate,
        *ends,
        points=lines.points,
        mask=lines.line_mask,
        on_progress=lambda done: advance(),
    )


def barriers(line: Line) -> Row:
    """The values of `barrier_columns`."""
    return {
        barrier_column(split, of): line.barrier(split, of)
        for split in line.losses
        for of in ("error", "loss")
    }


def measure_lines(
    analyzed: AnalyzedRun,
    lines: Lines,
    pairs: Sequence[Ends],
    alignment: Alignment | None = None,
) -> list[Line]:
    """Measures lines between pairs of solutions, or reads those that were measured before.

    Each is kept in landscape/lines/FIRST--SECOND__SETTINGS.csv in the run folder, with numbers that
    tell the weights and masks of its ends: a line to a solution that was trained anew is measured
    anew. The names of solutions of other runs end in such a number.

    Args:
      analyzed: the run.
      lines: how they are measured.
      pairs: the solutions.
      alignment: how the second of each was aligned with the first; None: it was not.
    """
    settings = line_settings(analyzed, lines, alignment)
    names = ["--".join(_file_name(analyzed, end) for end in pair) for pair in pairs]
    paths = [result_path(analyzed.folder / "lines", name, settings) for name in names]
    numbers = [[_number(end) for end in pair] for pair in pairs]
    columns = ["position", *(f"{split}_{of}" for split in lines.splits for of in ("loss", "error"))]
    kept = [_kept(path, columns, ends) for path, ends in zip(paths, numbers, strict=True)]
    missing = sum(rows is None for rows in kept)
    evaluate = analyzed.evaluator(lines) if missing else None
    found = []
    with CountingProgress("points on lines", missing * lines.points) as progress:
        for pair, path, ends, rows in zip(pairs, paths, numbers, kept, strict=True):
            # Of two lines of the same name the second may be there by now.
            rows = rows or _kept(path, columns, ends)
            if rows is None and evaluate is not None:
                line = measure_line(evaluate, pair, lines, progress.advance)
                of_ends = dict(zip(_ENDS, ends, strict=True))
                rows = [{**row, **of_ends} for row in line.rows()]
                write_sealed_csv(path, [*columns, *_ENDS], rows)
            found.append(_line(rows or [], pair, lines.splits))
    return found


def line_settings(run: MeasuredRun, lines: Lines, alignment: Alignment | None = None) -> list[str]:
    """What lines of a run depend on besides their ends, for the names of their files."""
    given = () if alignment is None else alignment.settings
    return [*map(str, run.line_settings(lines)), *given]


def slug(name: str) -> str:
    """A solution's name in names of files."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("../", ""))


def _file_name(run: MeasuredRun, end: Solution) -> str:
    """A solution's name in names of files, with digits that tell its weights if it is elsewhere."""
    folder = run.run.path.absolute()
    if Path(os.path.normpath(folder / end.label)).is_relative_to(folder):
        return slug(end.label)
    return f"{slug(end.label)}_{_digest(end)[:_DIGITS]}"


def _digest(solution: Solution) -> str:
    digest = hashlib.sha256()
    for arrays in (solution.weights, solution.mask):
        for array in arrays.values():
            digest.update(array.tobytes())
    return digest.hexdigest()


def _number(solution: Solution) -> int:
    """A number for a column: it tells the weights and mask of a solution from any others."""
    return int(_digest(solution)[:DIGITS_OF_NUMBERS], 16)


def _kept(path: Path, columns: list[str], ends: list[int]) -> list[Row] | None:
    """The rows of a line that is kept, unless it has other ends.

    Those of earlier versions do not say which ends they have.
    """
    if not path.exists():
        return None
    check_table(path)
    finish_seal(path)
    rows = read_table(path)
    named = bool(rows) and set(_ENDS) <= set(rows[0])
    if not named:
        return read_csv(path, columns)
    same = [rows[0][name] for name in _ENDS] == ends
    return read_csv(path, [*columns, *_ENDS]) if same else None


def _line(rows: Sequence[Row], ends: Ends, splits: Sequence[str]) -> Line:
    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], float)

    return Line(
        (ends[0].label, ends[1].label),
        column("position"),
        {split: column(f"{split}_loss") for split in splits},
        {split: column(f"{split}_error") for split in splits},
    )
