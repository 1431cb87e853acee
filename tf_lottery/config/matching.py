"""The one rule of matching: when a pruned network is called as accurate as the dense one.

Its test accuracy at the end of training may be below the dense network's by at most a tolerance:
`DEFAULT_POINTS`, 0.5 points, unless told otherwise.
"""

from dataclasses import dataclass

from tf_lottery.config.arguments import is_number
from tf_lottery.config.options import check_options, option

DEFAULT_POINTS = 0.5
DEFAULT_TOLERANCE = DEFAULT_POINTS / 100
# Keeps rounding errors of means and differences from deciding an exact tie.
_SLACK = 1e-9


def matches(accuracy: float | None, dense_accuracy: float | None, tolerance: float) -> bool:
    """Whether a network matches the dense network that was trained the same way.

    Args:
      accuracy: test accuracy of the network at the end of training, a fraction; a mean over
        replicates, if the dense network's is one.
      dense_accuracy: that of the dense network.
      tolerance: how far below it the accuracy may be, as a fraction.

    Returns:
      False also if either accuracy is unknown, None or NaN.
    """
    if accuracy is None or dense_accuracy is None:
        return False
    return bool(accuracy >= dense_accuracy - tolerance - _SLACK)


def matching_rule(tolerance: float, *, means: bool = False) -> str:
    """States the rule in a sentence.

    Args:
      tolerance: as a fraction.
      means: whether means over replicates are compared, rather than one replicate with its own
        dense network.
    """
    points = tolerance_text(tolerance)
    if means:
        return (
            "A level matches if its mean test accuracy at the end of training is at most "
            f"{points} below the mean of the dense networks of the same replicates "
            "(--matching_tolerance)."
        )
    return (
        f"A level matches if its test accuracy at the end of training is at most {points} below "
        "that of the dense network of the same replicate (--matching_tolerance)."
    )


def tolerance_text(tolerance: float) -> str:
    """Writes a tolerance, a fraction, such as "0.5 points"."""
    number = f"{100 * tolerance:g}"
    return f"{number} point" if number == "1" else f"{number} points"


def tolerance_of(points: float) -> float:
    """The tolerance of --matching_tolerance, as a fraction.

    Args:
      points: the value of the flag.

    Raises:
      ValueError: if it is out of range; names the flag.
    """
    if not is_number(points) or not 0 <= points <= 100:
        raise ValueError(f"--matching_tolerance={points} is out of range: use 0 to 100 points.")
    return points / 100


def _read_points(flag: str, points: float) -> float:
    return tolerance_of(points)


@dataclass(frozen=True)
class Matching:
    """The flag of the rule, which runs, branches, reports and analyses take."""

    matching_tolerance: float = option(
        DEFAULT_POINTS,
        "Points of test accuracy that a level may be below the dense network and still matches it: "
        "in the tables that end a run or a branch, in reports, and in successive_levels.",
        reads=_read_points,
    )

    def __post_init__(self):
        check_options(self)

    @property
    def tolerance(self) -> float:
        """It as a fraction."""
        return tolerance_of(self.matching_tolerance)
