"""Small figures for pages: their size, their legend, and their files, the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font
    from matplotlib.typing import RcKeyType

# Shown at 400 pixels, text of 9 points is then about 11 pixels high.
WIDTH_INCHES = 4.6
_AXES_INCHES, _LEGEND_LINE_INCHES = 3.0, 0.19
_DOTS_PER_INCH = 200
_LEGEND_FONT_POINTS = 9
# Room for the text of a label in a legend of one column, and of two.
_LABEL_POINTS, _NARROW_LABEL_POINTS = 262, 114
_SETTINGS: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "svg.hashsalt": "tf_lottery",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class FigureFile:
    """A figure, drawn.

    Attributes:
      name: of its files, without the suffix.
      title: a heading.
      caption: what is to be seen, and what is not.
      png: bytes of an image.
      svg: text of a drawing.
    """

    name: str
    title: str
    caption: str
    png: bytes
    svg: str

    @property
    def inline_svg(self) -> str:
        """The drawing as an element of a page, with names of its own and nothing from outside."""
        element = self.svg[self.svg.index("<svg") :]
        element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
        element = re.sub(r"<!--.*?-->\s*", "", element, flags=re.DOTALL)
        head, body = element.split(">", 1)
        view = "".join(re.findall(r'viewBox="[^"]*"', head)[:1])
        body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self.name}-", body)
        body = body.replace("xlink:href=", "href=")
        return f'<svg {view} aria-hidden="true" focusable="false">{body.rstrip()}'


@contextmanager
def small_figure(legend_labels: Sequence[str] = ()) -> Iterator[tuple[Figure, Axes]]:
    """Makes a figure to be drawn on within this block.

    Args:
      legend_labels: what the legend will say; makes room for it.

    Yields:
      The figure and its axes.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = _AXES_INCHES + _LEGEND_LINE_INCHES * _legend_lines(legend_labels)
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.add_subplot()


def add_legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Puts a legend below the axes, where it covers no data.

    Args:
      figure: the figure.
      handles: what was drawn.
      labels: their names, any text.
    """
    texts = [_legend_text(label) for label in labels]
    legend = figure.legend(
        handles,
        # The texts come later: matplotlib would skip those that begin with an underscore.
        ["-"] * len(texts),
        loc="outside lower left",
        ncols=_columns(labels),
        frameon=False,
        fontsize=_LEGEND_FONT_POINTS,
        handlelength=2.6,
        columnspacing=1.2,
        labelspacing=0.35,
        borderaxespad=0.2,
    )
    for element, text in zip(legend.get_texts(), texts, strict=True):
        element.set_parse_math(False)
        element.set_text(text)


def save_figure(figure: Figure, name: str, title: str, caption: str) -> FigureFile:
    """Draws a figure within the block of its `small_figure`.

    Args:
      figure: the figure.
      name: of its files, without the suffix: letters, digits and underscores.
      title: a heading.
      caption: what is to be seen, and what is not.

    Returns:
      The bytes; the same figure always gives the same.
    """
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(svg, format="svg", metadata=nothing)
    return FigureFile(name, title, caption, png.getvalue(), svg.getvalue().decode())


def drawable(text: str) -> str:
    """Returns a text with a question mark for each character that the figures' font lacks."""
    font = _font()
    return "".join(character if font.get_char_index(ord(character)) else "?" for character in text)


def _font() -> FT2Font:
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(_SETTINGS["font.family"]))
    font.set_size(_LEGEND_FONT_POINTS, 72)
    return font


def _columns(labels: Sequence[str]) -> int:
    narrow = (_fitting(label, _NARROW_LABEL_POINTS) == len(label) for label in labels)
    return 2 if all(narrow) else 1


def _legend_lines(labels: Sequence[str]) -> int:
    if not labels:
        return 0
    lines = sum(_legend_text(label).count("\n") + 1 for label in labels)
    return -(-lines // _columns(labels))


def _legend_text(label: str) -> str:
    """Returns a label on one line, or on two, with its middle left out if that is too little."""
    label = drawable(label)
    first = _fitting(label, _LABEL_POINTS)
    if first == len(label):
        return label
    last = _fitting(label[::-1], _LABEL_POINTS)
    if first + last < len(label):
        return f"{label[: first - 2]}…\n{label[-last:]}"
    # After the last separator that leaves no more than a line for the rest.
    ends = [found.end() for found in re.finditer(r"[ _-]", label[:first])]
    cut = next((end for end in reversed(ends) if len(label) - end <= last), first)
    return f"{label[:cut].rstrip()}\n{label[cut:].lstrip()}"


def _fitting(text: str, points: float) -> int:
    """Returns how many characters at the beginning of a text have room."""
    font = _font()
    # A glyph's advance is in 65536ths of a pixel, of which there is one per point.
    widths = (font.load_char(ord(letter)).linearHoriAdvance / 65536 for letter in drawable(text))
    return sum(total <= points for total in accumulate(widths))
