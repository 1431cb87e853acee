"""How many weights can be pruned at once: what the curvature predicts, and what is so."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np

from tf_lottery.landscape.spectrum import Spectrum
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.ranking import keep_highest

Order = Literal["magnitude", "random"]

Retrain = Callable[[Weights, Mask, float], bool]

_RESOLUTION = 1000


def angular_dimension(spectrum: Spectrum, loss_rise: float, distance: float) -> float:
    """Dimension of a sublevel set of the loss, as seen from a distance to its minimum.

    The sum of r_i^2 / (R^2 + r_i^2) over the eigenvalues, with the radii r_i = sqrt(2 eps /
    lambda_i) of the ellipsoid in which a quadratic loss rises by at most eps (arXiv 2210.03044,
    section 3.3, after arXiv 2107.05802, section 3). Along eigenvalues that are not positive the
    loss does not rise: they count 1.

    Args:
      spectrum: of the Hessian at the minimum.
      loss_rise: eps, positive.
      distance: R, the norm of the step away from the minimum.

    Returns:
      Number of dimensions, from 0 to `spectrum.dimension`; NaN if the spectrum is not finite.

    Raises:
      ValueError: if `loss_rise` is not positive or `distance` is negative.
    """
    if not loss_rise > 0 or not distance >= 0:
        raise ValueError(
            f"loss_rise={loss_rise} must be positive and distance={distance} at least 0."
        )
    rises = np.maximum(spectrum.eigenvalues, 0) * distance**2 / (2 * loss_rise)
    return float(spectrum.dimension * np.sum(spectrum.fractions / (1 + rises)))


def predicted_pruning_ratio(
    spectrum: Spectrum, weights: np.ndarray, loss_rise: float, order: Order = "magnitude"
) -> float:
    """The largest fraction of weights that the curvature lets be pruned at once.

    The weights in which a fraction p of the D coordinates is 0 are a subspace, at the distance R(p)
    of the solution by which pruning moves it. Counting dimensions, it meets the sublevel set if the
    angular dimension seen from R(p) is at least p D (arXiv 2210.03044, section 3.3).

    Counting treats the subspace as one of random direction through the pruned solution. In truth
    no other point of the subspace is as near to the solution as the pruned one. So the count is an
    estimate, not a bound, even if the loss is quadratic: too high for random weights, and mostly
    too low for the smallest.

    Args:
      spectrum: of the Hessian by the weights that remain.
      weights: those D weights of the solution, in any order.
      loss_rise: by how much the loss may rise above that of the solution.
      order: "magnitude": the smallest weights go first; "random": R(p)^2 is p times the squared
        norm of all weights.

    Returns:
      Fraction of the D weights, a multiple of 1 / D; NaN if the spectrum or a weight is not finite.

    Raises:
      ValueError: if there are not D weights, or another argument does not fit.
    """
    _check_order(order)
    if np.shape(weights) != (spectrum.dimension,):
        raise ValueError(
            f"weights have the shape {np.shape(weights)}, but the spectrum has the dimension "
            f"{spectrum.dimension}."
        )
    squares = np.sort(np.square(weights, dtype=np.float64))
    if order == "random":
        squares = np.full(squares.shape, squares.mean())
    distances = np.sqrt(np.cumsum(squares))
    if not np.isfinite(distances[-1]) or not np.isfinite(spectrum.eigenvalues).all():
        return float("nan")

    def misses(pruned: int) -> bool:
        dimensions = angular_dimension(spectrum, loss_rise, float(distances[pruned - 1]))
        # The fractions of a spectrum sum to 1 only up to rounding.
        return dimensions < pruned * (1 - 1e-9)

    total = spectrum.dimension
    return bisect_left(range(1, total + 1), True, key=misses) / total


def measured_pruning_ratio(
    loss_at: Callable[[Weights], float],
    weights: Weights,
    mask: Mask,
    loss_rise: float,
    order: Order = "magnitude",
    random: np.random.Generator | None = None,
    *,
    retrain: Retrain | None = None,
) -> float:
    """A largest fraction of weights whose pruning keeps the loss, found by bisection.

    Without retraining, the weights that remain stay where they are. What arXiv 2210.03044 (section
    3.3) predicts from the curvature is another fraction: whether any weights of the pruned network
    keep the loss, the others being free to move. Retraining looks for such weights, so the fraction
    that it finds is at most that one, up to the noise of training.

    The loss need not rise with each weight pruned: what is returned keeps it, and a thousandth more
    of the weights does not, but some larger fraction might again.

    Args:
      loss_at: the loss at weights; one that is not finite counts as too high.
      weights: all weights of the solution by name.
      mask: the weights that remain in it.
      loss_rise: by how much the loss may rise above that of the solution, at least 0.
      order: which weights of the whole network go first, the smallest or random ones.
      random: draws the random order; only for that.
      retrain: a function (weights, mask, limit) that says whether training of the pruned network
        brings the loss down to a limit. None: it is not trained.

    Returns:
      Fraction of the remaining weights; NaN if the loss of the solution is not finite.

    Raises:
      ValueError: if `loss_rise` is negative, no weight remains, or the order does not fit.
    """
    if not loss_rise >= 0:
        raise ValueError(f"loss_rise={loss_rise} must be at least 0.")
    if not mask.remaining:
        raise ValueError(f"{mask!r} leaves nothing to prune.")
    limit = loss_at(mask.apply(weights)) + loss_rise
    if not np.isfinite(limit):
        return float("nan")
    scores = pruning_scores(weights, mask, order, random)

    def exceeds(pruned: int) -> bool:
        kept = one_shot_mask(scores, mask, pruned)
        start = kept.apply(weights)
        if loss_at(start) <= limit:
            return False
        return retrain is None or not retrain(start, kept, limit)

    total = mask.remaining
    counts = np.unique(np.rint(np.linspace(0, total, _RESOLUTION + 1)).astype(int)).tolist()
    return counts[bisect_left(counts, True, lo=1, key=exceeds) - 1] / total


def pruning_scores(
    weights: Weights, mask: Mask, order: Order, random: np.random.Generator | None = None
) -> dict[str, np.ndarray]:
    """Scores by which weights are pruned, the lowest first; see `measured_pruning_ratio`.

    Raises:
      ValueError: if the order is not known, or is random and there are no random numbers.
    """
    _check_order(order)
    if order == "magnitude":
        return {name: np.abs(weights[name]) for name in mask}
    if random is None:
        raise ValueError("order='random' needs `random`, a NumPy generator.")
    return {name: random.random(array.shape) for name, array in mask.items()}


def one_shot_mask(scores: Mapping[str, np.ndarray], mask: Mask, pruned: int) -> Mask:
    """Prunes a number of the remaining weights at once.

    Args:
      scores: weight name to scores, of which the lowest are pruned.
      mask: the weights that remain so far.
      pruned: number of them to prune.

    Returns:
      The weights that remain then. The solution minus this mask's part of it is the direction in
      which pruning moves, of which `sharpness` tells how fast the loss rises.
    """
    kept = keep_highest(
        [scores[name] for name in mask], list(mask.values()), mask.remaining - pruned
    )
    return Mask(dict(zip(mask, kept, strict=True)))


def sharpness(product: Callable[[np.ndarray], np.ndarray], direction: np.ndarray) -> float:
    """Curvature of the loss along a direction d: d^T H d / |d|^2.

    Along what pruning removes, it tells how fast the loss rises there, where arXiv 2210.03044
    (section 3.3) reckons with an average direction.

    Args:
      product: multiplies the Hessian and a vector.
      direction: d, not 0.

    Raises:
      ValueError: if the direction is 0.
    """
    unit = np.asarray(direction, np.float64)
    norm = np.linalg.norm(unit)
    if norm == 0:
        raise ValueError("direction is 0: nothing was pruned, or only weights that are 0.")
    return float(np.dot(unit / norm, product(unit / norm)))


def _check_order(order: str) -> None:
    if order not in get_args(Order):
        raise ValueError(f"order={order!r} must be one of {', '.join(get_args(Order))}.")
