"""Scores: functions (weights, mask, evidence) -> an array per weight; the highest remain."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tf_lottery.config.arguments import shown
from tf_lottery.masking.masks import Mask

Weights = Mapping[str, np.ndarray]
Scores = dict[str, np.ndarray]


class Evidence(Protocol):
    """What a score may look at besides the weights and the mask that it is given.

    Derivatives are by the masked weights alone; weights that the mask prunes are 0 where they are
    taken. They come as arrays of the weights' shapes.
    """

    @property
    def rewind_weights(self) -> Weights:
        """All weights of the network at the rewind step."""

    def random(self) -> np.random.Generator:
        """Random numbers that depend on the experiment and the level alone."""

    def loss(self, weights: Weights, mask: Mask) -> float:
        """Mean loss of all scoring batches."""

    def loss_gradients(self, weights: Weights, mask: Mask) -> Iterator[dict[str, np.ndarray]]:
        """Gradient of the mean loss of each scoring batch."""

    def gradient_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """Hessian of the loss times its gradient."""

    def synaptic_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """Gradient, by absolute weights, of what a linear network of them makes of ones."""


Score = Callable[[Weights, Mask, Evidence], Scores]


@dataclass(frozen=True)
class Method:
    """A score and how it is used.

    Attributes:
      score: gives the scores of the masked weights.
      rounds: how often weights are scored, and some of them pruned, on the way to a level.
      needs_data: whether the score looks at gradients of the loss.
      ranks_all_together: whether its authors rank the weights of all layers together.
    """

    score: Score
    rounds: int = 1
    needs_data: bool = False
    ranks_all_together: bool = False


def magnitude(weights: Weights, mask: Mask, evidence: Evidence | None = None) -> Scores:
    """Absolute values of the weights, |w|.

    Args:
      weights: weight name to array; may hold more than the masked weights.
      mask: the current mask, which names the weights to score.
      evidence: not looked at.

    Returns:
      Score of each masked weight, arrays of the weights' shapes.
    """
    return {name: np.abs(weights[name]) for name in mask}


def random(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Random numbers, whatever the weights are; arguments and result as of `magnitude`."""
    generator = evidence.random()
    return {name: generator.random(array.shape) for name, array in mask.items()}


def magnitude_at_rewind(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Absolute values |w_k| at the rewind step ("large init", arXiv 1905.01067, section 2)."""
    return magnitude(evidence.rewind_weights, mask)


def movement(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Distance |w - w_k| from the rewind step ("movement", arXiv 1905.01067, section 2)."""
    start = evidence.rewind_weights
    return {name: np.abs(weights[name] - start[name]) for name in mask}


def snip(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Connection sensitivity |w dL/dw| (arXiv 1810.02340, section 4.1), L the mean loss.

    The paper divides it by its sum, which does not change the order.
    """
    total = dict.fromkeys(mask, 0.0)
    for gradients in evidence.loss_gradients(weights, mask):
        for name in mask:
            total[name] = total[name] + gradients[name]
    return {name: np.abs(weights[name] * total[name]) for name in mask}


def grasp(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Preserved gradient flow w * Hg (arXiv 2002.07376, section 4, equation 8).

    Half of what the squared norm of the gradient g loses without the weight, to the first order, H
    being the Hessian. The paper removes the weights of highest -w * Hg, whose removal leaves or
    makes the norm largest.
    """
    flow = evidence.gradient_flow(weights, mask)
    return {name: weights[name] * flow[name] for name in mask}


def synflow(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Synaptic flow |w| dR/d|w| (arXiv 2006.05467, section 6), without data."""
    flow = evidence.synaptic_flow(weights, mask)
    return {name: np.abs(weights[name]) * flow[name] for name in mask}


def taylor(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Mean over the batches of (w dL/dw)^2 (arXiv 1906.10771, section 3.1, equation 8).

    The square of what the loss of a batch changes without the weight, to the first order.
    """
    total, batches = dict.fromkeys(mask, 0.0), 0
    for gradients in evidence.loss_gradients(weights, mask):
        batches += 1
        for name in mask:
            total[name] = total[name] + (weights[name] * gradients[name]) ** 2
    return {name: total[name] / batches for name in mask}


METHODS: dict[str, Method] = {
    "magnitude": Method(magnitude),
    "random": Method(random),
    "magnitude_at_rewind": Method(magnitude_at_rewind),
    "movement": Method(movement),
    "taylor": Method(taylor, needs_data=True),
    "snip": Method(snip, needs_data=True, ranks_all_together=True),
    "grasp": Method(grasp, needs_data=True, ranks_all_together=True),
    # As many as the paper's, with which no layer collapses.
    "synflow": Method(synflow, rounds=100, ranks_all_together=True),
}


def find_method(score: str | Score, argument: str = "--score") -> Method:
    """Finds the method of a score.

    Args:
      score: a name in `METHODS`, or a function of your own (weights, mask, evidence) -> scores,
        which is called once a level.
      argument: what the user calls it.

    Raises:
      ValueError: if there is no such name, or the function takes other arguments.
    """
    if callable(score):
        try:
            inspect.signature(score).bind({}, {}, None)
        except TypeError as error:
            raise ValueError(
                f"{argument}={score}: a score is a function (weights, mask, evidence) -> scores, "
                f"but this one cannot be called so: {error}."
            ) from error
        return Method(_checking(score, argument))
    if not isinstance(score, str) or score not in METHODS:
        raise ValueError(
            f"{argument}={score} is not a known score: use {', '.join(METHODS)}"
            + ("." if argument.startswith("--") else ", or a function of yours.")
        )
    return METHODS[score]


def _checking(score: Score, argument: str) -> Score:
    """A score of the user's that says what is wrong with what it returns."""
    name = getattr(score, "__name__", type(score).__name__)

    def checked(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
        scores = score(weights, mask, evidence)
        if not isinstance(scores, Mapping):
            raise ValueError(
                f"{argument}={name} returned {shown(scores)}: return a mapping with an array of "
                f"scores for each of {', '.join(mask)}."
            )
        found = {}
        for weight, array in mask.items():
            if weight not in scores:
                raise ValueError(
                    f"{argument}={name} returned no scores of {weight}: return an array for each "
                    f"of {', '.join(mask)}."
                )
            found[weight] = own = np.asarray(scores[weight])
            number = np.issubdtype(own.dtype, np.number) or own.dtype == np.bool_
            if own.shape != array.shape or not number or np.iscomplexobj(own):
                raise ValueError(
                    f"{argument}={name} returned scores of {weight} of shape {own.shape} and type "
                    f"{own.dtype}: return real numbers of shape {array.shape}."
                )
        return found

    return checked
