"""Loss and error on the straight line between two solutions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tf_lottery.config.lines import LineMask
from tf_lottery.landscape.solutions import Solution, check_same_network
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.training.evaluation import Evaluation

Measure = Literal["error", "loss"]
_LINE_MASKS = get_args(LineMask)


@dataclass(frozen=True)
class Line:
    """What was measured between two solutions.

    Attributes:
      labels: of the two ends.
      positions: from 0 (the first) to 1 (the second), `[points]`.
      losses: mean cross-entropy by split, `[points]`; not finite where the network overflows.
      errors: fraction of wrong answers by split, `[points]`.
    """

    labels: tuple[str, str]
    positions: np.ndarray
    losses: Mapping[str, np.ndarray]
    errors: Mapping[str, np.ndarray]

    def barrier(self, split: str, measure: Measure = "error") -> float:
        """The largest value on the line over the mean of its ends.

        With "error" the instability of arXiv 1912.05671, section 2, in fractions; with "loss" the
        same of the loss. Infinite if a loss on the line is not finite.

        Args:
          split: "train", "test", ...
          measure: "error" or "loss".
        """
        values = {"error": self.errors, "loss": self.losses}[measure][split]
        if not np.isfinite(values).all():
            return float("inf")
        return float(values.max() - (values[0] + values[-1]) / 2)

    def rows(self) -> list[dict[str, float]]:
        """A row per point: position, and loss and error of each split."""
        return [
            {"position": float(position)}
            | {
                f"{split}_{measure}": float(values[split][index])
                for split in self.losses
                for measure, values in (("loss", self.losses), ("error", self.errors))
            }
            for index, position in enumerate(self.positions)
        ]


def interpolate(
    evaluate: Callable[[Weights], Mapping[str, Evaluation]],
    first: Solution,
    second: Solution,
    *,
    points: int = 30,
    mask: LineMask = "union",
    on_progress: Callable[[int], None] = lambda done: None,
) -> Line:
    """Measures the straight line between two solutions (arXiv 1912.05671, section 2).

    Args:
      evaluate: gives loss and accuracy at any weights, by split; see `SolutionEvaluator`.
      first: the solution at position 0.
      second: the solution at position 1.
      points: number of points, both ends among them.
      mask: weights on the line that may be other than 0. "union": those that remain in either
        solution, so that the line is that between the solutions as they are; "intersection": those
        that remain in both; "first" or "second": those of one of them. But for "union", the ends
        of the line are the solutions under that mask.
      on_progress: called with the number of points done.

    Raises:
      ValueError: if the solutions are of different networks, or an argument is out of range.
    """
    check_same_network(first, second)
    if points < 3:
        raise ValueError(f"points={points}: use 3 or more, both ends among them.")
    common = _line_mask(first.mask, second.mask, mask)
    start, end = common.apply(first.weights), common.apply(second.weights)
    positions = np.linspace(0.0, 1.0, points)
    results = []
    for done, position in enumerate(positions, 1):
        results.append(evaluate(_between(start, end, position)))
        on_progress(done)
    return Line(
        (first.label, second.label),
        positions,
        {split: np.array([result[split].loss for result in results]) for split in results[0]},
        {
            split: np.array([1 - result[split].accuracy for result in results])
            for split in results[0]
        },
    )


def _line_mask(first: Mask, second: Mask, mask: LineMask) -> Mask:
    if mask not in _LINE_MASKS:
        raise ValueError(f"mask={mask!r}: use one of {', '.join(_LINE_MASKS)}.")
    if mask in ("first", "second"):
        return first if mask == "first" else second
    combine = np.logical_or if mask == "union" else np.logical_and
    return Mask({name: combine(array, second[name]) for name, array in first.items()})


def _between(start: Weights, end: Weights, position: float) -> dict[str, np.ndarray]:
    # The ends bit for bit: at 0 and 1 the sum would round, and 0 times infinity is NaN.
    if position in (0.0, 1.0):
        return dict(end if position else start)
    first_share, second_share = np.float32(1 - position), np.float32(position)
    return {name: first_share * array + second_share * end[name] for name, array in start.items()}
