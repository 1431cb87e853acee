"""How many iterations a call of `model.fit` runs, and where the rewind step lies in it."""

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.config.steps import parse_steps
from tf_lottery.masking.keras_versions import is_keras_3
from tf_lottery.messages import tell


def as_arrays(data: Any) -> Any:
    """Lists of numbers, nested or not, as an array; anything else as it is."""
    if isinstance(data, list | tuple) and data:
        leaves = tf.nest.flatten(data)
        if all(isinstance(leaf, numbers.Real) for leaf in leaves):
            return np.asarray(data)
    return data


def needs_length(rewind_step: str | int) -> bool:
    """Whether the rewind step, "2ep" or "25%", is known only with the length of an epoch."""
    try:
        parse_steps(rewind_step, steps_per_epoch=None, total_steps=None, argument="rewind_step")
    except ValueError:
        return True
    return False


def counted_steps(x: Any, because: str, *, announce: bool) -> int:
    """Counts the batches of a data set of unknown length by going through it once.

    Args:
      x: what is given to `fit` as x; if it is a data set, one with an end.
      because: the argument because of which the length is needed, with its value.
      announce: say so, as it may take long.

    Raises:
      ValueError: if x is something else.
    """
    if not isinstance(x, tf.data.Dataset):
        iterations = "write iterations, such as '500it', or " * because.startswith("rewind_step")
        raise ValueError(
            f"{because} depends on the length of an epoch, which data of type {type(x).__name__} "
            f"do not tell; {iterations}pass "
            "steps_per_epoch, with data that go on for all epochs."
        )
    if announce:
        tell(f"Counting the batches of the data set, as {because} depends on them")
    return sum(1 for _ in x)


def forget_resumed_epoch(model: Any) -> None:
    """Lets the next `fit` begin at its own epoch.

    BackupAndRestore of Keras 3 has every later `fit` begin at the epoch that it resumed once.
    """
    if is_keras_3(model):
        model._initial_epoch = None


def resumed_at(model: Any, steps_per_epoch: int | None, first_epoch: int) -> tuple[int, int]:
    """Epoch and batch at which a running `fit` begins, after a callback may have restored a backup.

    Args:
      model: that is trained.
      steps_per_epoch: iterations in an epoch, where it is known.
      first_epoch: the epoch at which `fit` was told to begin.
    """
    if is_keras_3(model):
        return model._initial_epoch or first_epoch, 0
    if getattr(model, "_training_state", None) is None:
        return first_epoch, 0
    epoch, batch = model._maybe_load_initial_counters_from_ckpt(steps_per_epoch, first_epoch)
    return int(epoch), int(batch)


def check_not_resumed(model: Any, steps_per_epoch: int, first_epoch: int, where: str) -> None:
    """Checks that no callback has restored a backup within a search that is one `fit`.

    Args:
      model: that is trained.
      steps_per_epoch: iterations in an epoch.
      first_epoch: the epoch at which training begins.
      where: what begins.

    Raises:
      ValueError: if one has.
    """
    if resumed_at(model, steps_per_epoch, first_epoch) != (first_epoch, 0):
        raise ValueError(
            f"as {where} began, BackupAndRestore has restored a backup, which does not say which "
            "level of the search it is of. Delete it and leave BackupAndRestore out: with "
            "PruneAndRewind(folder=...) the same script goes on with the level in which it was "
            "interrupted."
        )


def infer_steps_per_epoch(x: Any, fit_arguments: dict[str, Any]) -> int | None:
    """Iterations in an epoch of `model.fit(x, **fit_arguments)`; None where Keras learns it later.

    Args:
      x: what is given to `fit` as x.
      fit_arguments: the other arguments.
    """
    if fit_arguments.get("steps_per_epoch"):
        return int(fit_arguments["steps_per_epoch"])
    if isinstance(x, tf.data.Dataset):
        cardinality = int(x.cardinality())
        return cardinality if cardinality >= 0 else None
    leaves = [leaf for leaf in tf.nest.flatten(x) if hasattr(leaf, "shape")]
    if leaves:
        examples = examples_before_split(leaves, fit_arguments)
        return math.ceil(examples / (fit_arguments.get("batch_size") or 32))
    return len(x) if hasattr(x, "__len__") else None


def examples_before_split(x: Any, fit_arguments: Mapping[str, Any]) -> int:
    """Examples of arrays that `fit` trains on: those before its validation split.

    Args:
      x: arrays.
      fit_arguments: as of `infer_steps_per_epoch`.
    """
    examples = int(tf.nest.flatten(x)[0].shape[0])
    # As Keras computes it: rounding makes the complement's ceiling another number.
    return math.floor(examples * (1.0 - (fit_arguments.get("validation_split") or 0.0)))


def steps_per_execution(model: Any) -> int:
    """Iterations that a compiled model runs between two calls of its callbacks."""
    if is_keras_3(model):
        return int(model.steps_per_execution)
    variable = model._steps_per_execution
    return 1 if variable is None else int(variable.numpy())


def check_before_end(rewind_step: str | int, epochs: int) -> None:
    """Checks a rewind step as far as that can be done before the length of an epoch is known.

    Args:
      rewind_step: as it was given.
      epochs: the argument `epochs_per_level`.

    Raises:
      ValueError: if it is a number of epochs, or a share, that is not before the end of training.
    """
    if not needs_length(rewind_step):
        return
    # So long that no rounding is seen.
    steps = 10**6
    total = epochs * steps
    point = {"steps_per_epoch": steps, "total_steps": total, "argument": "rewind_step"}
    if parse_steps(rewind_step, **point) >= total:
        raise ValueError(
            f"rewind_step={rewind_step!r}: training ends after epochs_per_level={epochs}; rewind "
            "to an earlier point."
        )


def resolve_rewind_step(
    rewind_step: str | int,
    *,
    epochs: int,
    steps_per_epoch: int | None,
    steps_per_execution: int,
) -> int:
    """Turns the rewind step into an iteration at which Keras calls its callbacks.

    Raises:
      ValueError: if it is not before the end of training, cannot be resolved, or falls into the
        middle of one execution of several steps.
    """
    total = None if steps_per_epoch is None else epochs * steps_per_epoch
    step = parse_steps(
        rewind_step, steps_per_epoch=steps_per_epoch, total_steps=total, argument="rewind_step"
    )
    if total is not None and step >= total:
        raise ValueError(
            f"rewind_step={rewind_step!r} is iteration {step}, but training ends at {total} "
            f"({epochs} epochs of {steps_per_epoch}); rewind to an earlier one."
        )
    if steps_per_execution > 1:
        position = step if steps_per_epoch is None else step % steps_per_epoch
        rest = 0 if steps_per_epoch is None or not position else steps_per_epoch - position
        if position % steps_per_execution or rest % steps_per_execution:
            raise ValueError(
                f"rewind_step={rewind_step!r} is iteration {step}, inside one execution of "
                f"steps_per_execution={steps_per_execution} steps; rewind to the start of an "
                "epoch, or compile the model with a number that divides the steps before and after."
            )
    return step
