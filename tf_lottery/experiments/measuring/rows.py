"""What all analyses do: measure the rows that are missing, show and draw those that are wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery.config.analyses import ANALYSES, Analysis
from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.results_file import ResultsFile
from tf_lottery.messages import tell
from tf_lottery.report.counting import CountingProgress
from tf_lottery.startup import import_tensorflow_quietly
from tf_lottery.store.metrics import Row

if TYPE_CHECKING:  # They import TensorFlow, for which those that only look do not wait.
    from tf_lottery.data import Dataset
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

Show = Callable[[Sequence[Row]], None]


def _shows_nothing(rows: Sequence[Row]) -> None:
    pass


@dataclass(frozen=True)
class Rows:
    """The rows of a file that an analysis shows, and how those that are missing are measured.

    Attributes:
      keys: of the rows to show, in order.
      columns: of the file.
      measure: `(analyzed: AnalyzedRun, missing: list) -> Iterator[Row]` yields the row of each key
        that is missing; of an analysis with a second file, a pair of it and its rows there. It is
        called only if a row is missing: what it imports is not waited for otherwise.
      show: prints a table of rows.
      settings: what the rows depend on besides the run: those of others are in a file of their own.
      key: of a row, in either file; rows are in the order of their keys.
      holds: whether a row that is there is still right; if not, it is measured again.
      counted: what the rows are, for a bar; empty: the analysis has bars of its own.
      part_columns: of the second file.
      show_parts: prints a table of its rows.
    """

    keys: Sequence[Any]
    columns: Sequence[str]
    measure: Callable[[AnalyzedRun, list[Any]], Iterator[Any]]
    show: Show
    settings: Sequence[str | int | float] = ()
    key: Callable[[Row], Any] = itemgetter("level")
    holds: Callable[[Row], bool] = lambda row: True
    counted: str = ""
    part_columns: Sequence[str] = ()
    show_parts: Show = _shows_nothing


def run_analysis(
    path: Path | str,
    name: str,
    levels: Sequence[int] | None = None,
    *,
    dataset: Dataset | None = None,
    here: Mapping[str, Any] | None = None,
    expected: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Measures what an analysis has not yet measured of a run; prints and draws all of it.

    What it finds is in landscape/ in the run folder. TensorFlow is imported only if something is to
    be measured.

    Args:
      path: the run folder, or the folder of a branch.
      name: of the analysis.
      levels: those to look at; None: all that are finished.
      dataset: your own data, if the experiment was run on them.
      here: as of `MeasuredRun`.
      expected: as of `MeasuredRun`.
      **options: of the analysis; those that are not given are at their defaults.

    Raises:
      ValueError: if there is no such analysis or run, an option is not right, or the run cannot be
        measured; says why.
    """
    analysis = ANALYSES.find(name)
    arguments = analysis.arguments(options)
    run = MeasuredRun(Path(path), here, expected=expected)

    def load() -> AnalyzedRun:
        import_tensorflow_quietly()
        from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

        return AnalyzedRun(Path(path), here, dataset, expected=expected)

    wanted = analysis.function(run, levels, **arguments)
    if isinstance(wanted, Rows):
        tolerance = tolerance_of(options.get("matching_tolerance", DEFAULT_POINTS))
        _Skeleton(analysis, wanted, run).carry_out(load, analysis.figures(tolerance))
    else:
        wanted(load())


class _Skeleton:
    """The files of an analysis in a run folder, with their rows."""

    def __init__(self, analysis: Analysis, wanted: Rows, run: MeasuredRun):
        self._wanted = wanted
        columns = wanted.columns, wanted.part_columns
        self._files = {
            file: ResultsFile(run, file.name, of_file, wanted.settings)
            for file, of_file in zip(analysis.files, columns, strict=False)
        }
        self._results, *others = self._files.values()
        self._others = others[0] if others else None
        self._rows = {wanted.key(row): row for row in self._results.read()}
        self._parts: dict[Any, list[Row]] = defaultdict(list)
        for row in self._others.read() if self._others else ():
            self._parts[wanted.key(row)].append(row)

    def carry_out(
        self, load: Callable[[], AnalyzedRun], figures: Mapping[str, Callable[..., Any]]
    ) -> None:
        wanted = self._wanted
        missing = [key for key in wanted.keys if not self._has(key)]
        if missing:
            bar = CountingProgress(wanted.counted, len(missing)) if wanted.counted else None
            analyzed = load()
            with bar or nullcontext():
                for found in wanted.measure(analyzed, missing):
                    self._keep(found)
                    if bar:
                        bar.advance()
        shown = [self._rows[key] for key in wanted.keys]
        parts = [row for key in wanted.keys for row in self._parts.get(key, ())]
        wanted.show(shown)
        wanted.show_parts(parts)
        for (file, results), rows in zip(self._files.items(), (shown, parts), strict=False):
            if file.name in figures:
                results.draw(rows, figures[file.name])
        for file, results in self._files.items():
            tell(f"{file}: {results.path}")

    def _has(self, key: Any) -> bool:
        there = key in self._rows and (self._others is None or key in self._parts)
        return there and self._wanted.holds(self._rows[key])

    def _keep(self, found: Any) -> None:
        row = found
        if self._others:
            # Before the row, which says that all is there.
            row, parts = found
            self._parts[self._wanted.key(row)] = parts
            self._others.write(part for key in sorted(self._parts) for part in self._parts[key])
        self._rows[self._wanted.key(row)] = row
        self._results.write(self._rows[key] for key in sorted(self._rows))
