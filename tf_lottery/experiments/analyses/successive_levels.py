"""--experiment=successive_levels: barriers between the solutions of levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Literal

from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.config.lines import Lines
from tf_lottery.config.matching import Matching
from tf_lottery.config.parameters import Parameter
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.landscape.solutions import distance
from tf_lottery.report.landscape.successive_levels import levels_figures, print_successive_levels
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import LEVELS_COLUMNS, barrier_columns
from tf_lottery.store.result_names import LINE_SETTINGS

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

_Pair = tuple[int, int]


@register_analysis(
    ResultFile("successive_levels", LINE_SETTINGS, levels_figures, "Pairs of levels"), place=4
)
def successive_levels(
    run: MeasuredRun,
    levels: Sequence[int] | None,
    *,
    lines: Lines,
    matching: Matching,
    pairs: Annotated[
        Literal["all", "successive"],
        Parameter(
            "Lines that --experiment=successive_levels measures: between every two levels, or only "
            "from each level to the next."
        ),
    ] = "all",
) -> Rows:
    """Measures the lines between levels (arXiv 2210.03044, section 3.1).

    Writes landscape/successive_levels__SETTINGS.csv in the run folder, a row per pair, and figures.
    Pairs that were measured before are not measured again.

    Raises:
      ValueError: if a level is not finished, or there is only one.
    """
    chosen = run.levels(levels)
    if len(chosen) < 2:
        raise ValueError(
            f"--levels: a line takes two levels, but level {chosen[0]} of {run.run.path} is the "
            "only one to take."
        )
    return Rows(
        list(pairwise(chosen) if pairs == "successive" else combinations(chosen, 2)),
        (*LEVELS_COLUMNS, *barrier_columns(lines.splits)),
        partial(_measure, lines=lines),
        partial(
            print_successive_levels,
            summaries=[run.summary(level) for level in chosen],
            dense=run.summary(0) if 0 in run.run.complete_levels() else None,
            tolerance=matching.tolerance,
            split=lines.splits[0],
        ),
        run.line_settings(lines),
        key=itemgetter("first_level", "second_level"),
        levels=lambda pair: pair,
    )


def _measure(analyzed: AnalyzedRun, missing: Sequence[_Pair], lines: Lines) -> Iterator[Row]:
    from tf_lottery.experiments.measuring.lines import barriers, measure_line

    evaluate = analyzed.evaluator(lines)
    # Neighbours first: they are what is looked for.
    pairs = sorted(missing, key=lambda pair: (pair[1] - pair[0] > 1, pair))
    with CountingProgress("points on lines", len(pairs) * lines.points) as progress:
        for pair in pairs:
            ends = analyzed.level(pair[0]), analyzed.level(pair[1])
            row = {"first_level": pair[0], "second_level": pair[1], **vars(distance(*ends))}
            for name, level in zip(("first", "second"), pair, strict=True):
                summary = analyzed.summary(level)
                row[f"{name}_density"] = summary.density
                row[f"{name}_test_accuracy"] = summary.test_accuracy
            line = measure_line(evaluate, ends, lines, progress.advance)
            yield {**row, **barriers(line)}
