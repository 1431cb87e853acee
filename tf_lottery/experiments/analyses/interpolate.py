"""--experiment=interpolate: loss and error on the lines between solutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from tf_lottery.config.alignment import Alignment
from tf_lottery.config.analyses import register_analysis
from tf_lottery.config.lines import Lines
from tf_lottery.config.parameters import Parameter
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.messages import tell
from tf_lottery.report.landscape.lines import LineCurves, LineRow, line_figure, print_lines
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.result_names import result_stem
from tf_lottery.store.seal import checksum

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun


# Characters that the names of solutions may take in that of a figure.
_LONGEST_NAME = 120


@register_analysis(place=1)
def interpolate(
    run: MeasuredRun,
    levels: Sequence[int] | None,
    *,
    solutions: Annotated[
        str,
        Parameter(
            "For --experiment=interpolate: two or more solutions in the run folder, such as "
            "level_0,level_5,branches/random_mask/level_5,../replicate_2/level_5,rewind."
        ),
    ] = "",
    lines: Lines,
    alignment: Alignment,
) -> Callable[[AnalyzedRun], None]:
    """Measures the lines between each solution of `--solutions` and the next.

    With `--align=weights` the units of the next are first put in the order that is most like that
    of the solution before it.

    Lines that were measured before are read. Each goes into
    landscape/lines/FIRST--SECOND__SETTINGS.csv in the run folder, all of them into one figure
    beside it.

    Raises:
      ValueError: if there are fewer than two solutions, one cannot be found, levels are given, or
        the network cannot be aligned.
    """
    names = [name.strip() for name in solutions.split(",") if name.strip()]
    if levels is not None:
        raise ValueError("--levels is not for --experiment=interpolate; name them in --solutions.")
    if len(names) < 2:
        given = f"--solutions={solutions}" if solutions else "--solutions"
        raise ValueError(f"{given}: name two or more, such as level_0,level_5.")
    return partial(_show_lines, names=names, lines=lines, alignment=alignment)


def _show_lines(
    analyzed: AnalyzedRun, names: Sequence[str], lines: Lines, alignment: Alignment
) -> None:
    from tf_lottery.experiments.measuring.lines import line_settings, measure_lines
    from tf_lottery.landscape.solutions import distance

    align = analyzed.aligner(alignment)
    solutions = [analyzed.solution(name) for name in names]
    pairs = [(first, align(first, second)) for first, second in pairwise(solutions)]
    measured = measure_lines(analyzed, lines, pairs, alignment)
    rows = [
        LineRow(
            line.labels,
            {split: (line.barrier(split), line.barrier(split, "loss")) for split in lines.splits},
            **vars(distance(*pair)),
        )
        for line, pair in zip(measured, pairs, strict=True)
    ]
    print_lines(rows)
    figure = line_figure(
        [LineCurves(line.labels, line.positions, line.errors, line.losses) for line in measured],
        f"lines of {analyzed.run.path.parent.name}, {analyzed.run.path.name}: {', '.join(names)}",
    )
    stem = result_stem(_figure_name(names), line_settings(analyzed, lines, alignment))
    with atomic_path(analyzed.folder / "lines" / f"{stem}.png") as path:
        path.write_bytes(figure.png)
    tell(f"Lines: {analyzed.folder / 'lines'}")


def _figure_name(names: Sequence[str]) -> str:
    """All solutions in order; if that is too long, the ends and what tells what is between them."""
    from tf_lottery.experiments.measuring.lines import slug

    whole = "--".join(map(slug, names))
    if len(whole) <= _LONGEST_NAME or len(names) == 2:
        return whole
    return f"{slug(names[0])}--{checksum(list(names))[:8]}--{slug(names[-1])}"
