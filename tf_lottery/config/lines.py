"""How lines between two solutions are measured: flags that several analyses share."""

from dataclasses import dataclass
from typing import Literal

from tf_lottery.config.options import between, check_options, option

LineMask = Literal["union", "intersection", "first", "second"]
LineStatistics = Literal["estimated", "interpolated"]
LineSplit = Literal["test", "train", "both"]

# More are a slip of the finger, and would take days.
_MOST_POINTS = 10_000


@dataclass(frozen=True)
class Lines:
    """What lines depend on besides their ends."""

    points: int = option(
        30,
        "Points at which a line between two solutions is measured, the ends among them.",
        within=between(3, _MOST_POINTS, "use 3 to 10000, both ends among them"),
    )
    line_mask: LineMask = option(
        "union",
        "Weights that may differ from 0 on a line between two solutions: those of either solution, "
        "of both, or of one of them.",
    )
    line_statistics: LineStatistics = option(
        "estimated",
        "Statistics of batch normalization on a line between two solutions: estimated anew at each "
        "point from training data, or interpolated as the weights are.",
    )
    line_split: LineSplit = option(
        "test", "Data on which lines are measured; both: test and training data."
    )

    def __post_init__(self):
        check_options(self)

    @property
    def splits(self) -> list[str]:
        """The splits that `line_split` names."""
        return ["test", "train"] if self.line_split == "both" else [self.line_split]
