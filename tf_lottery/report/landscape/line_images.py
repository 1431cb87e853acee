"""Figures of lines that were left in run folders, to be shown in a page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from tf_lottery.report.many_runs import leaves_figures_out
from tf_lottery.report.method_results import MethodResults

# Figures of a run: more would make a page that nobody opens.
_MOST_OF_A_RUN = 20


@dataclass(frozen=True)
class LineImage:
    """A figure of lines between solutions.

    Attributes:
      title: run, replicate and name of the file.
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
            folder = run.path / "landscape" / "lines"
            for path in sorted(folder.glob("*.png"))[:_MOST_OF_A_RUN]:
                try:
                    content = base64.b64encode(path.read_bytes()).decode()
                except OSError:
                    continue
                title = f"{method.run}, {run.replicate}: {path.stem}"
                images.append(LineImage(title, f"data:image/png;base64,{content}"))
    return images
