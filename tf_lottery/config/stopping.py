"""When a search ends before its last level: once a level is not accurate enough any more."""

import re
from dataclasses import dataclass
from typing import Any

from tf_lottery.config.arguments import is_number, refusal

_POINTS = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*pt")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_RIGHT = (
    "use an accuracy between 0 and 1, such as 0.9, or points below the dense network's, such as 2pt"
)
# Keeps rounding errors of differences from deciding an exact tie.
_SLACK = 1e-9


@dataclass(frozen=True)
class StopRule:
    """The least accuracy with which a search goes on.

    Attributes:
      accuracy: it, a fraction; None if it is `points` below the dense network's.
      points: a hundredth of an accuracy each; None if `accuracy` says it.
    """

    accuracy: float | None = None
    points: float | None = None

    def least(self, dense_accuracy: float) -> float:
        """The least accuracy, a fraction.

        Args:
          dense_accuracy: that of level 0.
        """
        if self.accuracy is not None:
            return self.accuracy
        return dense_accuracy - (self.points or 0) / 100

    def is_below(self, accuracy: float, dense_accuracy: float) -> bool:
        """Whether a level's accuracy ends the search; a tie does not."""
        return accuracy < self.least(dense_accuracy) - _SLACK


def read_stop_rule(argument: str, value: Any) -> StopRule | None:
    """Reads an accuracy, such as 0.9, or points, such as "2pt".

    Args:
      argument: its name, for error messages.
      value: a text or a number; None, or a text without anything: there is no rule.

    Raises:
      ValueError: if it is neither.
    """
    if value is None or value == "":
        return None
    text = str(value).strip() if isinstance(value, str) or is_number(value) else ""
    points = _POINTS.fullmatch(text)
    if points and float(points[1]) < 100:
        return StopRule(points=float(points[1]))
    if _NUMBER.fullmatch(text) and 0 < float(text) < 1:
        return StopRule(accuracy=float(text))
    raise refusal(argument, value, _RIGHT)
