"""The arguments of training, as in `model.fit` or a loop of the user's: whether they are right."""

import inspect
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.config.arguments import (
    check_whole,
    is_number,
    is_several,
    is_whole,
    refusal,
    shown,
)
from tf_lottery.masking.keras_versions import has_step_of_keras, inner_optimizer, keras_name
from tf_lottery.tickets.fit.callbacks import IterationCallback


def chosen_optimizer(model: Any, optimizer: Any) -> Any:
    """The optimizer of a search: the given one, or that of the compiled model.

    Raises:
      ValueError: if it is none, or there is none.
    """
    if optimizer is None:
        check_one_optimizer(
            model, "give the one that trains what is pruned as optimizer=, and set the others"
        )
    chosen = getattr(model, "optimizer", None) if optimizer is None else optimizer
    if chosen is None:
        raise ValueError(
            "the model is not compiled; call model.compile(...) first, or give the optimizer "
            "of your own loop."
        )
    right = "give an optimizer of Keras, such as Adam(1e-3)"
    if not hasattr(chosen, "apply_gradients") or isinstance(chosen, type):
        raise refusal("optimizer", optimizer, right)
    if keras_name(chosen) not in (None, keras_name(model)):
        raise refusal("optimizer", optimizer, f"the model is of {keras_name(model)}; {right}")
    return chosen


def check_one_optimizer(model: Any, advice: str) -> None:
    """Checks that a model has no optimizers besides the one that it is compiled with.

    Args:
      model: the model.
      advice: what to do with the optimizer that is rewound; the text ends with "the others".

    Raises:
      ValueError: if it has; names them.
    """
    found = {
        name: value
        for name, value in vars(model).items()
        if name == "optimizer" or not name.startswith("_")
        if hasattr(value, "apply_gradients") and not isinstance(value, type)
    }
    if len({id(value) for value in found.values()}) < 2:
        return
    names = ", ".join(f"{name} ({type(value).__name__})" for name, value in found.items())
    raise ValueError(
        f"{model.name} has several optimizers: {names}. A search rewinds one, and the others would "
        f"go on with what they hold from the level before: {advice} back at the start of each "
        "level; or make only the network that is to be pruned prunable, and train it in a loop of "
        "yours with search.run."
    )


def check_same_optimizer(model: Any, rewound: Any) -> None:
    """Checks that `fit` trains with the optimizer that the search rewinds.

    Args:
      model: the model; one with a training step of its own may train with any.
      rewound: the optimizer of the search.

    Raises:
      ValueError: if it trains with another one.
    """
    # Keras may have wrapped the one that was given, to scale losses.
    compiled = inner_optimizer(model.optimizer)
    if has_step_of_keras(model) and compiled is not inner_optimizer(rewound):
        raise ValueError(
            f"fit trains {model.name} with the {type(model.optimizer).__name__} that it was "
            f"compiled with, and this search rewinds another optimizer, {type(rewound).__name__}: "
            "compile the model before the search is made, and give optimizer= only for a training "
            "loop or a train_step of yours."
        )


def check_fit(
    model: Any, x: Any, epochs: Any, callbacks: Any, fit_arguments: Mapping[str, Any]
) -> None:
    """Checks the arguments of `fit` that a search looks at; Keras checks the others.

    Raises:
      ValueError: names the first one that is wrong, its value, and what is right.
    """
    for argument, data in (("x", x), *fit_arguments.items()):
        if argument in ("x", "y", "sample_weight") and _is_no_data(data, argument):
            raise refusal(argument, data, "give the data to train on, as to model.fit")
    check_whole("epochs", epochs, 1, example=10)
    check_verbose(fit_arguments.get("verbose", "auto"))
    if "initial_epoch" in fit_arguments:
        raise ValueError("initial_epoch: the rewind step decides where a level starts.")
    for argument in ("batch_size", "steps_per_epoch", "validation_batch_size", "validation_steps"):
        if fit_arguments.get(argument) is not None:
            check_whole(argument, fit_arguments[argument], 1, example=32)
    _check_validation_freq(fit_arguments.get("validation_freq", 1))
    shuffle = fit_arguments.get("shuffle", True)
    if not isinstance(shuffle, bool | np.bool_) and shuffle not in (0, 1, "batch"):
        raise refusal("shuffle", shuffle, 'use True, False or "batch"')
    split = fit_arguments.get("validation_split")
    if split is not None and split is not False and not (is_number(split) and 0 <= split < 1):
        raise refusal("validation_split", split, "use a fraction in [0, 1), such as 0.2")
    weights = fit_arguments.get("class_weight")
    if weights is not None and not _are_class_weights(weights):
        right = "give a number for each class, such as {0: 1.0, 1: 2.5}"
        raise refusal("class_weight", weights, right)
    data = fit_arguments.get("validation_data")
    parts = data if isinstance(data, tuple) else (data,)
    if any(_is_no_data(part, "validation_data") for part in parts):
        raise refusal("validation_data", data, "give data as to model.fit, such as (x, y)")
    check_level_callbacks("callbacks", callbacks, model)


