"""The colours, markers and dashes of all figures."""

from dataclasses import dataclass
from typing import Any

# Okabe and Ito's colours without the yellow, which is too light for lines: apart for colour-blind
# eyes. Markers and dashes tell lines apart in grey, and lines that share a colour.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"
# Of what is no line of data: the dense network, thresholds, remarks.
GREY = "#595959"
# Where many lines are drawn; after these five they differ in marker or dash.
_MORE = ("#882255", "#999933", "#332288", "#8C564B", "#7F7F7F")
# By the names that `config.branches.Look` has for them.
COLOURS = {
    "blue": BLUE,
    "orange": ORANGE,
    "green": GREEN,
    "vermilion": VERMILION,
    "purple": PURPLE,
    "sky": SKY,
    "black": BLACK,
}
LINE_COLOURS = (*COLOURS.values(), *_MORE)
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
MARKERS = "o^DsvPX<>p*h"
# In this order neighbours differ in lightness too.
_IN_ORDER = (BLUE, GREEN, VERMILION, BLACK, PURPLE, ORANGE, SKY, *_MORE)
# The lightest of the colour map would be lost on white.
_LIGHTEST = 0.88


@dataclass(frozen=True)
class LineStyle:
    """How a line is drawn.

    Attributes:
      colour: of line, marker and band.
      marker: matplotlib's letter.
      dash: matplotlib's line style.
      filled: whether the marker is.
    """

    colour: str
    marker: str
    dash: str | tuple
    filled: bool = True

    def options(self) -> dict[str, Any]:
        """Keyword arguments for `Axes.plot`."""
        return {
            "color": self.colour,
            "linestyle": self.dash,
            "marker": self.marker,
            "markerfacecolor": self.colour if self.filled else "white",
        }


def style_of_line(index: int) -> LineStyle:
    """The style of a figure's first, second, ... line, from index 0."""
    turn, place = divmod(index, len(_IN_ORDER))
    # Where the colours begin anew, lines are told apart by hollow markers.
    filled = turn % 2 == 0
    return LineStyle(_IN_ORDER[place], MARKERS[place], DASHES[place % len(DASHES)], filled)


def shades(count: int, lightest: float = _LIGHTEST) -> list[str]:
    """Colours in an order, from dark to light.

    Args:
      count: how many.
      lightest: place of the last in the colour map, from 0 to 1.
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(shade) for shade in colormaps["viridis"](np.linspace(0, lightest, count))]
