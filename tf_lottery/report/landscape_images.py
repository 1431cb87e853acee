"""Figures that analyses have left in run folders, to be shown in a page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from tf_lottery.report.method_results import MethodResults

# Figures of a run: more would make a page that nobody opens.
_MOST_OF_A_RUN = 20


@dataclass(frozen=True)
class LandscapeImage:
    """A figure of an analysis.

    Attributes:
      title: run, replicate and name of the file.
      address: the image itself, as a data URI.
    """

    title: str
    address: str


def landscape_images(methods: Sequence[MethodResults]) -> list[LandscapeImage]:
    """Reads the PNG files below `landscape/` of all runs; those that cannot be read are left out.

    Args:
      methods: runs and branches.
    """
    images = []
    for method in methods:
        for run in method.records if method.branch is None else ():
            folder = run.path / "landscape"
            for path in sorted(folder.rglob("*.png"))[:_MOST_OF_A_RUN]:
                try:
                    content = base64.b64encode(path.read_bytes()).decode()
                except OSError:
                    continue
                title = f"{method.run}, {run.replicate}: {path.relative_to(folder).with_suffix('')}"
                images.append(LandscapeImage(title, f"data:image/png;base64,{content}"))
    return images
