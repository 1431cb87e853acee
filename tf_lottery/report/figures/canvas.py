"""What all figures are drawn on: their size, fonts and legend, and their files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font
    from matplotlib.typing import RcKeyType

# Shown at 400 pixels, text of 9 points is then about 11 pixels high.
WIDTH_INCHES = 4.6
FONT = "DejaVu Sans"
_AXES_INCHES, _LEGEND_LINE_INCHES = 3.0, 0.19
_DOTS_PER_INCH = 200
_TEXT_POINTS, _AXIS_LABEL_POINTS = 9, 10
# Room for the text of a label in a legend of one column, and of two.
_LABEL_POINTS, _NARROW_LABEL_POINTS = 262, 114
_SETTINGS: dict[RcKeyType, Any] = {
    "font.family": FONT,
    "font.size": _TEXT_POINTS,
    "axes.labelsize": _AXIS_LABEL_POINTS,
    "xtick.labelsize": _TEXT_POINTS,
    "ytick.labelsize": _TEXT_POINTS,
    "svg.hashsalt": "tf_lottery",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class FigureFile:
    """A figure, of which files are made on demand.

    Attributes:
      name: of its files, without the suffix: letters, digits and underscores.
      title: a heading.
      caption: what is to be seen, and what is not.
      figure: matplotlib's.
      dots_per_inch: of the image.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    dots_per_inch: int = _DOTS_PER_INCH

    @cached_property
    def png(self) -> bytes:
        """The image; the same figure always gives the same bytes."""
        return self._saved(format="png", dpi=self.dots_per_inch, metadata={"Software": None})

    @cached_property
    def svg(self) -> str:
        """The drawing; the same figure always gives the same text."""
        # A layout depends a little on the one before: the drawing always follows the image.
        _ = self.png
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        return self._saved(format="svg", metadata=nothing).decode()

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

    def _saved(self, **options: Any) -> bytes:
        import matplotlib as mpl

        file = io.BytesIO()
        with mpl.rc_context(_SETTINGS):
            self.figure.savefig(file, **options)
        return file.getvalue()


def drawn(figures: Iterable[FigureFile | None]) -> list[FigureFile]:
    """Those figures for which there was something to draw."""
    return [figure for figure in figures if figure is not None]


class Canvas:
    """A figure in the making; its texts look the same whatever a user's matplotlibrc says.

    Attributes:
      axes: to draw on.
    """

    def __init__(
        self,
        labels: Sequence[str] = (),
        inches: tuple[float, float] | None = None,
        dots_per_inch: int = _DOTS_PER_INCH,
    ):
        """Makes empty axes.

        Args:
          labels: what the legend will say, any text; makes room for it.
          inches: width and height; by default those of a small figure on a page.
          dots_per_inch: of the image.
        """
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._labels, self._dots_per_inch = labels, dots_per_inch
        self._notes: list[str] = []
        height = _AXES_INCHES + _LEGEND_LINE_INCHES * _legend_lines(labels)
        with mpl.rc_context(_SETTINGS):
            self._figure = Figure(figsize=inches or (WIDTH_INCHES, height), layout="constrained")
            FigureCanvasAgg(self._figure)
            self.axes = self._figure.add_subplot()
            # Ticks are made later, outside of these settings.
            self.axes.tick_params(labelsize=_TEXT_POINTS, labelfontfamily=FONT)

    def legend(self, handles: Sequence[Artist]) -> None:
        """Puts the legend below the axes, where it covers no data; without labels there is none.

        Args:
          handles: what was drawn, one for each label.
        """
        if not self._labels:
            return
        texts = [_legend_text(label) for label in self._labels]
        legend = self._figure.legend(
            handles,
            # The texts come later: matplotlib would skip those that begin with an underscore.
            ["-"] * len(texts),
            loc="outside lower left",
            ncols=_columns(self._labels),
            frameon=False,
            prop={"family": FONT, "size": _TEXT_POINTS},
            handlelength=2.6,
            columnspacing=1.2,
            labelspacing=0.35,
            borderaxespad=0.2,
        )
        for element, text in zip(legend.get_texts(), texts, strict=True):
            element.set_parse_math(False)
            element.set_text(text)

    def colour_bar(self, colours: ScalarMappable, label: str, **options: Any) -> Colorbar:
        """Puts beside the axes what the colours of a map mean; options are `Figure.colorbar`'s."""
        import matplotlib as mpl

        with mpl.rc_context(_SETTINGS):
            bar = self._figure.colorbar(colours, label=label, **options)
            bar.ax.tick_params(labelsize=_TEXT_POINTS, labelfontfamily=FONT)
        return bar

    def note(self, *sentences: str) -> None:
        """Adds sentences to the end of the caption; empty ones are none."""
        self._notes += sentences

    def figure(self, name: str, title: str, *caption: str) -> FigureFile:
        """Ends the drawing.

        Args:
          name: of the files, without the suffix: letters, digits and underscores.
          title: a heading.
          caption: sentences about what is to be seen, and what is not; empty ones are none.
        """
        sentences = " ".join(filter(None, (*caption, *self._notes)))
        return FigureFile(name, title, sentences, self._figure, self._dots_per_inch)


def drawable(text: str) -> str:
    """Returns a text with a question mark for each character that the figures' font lacks."""
    font = _font()
    return "".join(character if font.get_char_index(ord(character)) else "?" for character in text)


def _font() -> FT2Font:
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(FONT))
    font.set_size(_TEXT_POINTS, 72)
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
