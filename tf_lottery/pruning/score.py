"""Scores: functions (weights, mask, evidence) -> an array per weight; the highest remain."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from tf_lottery.config.arguments import shown
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.score_code import code_of
from tf_lottery.registry import Registry, likely_names
from tf_lottery.users_code import plugin_faults_named

Scores = Mapping[str, np.ndarray]


class Evidence(Protocol):
    """What a score may look at besides the weights and the mask that it is given.

    Derivatives are by the masked weights alone; weights that the mask prunes are 0 where they are
    taken. They come as arrays of the weights' shapes.
    """

    @property
    def rewind_weights(self) -> Weights:
        """All weights of the network at the rewind step."""
        ...

    def random(self) -> np.random.Generator:
        """Random numbers that depend on the experiment and the level alone."""
        ...

    def loss(self, weights: Weights, mask: Mask) -> float:
        """Mean loss of all scoring batches."""
        ...

    def loss_gradients(self, weights: Weights, mask: Mask) -> Iterator[dict[str, np.ndarray]]:
        """Gradient of the mean loss of each scoring batch."""
        ...

    def gradient_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """Hessian of the loss times its gradient."""
        ...

    def synaptic_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """Gradient, by absolute weights, of what a linear network of them makes of ones."""
        ...


Score = Callable[[Weights, Mask, Evidence], Scores]
AnyScore = TypeVar("AnyScore", bound=Score)


@dataclass(frozen=True)
class Method:
    """A score and how it is used.

    Attributes:
      score: gives the scores of the masked weights.
      rounds: how often weights are scored, and some of them pruned, on the way to a level.
      needs_data: whether the score looks at gradients of the loss.
      ranks_all_together: whether its authors rank the weights of all layers together.
      code: of a plug-in's score, from `code_of`; None of the package's own.
    """

    score: Score
    rounds: int = 1
    needs_data: bool = False
    ranks_all_together: bool = False
    code: Mapping[str, str] | None = field(default=None, compare=False)


SCORES: Registry[Method] = Registry("score", "--score", "tf_lottery.pruning.scores")


def register_score(
    *, rounds: int = 1, needs_data: bool = False, ranks_all_together: bool = False
) -> Callable[[AnyScore], AnyScore]:
    """Registers a function (weights, mask, evidence) -> scores under its name, for `--score`.

    ```python
    @register_score()
    def squares(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
        return {name: weights[name] ** 2 for name in mask}
    ```

    Args:
      rounds: as in `Method`.
      needs_data: as in `Method`.
      ranks_all_together: as in `Method`.

    Returns:
      The decorator.
    """

    def add(score: AnyScore) -> AnyScore:
        ours = _is_ours(score)
        named = plugin_faults_named(f"--score={score.__name__}", score.__module__)
        own = score if ours else _checking(named(score), "--score")
        code = None if ours else code_of(score)
        method = Method(own, rounds, needs_data, ranks_all_together, code)
        SCORES.add(score.__name__, method, score.__module__)
        return score

    return add


def known_methods() -> Mapping[str, Method]:
    """All methods by the names of their scores."""
    return SCORES.all()


def find_method(score: str | Score, argument: str = "--score") -> Method:
    """Finds the method of a score.

    Args:
      score: the name of a registered one, or a function of your own (weights, mask, evidence) ->
        scores, which is called once a level.
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
    known = known_methods()
    if not isinstance(score, str) or score not in known:
        close = likely_names(str(score).lower(), known)
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(
            f"{argument}={score} is not a known score.{meant} Use {', '.join(known)}"
            + ("." if argument.startswith("--") else ", or a function of yours.")
        )
    return known[score]


def _is_ours(score: Score) -> bool:
    """Whether the package defines a score, which then needs no checks of what it returns."""
    return (score.__module__ or "").startswith("tf_lottery.")


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
            _refuse_nan(f"{argument}={name}", weight, own, array, weights)
        return found

    return checked


def _refuse_nan(
    score: str, weight: str, own: np.ndarray, mask: np.ndarray, weights: Weights
) -> None:
    """Refuses NaN of weights that remain, unless the network itself has diverged."""
    count = int(np.count_nonzero(np.isnan(own) & mask))
    if count and all(np.isfinite(array).all() for array in weights.values()):
        raise ValueError(
            f"{score} returned NaN for {count} of the {int(np.count_nonzero(mask))} remaining "
            f"weights of {weight}: return a number for each, such as 0 for those to prune first."
        )
