"""Measures the rows of an analysis that are missing, shows and draws those that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery.config.analyses import ANALYSES, Analysis, ResultFile
from tf_lottery.config.arguments import check_path, expanded, levels_from, shown
from tf_lottery.config.experiment import has_renamed_files
from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.config.options import names_of
from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.branch_levels import is_complete
from tf_lottery.experiments.commands import Analyze, RunBranches
from tf_lottery.experiments.measuring.measured_run import HERE, MeasuredRun
from tf_lottery.experiments.measuring.results_file import ResultsFile
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.experiments.refusals.own_data import call_on_arrays, refuse_without_arrays
from tf_lottery.experiments.threads_of_runs import recorded_threads
from tf_lottery.messages import tell
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.startup import import_tensorflow_quietly
from tf_lottery.store.csv_files import Row, csv_text
from tf_lottery.store.errors import StorageError
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.needed_plugins import plugins_named
from tf_lottery.store.result_columns import SOLUTIONS
from tf_lottery.store.trained_levels import UNTOLD, levels_text

if TYPE_CHECKING:  # They import TensorFlow, for which those that only look do not wait.
    from tf_lottery.data import Dataset
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun


def run_analysis(
    run: str | Path,
    analysis: str,
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
      run: a run folder, WORKDIR/NAME/replicate_R, or the folder of a branch.
      analysis: its name, such as "successive_levels".
      levels: those to look at; None: all that are finished.
      dataset: your own data, if the experiment was run on them.
      here: flags that say where and how it is measured, such as `data_dir`, in place of the run's;
        and `other_run`, if it is to be compared with another.
      expected: flags that the run should have been made with.
      **options: flags of the analysis, such as `points=11`; those that are not given are at their
        defaults.

    Raises:
      ValueError: if there is no such analysis or run, an option is not right, or the run cannot be
        measured; says why.
    """
    check_path("run", run)
    path = expanded("run", run)
    levels = levels_from(levels)
    found = ANALYSES.find(analysis)
    for name in sorted(HERE & options.keys() - names_of(found.parameters)):
        raise ValueError(f"{name}: give it as here={{{name!r}: {shown(options[name])}}}.")
    with plugins_named(path):
        measured = MeasuredRun(path, here, expected=expected)

    def load() -> AnalyzedRun:
        if dataset is None:
            refuse_without_arrays(path, call_on_arrays("run_analysis", path, analysis))
        import_tensorflow_quietly()
        from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
        from tf_lottery.training.threads import use_threads

        use_threads(measured.config.run.threads or recorded_threads(path))
        return AnalyzedRun(path, here, dataset, expected=expected)

    with plugins_named(path), found.faults_named():
        _measure_and_show(found, measured, levels, options, here, load)


def _measure_and_show(
    analysis: Analysis,
    run: MeasuredRun,
    levels: Sequence[int] | None,
    options: Mapping[str, Any],
    here: Mapping[str, Any] | None,
    load: Callable[[], AnalyzedRun],
) -> None:
    arguments = analysis.arguments(options)
    wanted = _wanted(analysis, run, levels, arguments)
    if not isinstance(wanted, Rows):
        analyzed = load()
        with analyzed.naming_unreadable():
            wanted(analyzed)
        return
    files = _files(run, analysis, wanted)
    tables = [_by_key(file.read(), wanted.key) for file in files]
    if missing := _missing(run, wanted, tables):
        measured = load() if wanted.needs_network else run
        with measured.naming_unreadable():
            _measure(analysis, wanted, measured, missing, files, tables)
    elif has_renamed_files(run.run.identity, here or {}):
        load()  # Checks whether they hold what the run was begun with.
    if left := [key for key in wanted.keys if key not in tables[0]]:
        raise ValueError(
            f"--experiment={analysis.name} has measured nothing of {left[0]}: yield a row for each "
            "of the missing keys that measure is given."
        )
    asked = [[row for key in wanted.keys for row in table[key]] for table in tables]
    for show, rows in zip((wanted.show, wanted.show_parts), asked, strict=False):
        show(rows)
    figures = analysis.figures(tolerance_of(options.get("matching_tolerance", DEFAULT_POINTS)))
    failures = []
    for about, file, rows in zip(analysis.files, files, asked, strict=True):
        try:
            if about.name in figures:
                file.draw(rows, figures[about.name])
        except StorageError as error:
            failures.append(error)
        file.finish()
        tell(f"{about}: {file.path}")
    if failures:
        raise failures[0]


def is_measured(command: Analyze, path: Path) -> bool:
    """Whether nothing is left but to show what an analysis has found; errors as `run_analysis`."""
    _, wanted, missing = _asked(command, path)
    return wanted is not None and not missing


def needs_data(command: Analyze, path: Path) -> bool:
    """Whether what an analysis has not found yet takes data; errors as `run_analysis`."""
    _, wanted, missing = _asked(command, path)
    return wanted is None or (bool(missing) and wanted.needs_network)


