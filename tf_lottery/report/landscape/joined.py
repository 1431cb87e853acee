"""Results of analyses in run folders, joined over replicates and runs for a report."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tf_lottery.config.analyses import analyses, result_files
from tf_lottery.config.matching import DEFAULT_TOLERANCE
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.landscape.adaptive import adaptive_figures
from tf_lottery.report.landscape.measurements import FileRow, Measurement, NoColumnError
from tf_lottery.report.method_results import MethodResults
from tf_lottery.store.atomic import finished_files
from tf_lottery.store.csv_files import Row, table_text
from tf_lottery.store.errors import DamagedFileError, RunFolderError, problem_text
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.needed_plugins import missing_plugins
from tf_lottery.store.result_columns import SOLUTIONS, with_network
from tf_lottery.store.result_names import analysis_of, current_stem, settings_of
from tf_lottery.store.sealed_table import read_sealed_table, table_seal
from tf_lottery.store.trained_levels import UNTOLD, is_replaced

DrawFigures = Callable[..., list[FigureFile]]


@dataclass(frozen=True)
class JoinedAnalyses:
    """What the analyses of several run folders have found.

    Attributes:
      figures: of each analysis, over all runs.
      tables: CSV texts by file name, with a row for each row of the runs' files.
      problems: what could not be read, with the file's path.
      missing: what was left out, in sentences.
    """

    figures: tuple[FigureFile, ...]
    tables: Mapping[str, str]
    problems: tuple[str, ...]
    missing: tuple[str, ...] = ()


def join_analyses(
    methods: Sequence[MethodResults], tolerance: float = DEFAULT_TOLERANCE
) -> JoinedAnalyses:
    """Joins the files of the same analysis with the same settings.

    Args:
      methods: runs and branches; the analyses are in the folders of the runs.
      tolerance: as of `matching.matches`.
    """
    drawing = drawn_files(tolerance)
    unknown: dict[str, list[Path]] = defaultdict(list)
    found: dict[str, list[Measurement]] = defaultdict(list)
    problems, missing = [], []
    for method in methods:
        for record in method.records if method.branch is None else ():
            try:
                files = _result_files(record.path / "landscape")
            except OSError as error:
                problems.append(problem_text(error))
                continue
            for stem, path in files.items():
                name = analysis_of(stem)
                if name not in drawing:
                    if name not in result_files() and table_seal(path).exists():
                        unknown[name].append(record.path)
                    continue
                try:
                    rows = tuple(FileRow(with_network(row)) for row in read_sealed_table(path))
                except (OSError, RunFolderError) as error:
                    problems.append(problem_text(error))
                    continue
                kept = _of_levels_as_they_are(rows, record.path)
                if len(kept) < len(rows):
                    missing.append(
                        f"{method.run}: {len(rows) - len(kept)} of {len(rows)} rows of "
                        f"landscape/{path.name} of {record.replicate} are of networks that were "
                        "trained anew since; the same analysis, started again, measures them."
                    )
                found[stem].append(Measurement(method.run, record.replicate, kept, path.name))
    figures, tables = [], {}
    for name, draw in drawing.items():
        stems = sorted(stem for stem in found if analysis_of(stem) == name)
        common = set.intersection(*(set(settings_of(stem)) for stem in stems)) if stems else set()
        for number, stem in enumerate(stems, 1):
            suffix = f"_{number}" if len(stems) > 1 else ""
            drawn, measurements, lacking = _draw_what_fits(draw, found[stem])
            problems += lacking
            special = [text for text in settings_of(stem) if text not in common]
            figures += [_of_file(figure, stem, suffix, special) for figure in drawn]
            if measurements:
                tables[f"{name}{suffix}.csv"] = _joined_table(measurements)
    missing += [_of_unknown(name, runs) for name, runs in unknown.items()]
    return JoinedAnalyses(tuple(figures), tables, tuple(problems), tuple(missing))


def drawn_files(tolerance: float) -> dict[str, DrawFigures]:
    """What draws the rows of files in landscape/, by the beginning of their names.

    Args:
      tolerance: as of `matching.matches`.
    """
    drawn: dict[str, DrawFigures] = {"adaptive_pruning": adaptive_figures}
    for analysis in analyses():
        # Of an analysis without figures, the table.
        drawn |= {file.name: lambda measurements: [] for file in analysis.files[:1]}
        drawn |= analysis.figures(tolerance)
    return drawn


def _of_levels_as_they_are(rows: Sequence[Row], run: Path) -> tuple[Row, ...]:
    """The rows without those of levels that were trained anew since."""

    @cache
    def ticket(folder: str) -> str | None:
        level = LevelFolder(run / folder)
        with suppress(DamagedFileError):  # The run's own problems tell of it.
            return level.ticket() if level.is_complete() else None
        return None

    return tuple(row for row in rows if not is_replaced(row.get(SOLUTIONS, UNTOLD), ticket))


def _of_unknown(name: str, runs: Sequence[Path]) -> str:
    plugins = dict.fromkeys(plugin for run in runs for plugin in missing_plugins(run))
    made = f" (the run was made with --plugin={','.join(plugins)})" if plugins else ""
    return (
        f"What the analysis {name} has measured is left out, as no such analysis is known here: "
        f"give the plug-in that has it, --plugin=MODULE{made}."
    )


def _draw_what_fits(
    draw: DrawFigures, measurements: Sequence[Measurement]
) -> tuple[list[FigureFile], Sequence[Measurement], list[str]]:
    """Draws figures without the files that lack columns, as those of another version may.

    Returns:
      The figures, the measurements that are in them, and a sentence for each of the others.
    """
    sentences: list[str] = []
    while measurements:
        try:
            return draw(measurements), measurements, sentences
        except NoColumnError as error:
            (column,) = error.args
            fitting = [one for one in measurements if all(column in row for row in one.rows)]
            sentences += [
                f"landscape/{one.file} of {one.run}, {one.replicate} has no column {column}, "
                "which its figures take; it may be of another version."
                for one in measurements
                if one not in fitting
            ]
            measurements = fitting
    return [], (), sentences


def _result_files(folder: Path) -> dict[str, Path]:
    """The CSV files of analyses by their name of today, which counts where both are there.

    Raises:
      OSError: if the folder may not be read.
    """
    # A pattern alone would find nothing in such a folder.
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    paths = sorted(
        finished_files(folder, "*.csv") if names else [],
        key=lambda path: (path.stem == current_stem(path.stem), path),
    )
    files = {current_stem(path.stem): path for path in paths}
    return dict(sorted(files.items()))


def _of_file(figure: FigureFile, stem: str, suffix: str, special: Sequence[str]) -> FigureFile:
    """A figure with its settings, those in the title that tell it from others of its analysis."""
    untold = [text for text in special if text not in figure.title]
    title = figure.title + (f" ({', '.join(untold)})" if untold else "")
    settings = settings_of(stem)
    caption = (
        f"{figure.caption} Measured with {', '.join(settings)}." if settings else figure.caption
    )
    return replace(figure, name=f"{figure.name}{suffix}", title=title, caption=caption)


def _joined_table(measurements: Sequence[Measurement]) -> str:
    rows = [
        {"run": measurement.run, "replicate": measurement.replicate, **row}
        for measurement in measurements
        for row in measurement.rows
    ]
    columns = dict.fromkeys(["run", "replicate", *(column for row in rows for column in row)])
    return table_text(list(columns), rows)
