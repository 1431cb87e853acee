"""Which style each method has, the same in all figures of all reports."""

import zlib
from collections import Counter
from collections.abc import Sequence

from tf_lottery.config.branches import BRANCHES, Look
from tf_lottery.report.figures.palette import (
    BLACK,
    COLOURS,
    DASHES,
    LINE_COLOURS,
    SKY,
    VERMILION,
    LineStyle,
)
from tf_lottery.report.method_results import LOTTERY

_NOT_BRANCHES = {LOTTERY: Look("blue", "o", 0), "adaptive_rate": Look("sky", "D", 2)}
# No known method has such a pair, so that an unknown one is never taken for it.
_OTHER_COLOURS = (BLACK, VERMILION, SKY)
_OTHER_MARKERS = ("v", "s", "^", "<", ">", "p")


def styles_of(methods: Sequence[str], *, one_colour: bool = False) -> list[LineStyle]:
    """Chooses the style of each line.

    Args:
      methods: names of the methods. Lines of the same share the marker, and differ in colour, as
        long as there are colours, in dash, and in the marker's filling.
      one_colour: whether all lines of a method have its colour, and differ in dash and filling.

    Returns:
      A style per line, in the same order.
    """
    used: Counter = Counter()
    styles = []
    looks = [_look_of(name) for name in methods]
    lines_of_colour: Counter[str] = Counter(dict.fromkeys(LINE_COLOURS, 0))
    lines_of_colour.update(colour for colour, _, _ in dict.fromkeys(looks))
    for look in looks:
        count = used[look]
        used[look] += 1
        colour, marker, first_dash = look
        if count and not one_colour:
            # The first with the fewest lines.
            colour = min(LINE_COLOURS, key=lambda colour: lines_of_colour[colour])
            lines_of_colour[colour] += 1
        # Where the colours begin anew, others of these are left.
        turns = range(count, count + 2 * len(DASHES))
        choices = [_style(colour, marker, first_dash + turn, turn) for turn in turns]
        styles.append(next((style for style in choices if style not in styles), choices[0]))
    return styles


def _style(colour: str, marker: str, dash: int, turn: int) -> LineStyle:
    filled = (turn + turn // len(DASHES)) % 2 == 0
    return LineStyle(colour, marker, DASHES[dash % len(DASHES)], filled)


def _look_of(method: str) -> tuple[str, str, int]:
    branch = BRANCHES.get(method)
    look = branch.look if branch else _NOT_BRANCHES.get(method)
    return (COLOURS[look.colour], look.marker, look.dash) if look else _look_of_unknown(method)


def _look_of_unknown(method: str) -> tuple[str, str, int]:
    # A checksum, because Python's own hash of a text differs from process to process.
    number = zlib.crc32(method.encode("utf-8", "replace"))
    colour = _OTHER_COLOURS[number % len(_OTHER_COLOURS)]
    return colour, _OTHER_MARKERS[number // len(_OTHER_COLOURS) % len(_OTHER_MARKERS)], 0
