"""Figures of lines that were left in run folders, to be shown in a page."""

import base64
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tf_lottery.report.landscape.solution_names import line_text
from tf_lottery.report.many_runs import leaves_figures_out
from tf_lottery.report.method_results import MethodResults
from tf_lottery.report.run_records import RunRecord
from tf_lottery.store.atomic import finished_files
from tf_lottery.store.result_names import analysis_of, settings_of

# Figures of a run: more would make a page that nobody opens.
MOST_OF_A_RUN = 20
# Stands for the solutions between the ends of a name that would be too long.
_BETWEEN = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class LineImage:
    """A figure of lines between solutions.

    Attributes:
      title: run, replicate, ends of the lines and settings.
      address: the image itself, as a data URI.
    """

    title: str
    address: str


def line_images(methods: Sequence[MethodResults]) -> list[LineImage]:
    """Reads the PNG files in `landscape/lines` of all runs, unless these are many.

    Files that cannot be read are left out.

    Args:
      methods: runs and branches.
    """
    images = []
    if leaves_figures_out(sum(method.branch is None for method in methods)):
        return images
    for method in methods:
        for run in method.records if method.branch is None else ():
            paths = _paths(run)
            for path in paths[:MOST_OF_A_RUN]:
                try:
                    content = base64.b64encode(path.read_bytes()).decode()
                except OSError:
                    continue
                title = f"{method.run}, {run.replicate.replace('_', ' ')}: {_title(path.stem)}"
                images.append(LineImage(title, f"data:image/png;base64,{content}"))
    return images


def figures_left_out(methods: Sequence[MethodResults]) -> list[str]:
    """Says of which runs not all figures of lines are shown.

    Args:
      methods: runs and branches.
    """
    runs = [method for method in methods if method.branch is None]
    if leaves_figures_out(len(runs)):
        return []
    counts = {
        f"{method.run}, {run.replicate.replace('_', ' ')}": len(_paths(run))
        for method in runs
        for run in method.records
    }
    return [
        f"{name}: {MOST_OF_A_RUN} of {count} figures of lines; the others are in landscape/lines."
        for name, count in counts.items()
        if count > MOST_OF_A_RUN
    ]


def _paths(run: RunRecord) -> list[Path]:
    with suppress(OSError):
        return finished_files(run.path / "landscape" / "lines", "*.png")
    return []


def _title(stem: str) -> str:
    """Says in words what a file of lines is about."""
    ends = [_BETWEEN.sub("…", end) for end in analysis_of(stem).split("--")]
    line = line_text(*ends) if len(ends) > 1 else stem
    settings = settings_of(stem)
    return f"{line} ({', '.join(settings)})" if settings else line