def trainings_of_analysis(command: Analyze, path: Path) -> list[RunBranches]:
    """What an analysis of a run folder is still to train, as `run_analysis` would.

    Raises:
      ValueError: as `run_analysis`.
    """
    run, wanted, missing = _asked(command, path)
    if wanted is None:
        return []
    where, found = run.config.run, []
    here = {"data_dir": where.data_dir, "manual_dir": where.manual_dir}
    here = {name: value for name, value in here.items() if value is not None} | run.located
    with ANALYSES.find(command.analysis).faults_named():
        trainings = list(wanted.trainings(missing))
    for training in trainings:
        levels, changes = tuple(sorted(training.levels)), {**here, **training.changes}
        plan = plan_branch(path, training.branch, training.changes)
        if not is_complete(plan, levels):
            found.append(
                RunBranches((path,), None, (training.branch,), levels, changes, for_analysis=True)
            )
    return found


def _asked(command: Analyze, path: Path) -> tuple[MeasuredRun, Rows | None, list[Any]]:
    """The run, what is to be shown if that is rows, and the keys of those that are missing."""
    analysis = ANALYSES.find(command.analysis)
    run = MeasuredRun(path, command.here, expected=command.expected)
    with analysis.faults_named():
        wanted = _wanted(analysis, run, command.levels, analysis.arguments(command.options))
        if not isinstance(wanted, Rows):
            return run, None, []
        tables = [_by_key(file.read(), wanted.key) for file in _files(run, analysis, wanted)]
        return run, wanted, _missing(run, wanted, tables)


def _wanted(
    analysis: Analysis,
    run: MeasuredRun,
    levels: Sequence[int] | None,
    arguments: Mapping[str, Any],
) -> Any:
    """What an analysis returns: `Rows`, or a function that does it all."""
    wanted = analysis.function(run, levels, **arguments)
    if not isinstance(wanted, Rows) and not callable(wanted):
        raise ValueError(
            f"--experiment={analysis.name} returned {shown(wanted)}: return Rows(...), or a "
            "function of the run that does it all."
        )
    if isinstance(wanted, Rows) and not analysis.files:
        raise ValueError(
            f"--experiment={analysis.name} returned Rows, for which it has no file: write "
            f'@register_analysis(ResultFile("{analysis.name}")) above it.'
        )
    return wanted


def _files(run: MeasuredRun, analysis: Analysis, wanted: Rows) -> list[ResultsFile]:
    columns = (*wanted.columns, SOLUTIONS), wanted.part_columns
    return [
        ResultsFile(run, file.name, of_file, wanted.settings)
        for file, of_file in zip(analysis.files, columns, strict=False)
    ]


def _missing(
    run: MeasuredRun, wanted: Rows, tables: Sequence[Mapping[Any, list[Row]]]
) -> list[Any]:
    text = _solutions(run, wanted)

    def is_there(key: Any) -> bool:
        if not all(key in table for table in tables):
            return False
        row, now = tables[0][key][0], text(key)
        # Earlier versions did not say which solutions a row is of.
        return wanted.holds(row) and (now == UNTOLD or row[SOLUTIONS] in (UNTOLD, now))

    return [key for key in wanted.keys if not is_there(key)]


def _solutions(run: MeasuredRun, wanted: Rows) -> Callable[[Any], str]:
    """What tells the solutions of a key from any others; `UNTOLD` if they are not all there."""

    @cache
    def branch(name: str, changes: tuple[tuple[str, Any], ...]) -> Path:
        return plan_branch(run.run.path, name, dict(changes)).path

    def text(key: Any) -> str:
        levels = [run.run.level(level) for level in wanted.levels(key)] + [
            LevelFolder(branch(one.branch, tuple(one.changes.items())) / f"level_{level}")
            for one in wanted.trainings([key])
            for level in one.levels
        ]
        return levels_text(run.run.path, levels)

    return text


def _by_key(rows: Sequence[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def _measure(
    analysis: Analysis,
    wanted: Rows,
    analyzed: MeasuredRun,
    missing: list[Any],
    files: Sequence[ResultsFile],
    tables: Sequence[dict[Any, list[Row]]],
) -> None:
    """Measures what is missing, and writes each row to the files as soon as it is there."""
    bar = CountingProgress(wanted.counted, len(missing)) if wanted.counted else None
    solutions = _solutions(analyzed, wanted)
    with bar or nullcontext():
        for found in wanted.measure(analyzed, missing):
            row, parts = found if len(files) > 1 else (found, [])
            declared = (wanted.columns, wanted.part_columns)
            for about, columns, rows in zip(analysis.files, declared, ([row], parts), strict=False):
                _check_rows(analysis, about, columns, rows)
            key = wanted.key(row)
            row = {**row, SOLUTIONS: solutions(key)}
            # The row last: it says that all is there.
            for file, table, rows in list(zip(files, tables, ([row], parts), strict=False))[::-1]:
                table[key] = rows
                file.put(rows, key, wanted.key)
            if bar:
                bar.advance()


def _check_rows(
    analysis: Analysis, file: ResultFile, declared: Sequence[str], rows: Iterable[Row]
) -> None:
    """Checks that rows have the columns of their file, all of them, with what these hold."""
    for row in rows:
        if row.keys() != set(declared):
            raise ValueError(
                f"--experiment={analysis.name} yielded a row with the columns {', '.join(row)}, "
                f"but its Rows(...) declares {', '.join(declared)}: make them the same, with None "
                "in cells that are to be empty."
            )
        try:
            csv_text(declared, [row], file.texts)
        except ValueError as error:
            raise ValueError(
                f"--experiment={analysis.name} yielded a row that its file cannot hold: {error}."
            ) from error
