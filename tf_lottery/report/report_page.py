"""The page of a report: everything in one HTML file, which loads nothing and runs no script."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tf_lottery.config.matching import tolerance_text
from tf_lottery.report.comparability import comparability_notices, flag_differences
from tf_lottery.report.emptied_levels import emptied_notices, marked_level
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.figures.palette import LineStyle
from tf_lottery.report.figures.sweep_figure import SweepFiles
from tf_lottery.report.formats import (
    MISSING,
    epochs_text,
    format_accuracy,
    format_count,
    format_density,
    format_large,
    format_numbers,
    format_range,
    format_yes,
)
from tf_lottery.report.landscape.joined import JoinedAnalyses
from tf_lottery.report.landscape.line_images import figures_left_out, line_images
from tf_lottery.report.many_runs import left_out_sentence
from tf_lottery.report.matching_tickets import Ticket
from tf_lottery.report.method_results import MethodResults, Spread
from tf_lottery.report.missing_data import missing_data
from tf_lottery.report.run_records import RunRecord
from tf_lottery.report.verdicts import branch_verdicts, rule_sentence, verdicts
from tf_lottery.store.empty_layers import CONSEQUENCE


@dataclass(frozen=True)
class ReportFigures:
    """The figures by their place on the page.

    Attributes:
      main: what the page begins with; None if nothing can be drawn.
      others: of all methods together, and of the runs alone.
      branches: of the branches alone.
      sweeps: against the values of swept flags.
      landscape: of the analyses.
    """

    main: FigureFile | None
    others: tuple[FigureFile, ...]
    branches: tuple[FigureFile, ...]
    sweeps: tuple[FigureFile, ...] = ()
    landscape: tuple[FigureFile, ...] = ()

    def all(self) -> tuple[FigureFile, ...]:
        """Returns all figures, in the order of the page."""
        main = () if self.main is None else (self.main,)
        return (*main, *self.sweeps, *self.others, *self.branches, *self.landscape)


def report_page(
    methods: Sequence[MethodResults],
    styles: Sequence[LineStyle],
    tickets: Sequence[Ticket],
    figures: ReportFigures,
    sweeps: Sequence[SweepFiles],
    analyses: JoinedAnalyses,
    damaged: Sequence[str],
) -> str:
    """Fills the page.

    Args:
      methods: the runs, each followed by its branches.
      styles: how each is drawn.
      tickets: the outcome of each.
      figures: drawn from the same.
      sweeps: of the runs; their figures are among the others.
      analyses: of the runs.
      damaged: what could not be read, in sentences.

    Returns:
      HTML. All text from run folders is escaped.
    """
    environment = Environment(
        loader=PackageLoader("tf_lottery.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "inline": lambda figure: Markup(figure.inline_svg),
        "density": format_density,
        "count": format_count,
        "large": format_large,
        "yes": format_yes,
        "level": lambda level: marked_level(level.level, emptied=level.emptied > 0),
        "mean": _mean,
        "range": _range,
        "points": _points,
        "range_of_points": _range_of_points,
        "replicates": _replicates,
        "level_of_run": _level_text,
        "epoch_of_run": _epoch_text,
    }
    runs = [method for method in methods if method.branch is None]
    return environment.get_template("page.html.j2").render(
        title="Lottery tickets: " + ", ".join(run.run for run in runs),
        facts=[
            *(_facts(run, with_label=len(runs) > 1) for run in runs),
            *(
                f"{run.label}, {record.replicate}: {record.state.ended}."
                for run in runs
                for record in run.records
                if record.state.ended is not None
            ),
        ],
        progress=_progress(methods),
        notices=comparability_notices(methods),
        emptied=emptied_notices(methods),
        consequence=CONSEQUENCE,
        damaged=list(damaged),
        analyses=list(analyses.tables),
        verdicts=verdicts(tickets),
        branch_verdicts=branch_verdicts(tickets),
        rule=rule_sentence(tickets),
        multiply_adds=_multiply_adds(methods),
        figures=figures,
        sweeps=sweeps,
        left_out=left_out_sentence(len(runs)),
        lines=line_images(methods),
        lines_left_out=figures_left_out(methods),
        tickets=[(ticket, style.colour) for ticket, style in zip(tickets, styles, strict=True)],
        tolerance=tolerance_text(tickets[0].tolerance),
        missing=[*missing_data(methods), *analyses.missing],
        methods=methods,
        flags=flag_differences(methods),
        analysis_branches=_analysis_branches(runs),
    )


def _analysis_branches(runs: Sequence[MethodResults]) -> int:
    """Counts the branches that are steps of analyses, which are no methods of the page."""
    records = (
        branch for run in runs for record in run.records for branch in record.branches.values()
    )
    return sum(record.for_analysis for record in records)


def _facts(run: MethodResults, *, with_label: bool) -> str:
    known = next((record for record in run.records if record.identity), run.records[0])
    count = len(run.records)
    names = known.data_name, known.model
    facts = [str(name) for name in names if name is not None]
    if run.levels and run.levels[0].level == 0:
        facts.append(f"{format_count(run.levels[0].weights_remaining)} prunable weights")
    facts.append(f"{count} replicate{'s' if count > 1 else ''}")
    return (f"{run.label}: " if with_label else "") + " · ".join(facts)


def _multiply_adds(methods: Sequence[MethodResults]) -> str:
    """What the column of multiply-adds counts; empty where it is empty."""
    if all(level.multiply_adds is None for method in methods for level in method.levels):
        return ""
    left_out = {
        layer
        for method in methods
        for record in method.records
        for level in record.levels.values()
        for layer in level.not_counted
    }
    others = f" Not counted are {', '.join(sorted(left_out))}." if left_out else ""
    return f"Multiply-adds for an example: those of the weights that remain.{others}"


def _progress(methods: Sequence[MethodResults]) -> list[str]:
    """Returns a sentence for each run or branch that is not done."""
    sentences = []
    for method in methods:
        for run in method.records:
            state = run.state
            if state.state == "done":
                continue
            if state.diverged is not None:
                sentences.append(f"{method.label}, {run.replicate}: {state.diverged}")
                continue
            level, epoch = _level_text(run), _epoch_text(run)
            where = f", level {level}" if level != MISSING else ""
            where += f", epoch {epoch}" if epoch != MISSING else ""
            sentences.append(f"{method.label}, {run.replicate}: {state.state}{where}")
    return sentences


def _level_text(run: RunRecord) -> str:
    state = run.state
    if state.level is None:
        return MISSING
    if state.branch is not None and state.state == "done":
        return format_numbers(state.complete_levels)  # They need not be in a row.
    return str(state.level) + ("" if state.levels is None else f" of {state.levels}")


def _epoch_text(run: RunRecord) -> str:
    state = run.state
    if state.epoch is None:
        return MISSING
    if state.epochs is None:
        return f"{state.epoch:.1f}"
    return epochs_text(state.epoch, state.epochs, separator=" of ") or MISSING


def _mean(spread: Spread | None, decimals: int = 2) -> str:
    return MISSING if spread is None else format_accuracy(spread.mean, decimals)


def _range(spread: Spread | None, decimals: int = 2) -> str:
    if spread is None or spread.count == 1:
        return MISSING
    return format_range(spread.minimum, spread.maximum, decimals)


def _points(spread: Spread | None, decimals: int = 2) -> str:
    return MISSING if spread is None else f"{100 * spread.mean:+.{decimals}f}"


def _range_of_points(spread: Spread | None, decimals: int = 2) -> str:
    if spread is None or spread.count == 1:
        return MISSING
    return f"{100 * spread.minimum:+.{decimals}f} to {100 * spread.maximum:+.{decimals}f}"


def _replicates(count: int, of: int) -> str:
    return str(count) if count == of else f"{count} of {of}"
