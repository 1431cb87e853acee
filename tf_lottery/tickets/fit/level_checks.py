"""What is checked where a level of a search ends: whether it has diverged."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tf_lottery.masking.keras_versions import tensorflow_variable
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.prunable import get_mask, masked_variables, starting_counts
from tf_lottery.messages import warn_user
from tf_lottery.training.divergence import (
    TrainingDivergedError,
    bad_data,
    bad_loss,
    first_not_finite,
)
from tf_lottery.training.network import Network, NetworkState


def check_not_pruned(model: Any) -> None:
    """Checks that a prunable model has all the weights that a search of it starts from.

    Raises:
      ValueError: if it is pruned already.
    """
    mask = get_mask(model)
    if mask.remaining < sum(starting_counts(model).values()):
        raise ValueError(
            f"the model is pruned already ({mask}); start from a dense one, or make a plain sparse "
            "one prunable with tf_lottery.prunable(tf_lottery.strip(model), keep_zeros=True)."
        )


def warn_of_frozen(model: Any) -> None:
    """Warns of weights that are pruned though they are not trained."""
    trained = {id(tensorflow_variable(weight)) for weight in model.trainable_variables}
    frozen = [
        name for name, (weight, _) in masked_variables(model).items() if id(weight) not in trained
    ]
    if frozen:
        warn_user(
            f"{', '.join(frozen)}: frozen since the model was made prunable, and pruned all the "
            "same. To leave layers out, freeze them before tf_lottery.prunable(model), or name "
            "them in its exclude.",
        )


def check_initial_weights(network: Network) -> None:
    """Checks that a network is one that can be trained.

    Raises:
      ValueError: if a trained weight is not finite.
    """
    name = first_not_finite(_trained(network))
    if name is not None:
        raise ValueError(
            f"the model's weight {name} is not finite, as after a training that diverged; build "
            "the model anew."
        )


def check_level(
    level: int,
    metrics: Mapping[str, float],
    network: Network,
    first_bad_step: Callable[[], int | None] = lambda: None,
) -> None:
    """Checks losses and weights where a level ends.

    Args:
      level: the level.
      metrics: what is to be recorded of it.
      network: as trained.
      first_bad_step: gives the first iteration, from 1, with a loss that was not finite; None where
        it is unknown.

    Raises:
      TrainingDivergedError: if one is not finite.
    """
    loss, weight = bad_loss(metrics), first_not_finite(_trained(network))
    if loss is None and weight is None:
        return
    step = first_bad_step()
    since = "" if step is None else f", since iteration {step}"
    if loss is not None:
        raise TrainingDivergedError(f"level {level}: the {loss} is {metrics[loss]}{since}")
    hidden = since or ", though the loss is: an activation hides it, as a ReLU may"
    raise TrainingDivergedError(f"level {level}: the weight {weight} is not finite{hidden}")


def checked(state: NetworkState, level: int) -> NetworkState:
    """The state, if it is finite.

    Raises:
      TrainingDivergedError: if it is not.
    """
    name = first_not_finite(state.weights)
    if name is not None and state.step:
        raise TrainingDivergedError(
            f"level {level}: the weight {name} is not finite at iteration {state.step}"
        )
    return state


@contextmanager
def naming_bad_data(
    fit_arguments: Mapping[str, Any], batches: int | None, level: int
) -> Iterator[None]:
    """Has a TrainingDivergedError of the block name the bad data, if there are any.

    Args:
      fit_arguments: of `model.fit`, x and y among them.
      batches: in an epoch; None if unknown.
      level: that is trained.
    """
    try:
        yield
    except TrainingDivergedError as error:
        # Only now: reading all examples takes time.
        found = bad_data(fit_arguments, batches)
        none = "No example was found that is not finite; try a lower learning rate"
        advice = f"{found or none}."
        kept = " Earlier levels are kept." if level else ""
        raise TrainingDivergedError(f"{error}. {advice}{kept}") from error


def _trained(network: Network) -> dict[str, np.ndarray]:
    """What training changes; constants of a model's own may be infinite."""
    variables, values = model_variables(network.model), network.weights()
    return {
        name: value
        for name, value in values.items()
        if variables[name].trainable or "moving_" in name
    }