def _check_validation_freq(given: Any) -> None:
    epochs = given if is_several(given) else [given]
    if not epochs or not all(is_whole(epoch) and epoch >= 1 for epoch in epochs):
        right = "use a number of epochs, such as 1, or a list of the epochs to validate after"
        raise refusal("validation_freq", given, right)


def _are_class_weights(weights: Any) -> bool:
    if not isinstance(weights, Mapping):
        return False
    # NumPy and TensorFlow have arrays without dimensions.
    numbers_ = all(is_number(value) or _is_scalar(value) for value in weights.values())
    return numbers_ and all(is_whole(label) for label in weights)


def _is_scalar(value: Any) -> bool:
    return getattr(value, "shape", None) == () and np.asarray(value).dtype.kind not in "OSU"


def _is_no_data(value: Any, argument: str) -> bool:
    """Whether Keras would find no examples in an argument, and say so in words of its own."""
    if value is None:
        return argument == "x"
    return isinstance(value, str | bytes | numbers.Number) or getattr(value, "shape", None) == ()


def check_level_callbacks(argument: str, callbacks: Any, model: Any = None) -> None:
    """Checks a list of callbacks, or a function from level to one, which is not called yet.

    Raises:
      ValueError: as `check_callbacks`, or if the function does not take the level.
    """
    if isinstance(callbacks, type) or not callable(callbacks):
        check_callbacks(argument, callbacks, model)
    elif not _takes(callbacks, 0):
        right = "it does not take the level; give a function such as lambda level: [...]"
        raise refusal(argument, callbacks, right)


def check_callbacks(argument: str, callbacks: Any, model: Any = None) -> None:
    """Checks a list of callbacks, also one that a function has returned.

    Args:
      argument: where they are from.
      callbacks: what was given.
      model: that they are for, if it is known.

    Raises:
      ValueError: if it is none, or names the first that is no callback of the model's Keras.
    """
    if not is_several(callbacks):
        raise refusal(
            argument, callbacks, "give a list of callbacks, or a function from level to one"
        )
    for one in callbacks:
        if not hasattr(one, "set_model") or isinstance(one, type):
            raise refusal(argument, one, "it is no callback of Keras")
        if isinstance(one, IterationCallback):
            raise refusal(argument, one, "it is a search of its own; give it to model.fit")
        # The other way round they work.
        if (keras_name(one), keras_name(model)) == ("keras", "tf_keras"):
            raise refusal(argument, one, "it is of Keras 3, and the model is of tf_keras")


def check_epoch(steps_per_epoch: int | None) -> None:
    """Checks that an epoch, as far as its length is known, has something to train on.

    Raises:
      ValueError: if it has not.
    """
    if steps_per_epoch == 0:
        raise ValueError("x holds no example to train on; give at least one batch.")


def check_run(train: Any, iterations: Any, verbose: Any) -> None:
    """Checks the arguments of `run`.

    Raises:
      ValueError: names the first one that is wrong, its value, and what is right.
    """
    if not callable(train) or not _takes(train, ()):
        raise refusal("train", train, "give a function that trains, given the steps")
    check_whole("iterations", iterations, 1, example=10_000)
    check_verbose(verbose)


def _takes(function: Any, value: Any) -> bool:
    """Whether a function can be called with a value alone, as far as it says."""
    try:
        inspect.signature(function).bind(value)
    except TypeError:
        return False
    except ValueError:  # Some of Python's own have no signature.
        return True
    return True


def check_verbose(verbose: Any) -> None:
    """Checks what says how much is printed, as in `model.fit`.

    Raises:
      ValueError: if it says nothing.
    """
    if isinstance(verbose, str):
        known = verbose == "auto"
    else:
        number = is_whole(verbose) and 0 <= verbose <= 2
        known = number or isinstance(verbose, bool | np.bool_)
    if not known:
        raise refusal("verbose", verbose, 'use True or False, or 0, 1, 2 or "auto"')


def checked_metrics(metrics: Any) -> dict[str, float]:
    """What a training loop returned, as numbers.

    Raises:
      ValueError: if it is no mapping from names to numbers.
    """
    if metrics is None:
        return {}
    right = 'return a mapping from names to numbers, such as {"accuracy": 0.9}, or nothing'
    if not isinstance(metrics, Mapping):
        raise ValueError(f"the training loop returned {shown(metrics)}: {right}.")
    try:
        return {str(name): float(np.asarray(value)) for name, value in metrics.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"the training loop returned {shown(metrics)}: {right}.") from error
