"""A report of runs: a page, figures and tables, from what the runs have left on the disk."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tf_lottery.config.arguments import expanded
from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.report.copied_runs import without_copies
from tf_lottery.report.figures.layer_figure import layer_figure, shares_layers
from tf_lottery.report.figures.learning_curves import learning_curves
from tf_lottery.report.figures.level_figures import level_figures
from tf_lottery.report.figures.method_styles import styles_of
from tf_lottery.report.figures.palette import LineStyle
from tf_lottery.report.figures.sweep_figure import sweep_files
from tf_lottery.report.landscape.joined import join_analyses
from tf_lottery.report.many_runs import leaves_figures_out
from tf_lottery.report.matching_tickets import Ticket, find_tickets
from tf_lottery.report.method_results import MethodResults, collect_methods
from tf_lottery.report.missing_data import problems_of
from tf_lottery.report.report_csv import levels_csv, tickets_csv
from tf_lottery.report.report_folder import (
    check_folder,
    default_folder,
    run_names,
    write_files,
)
from tf_lottery.report.report_page import ReportFigures, report_page
from tf_lottery.report.run_records import read_run, run_paths
from tf_lottery.report.swept_runs import find_sweeps

_MAIN_FIGURE = "accuracy_at_end"
_LABEL_IN_FILE_NAME = 40


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
      page: index.html in the folder of the report.
      damaged: what could not be read, and is left out, in sentences with the files' paths.
      left_out: what else is left out of the analyses, in sentences.
    """

    page: Path
    damaged: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def compare_runs(
    runs: Sequence[Path],
    folder: Path | None = None,
    *,
    matching_tolerance: float = DEFAULT_POINTS,
) -> Report:
    """Writes a page that compares runs, with its figures as PNG and SVG, and two CSV files.

    Runs may still be going; what is damaged or missing is named on the page. The same run folders
    give the same bytes. Of many runs, what belongs to one of them alone is left to its own report.

    Args:
      runs: run folders (WORKDIR/NAME/replicate_R), or folders that hold some (WORKDIR/NAME).
      folder: where to; new, empty or an earlier report's. By default NAME/report, or
        WORKDIR/report_A_B for several runs.
      matching_tolerance: points that the mean test accuracy of a level may be below the mean of
        the dense networks and still matches it.

    Returns:
      The page, and what was damaged; beside the page are report.csv, tickets.csv, a CSV file for
      each sweep and each analysis that was made of the runs, and the figures.

    Raises:
      ValueError: a run cannot be found, the tolerance is out of range, or the folder holds
        something else or cannot be written to; names the flag.
    """
    tolerance = tolerance_of(matching_tolerance)
    found = [read_run(path) for path in run_paths([Path(run) for run in runs])]
    records, copies = without_copies(found)
    folder = default_folder(records) if folder is None else expanded("folder", folder)
    check_folder(folder)
    methods = collect_methods(records)
    tickets = find_tickets(methods, tolerance)
    styles = styles_of([method.method for method in methods])
    analyses = join_analyses(methods, tolerance)
    damaged = tuple(dict.fromkeys([*copies, *problems_of(methods), *analyses.problems]))
    sweeps = sweep_files(find_sweeps(methods))
    figures = replace(
        _draw(methods, styles, tickets),
        sweeps=tuple(figure for files in sweeps for figure in files.figures),
        landscape=analyses.figures,
    )
    texts = {
        "report.csv": levels_csv(methods),
        "tickets.csv": tickets_csv(tickets),
        **{f"{files.name}.csv": files.table for files in sweeps},
        **analyses.tables,
        "index.html": report_page(methods, styles, tickets, figures, sweeps, analyses, damaged),
    }
    drawings = {f"{figure.name}.png": figure.png for figure in figures.all()}
    drawings |= {f"{figure.name}.svg": figure.svg.encode() for figure in figures.all()}
    # Names of folders need not be valid UTF-8.
    contents = {name: text.encode("utf-8", "replace") for name, text in texts.items()}
    write_files(folder, drawings | contents, run_names(records, folder))
    return Report(folder / "index.html", damaged, analyses.missing)


def _draw(
    methods: Sequence[MethodResults], styles: Sequence[LineStyle], tickets: Sequence[Ticket]
) -> ReportFigures:
    together = level_figures(methods, styles)
    main = next((figure for figure in together if figure.name == _MAIN_FIGURE), None)
    runs, branches = [], []
    if leaves_figures_out(sum(method.branch is None for method in methods)):
        return ReportFigures(main, tuple(figure for figure in together if figure != main), ())
    run_of = {method.run: method for method in methods if method.branch is None}
    for index, (method, ticket) in enumerate(zip(methods, tickets, strict=True)):
        place = runs if method.branch is None else branches
        name = f"{index + 1}_{_as_file_name(method.label)}".rstrip("_")
        level = None if ticket.level is None else ticket.level.level
        place.append(learning_curves(method, f"learning_curves_{name}", level))
        if method.branch is None or not shares_layers(method, run_of[method.run]):
            place.append(layer_figure(method, f"layers_{name}"))
    others = [figure for figure in (*together, *runs) if figure not in (main, None)]
    return ReportFigures(main, tuple(others), tuple(filter(None, branches)))


def _as_file_name(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", label)[:_LABEL_IN_FILE_NAME]
