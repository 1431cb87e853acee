"""The colour, marker and dash of each method, the same in all figures of all reports."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tf_lottery.config.branches import BRANCHES, Look
from tf_lottery.report.method_results import LOTTERY, MethodResults

# Okabe and Ito's colours without the yellow, which is too light for lines: apart for colour-blind
# eyes. Markers and dashes tell them apart in grey, and methods that share a colour.
_BLUE, _ORANGE, _GREEN, _VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
_PURPLE, _SKY, _BLACK = "#CC79A7", "#56B4E9", "#000000"
# Where many lines are drawn; after these five they differ in marker or dash.
MORE_COLOURS = ("#882255", "#999933", "#332288", "#8C564B", "#7F7F7F")
_PALETTE = (_BLUE, _ORANGE, _GREEN, _VERMILION, _PURPLE, _SKY, _BLACK, *MORE_COLOURS)
_DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
COLOURS = {
    "blue": _BLUE,
    "orange": _ORANGE,
    "green": _GREEN,
    "vermilion": _VERMILION,
    "purple": _PURPLE,
    "sky": _SKY,
    "black": _BLACK,
}
_NOT_BRANCHES = {LOTTERY: Look("blue", "o", 0), "adaptive_rate": Look("sky", "D", 2)}
# No known method has such a pair, so that an unknown one is never taken for it.
_OTHER_COLOURS = (_BLACK, _VERMILION, _SKY)
_OTHER_MARKERS = ("v", "s", "^", "<", ">", "p")


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn.

    Attributes:
      colour: of line, marker and band.
      marker: matplotlib's letter.
      dash: matplotlib's line style.
      filled: whether the marker is.
    """

    colour: str
    marker: str
    dash: str | tuple
    filled: bool


def method_styles(methods: Sequence[MethodResults]) -> list[MethodStyle]:
    """Chooses the style of each line.

    Args:
      methods: runs and branches. Those of the same method share the marker, and differ in colour,
        as long as there are colours, in dash, and in the marker's filling.

    Returns:
      A style per method, in the same order.
    """
    return styles_of([method.method for method in methods])


def styles_of(names: Sequence[str], *, one_colour: bool = False) -> list[MethodStyle]:
    """Chooses styles as `method_styles` does, by the names of the methods.

    Args:
      names: of the methods.
      one_colour: whether all lines of a method have its colour, and differ in dash and filling.
    """
    used: Counter = Counter()
    styles = []
    looks = [_look_of(name) for name in names]
    lines_of_colour: Counter[str] = Counter(dict.fromkeys(_PALETTE, 0))
    lines_of_colour.update(colour for colour, _, _ in dict.fromkeys(looks))
    for look in looks:
        count = used[look]
        used[look] += 1
        colour, marker, first_dash = look
        if count and not one_colour:
            # The first with the fewest lines.
            colour = min(_PALETTE, key=lambda colour: lines_of_colour[colour])
            lines_of_colour[colour] += 1
        # Where the colours begin anew, others of these are left.
        turns = range(count, count + 2 * len(_DASHES))
        choices = [_style(colour, marker, first_dash + turn, turn) for turn in turns]
        styles.append(next((style for style in choices if style not in styles), choices[0]))
    return styles


def _style(colour: str, marker: str, dash: int, turn: int) -> MethodStyle:
    filled = (turn + turn // len(_DASHES)) % 2 == 0
    return MethodStyle(colour, marker, _DASHES[dash % len(_DASHES)], filled)


def _look_of(method: str) -> tuple[str, str, int]:
    branch = BRANCHES.all().get(method)
    look = branch.look if branch else _NOT_BRANCHES.get(method)
    return (COLOURS[look.colour], look.marker, look.dash) if look else _look_of_unknown(method)


def _look_of_unknown(method: str) -> tuple[str, str, int]:
    # A checksum, because Python's own hash of a text differs from process to process.
    number = zlib.crc32(method.encode("utf-8", "replace"))
    colour = _OTHER_COLOURS[number % len(_OTHER_COLOURS)]
    return colour, _OTHER_MARKERS[number // len(_OTHER_COLOURS) % len(_OTHER_MARKERS)], 0
