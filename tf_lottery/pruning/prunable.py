"""Makes Keras models prunable, and reads and writes their masks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from tf_lottery.arguments import refusal
from tf_lottery.pruning.copies import (
    freeze_alike,
    plain_copy,
    refresh_constants,
    wrapped_copy,
)
from tf_lottery.pruning.keras_versions import (
    is_copied_as_it_is,
    is_graph,
    tensorflow_variable,
)
from tf_lottery.pruning.kernels import KernelNames, can_be_wrapped, find_kernels, goes_by
from tf_lottery.pruning.layers import keras_variables, leaf_layers
from tf_lottery.pruning.mask_constraint import (
    MaskConstraint,
    hold_mask,
    mask_constraint,
    release_mask,
)
from tf_lottery.pruning.masks import Mask
from tf_lottery.pruning.prunable_checks import (
    check_is_model,
    check_model,
    check_names,
    check_options,
    check_something_is_left,
    check_unknown,
)
from tf_lottery.pruning.schedule import IMPSchedule
from tf_lottery.pruning.wrapper import MaskedLayer


def prunable(
    model: Any,
    *,
    exclude: Iterable[str] = (),
    pruning_rates: Mapping[str, float] | None = None,
    kernels: KernelNames | None = None,
    allow_unknown: bool = False,
) -> Any:
    """Gives every kernel of a model a mask of ones.

    Sequential and functional models are copied: the copy has the weights of `model`, computes the
    same function and has yet to be compiled. A model that Keras cannot copy, because it is
    subclassed or its class has a constructor, is made prunable in place and returned; compile it
    afterwards.

    Kernels are those of Dense, EinsumDense, convolution and recurrent layers, of attention layers,
    which consist of such layers, and the tables of embeddings, wherever in the model they are. If
    all of them are Dense and convolution layers of a tf_keras graph, tfmot's wrapper holds the
    masks. Otherwise constraints of the weights do, and no layer is wrapped; `model.save` does then
    not save the masks: save `get_mask(model)` beside the weights.

    Call it in the scope of the distribution strategy that will train the model.

    Args:
      model: a built model of tf_keras, or of Keras 3 with the TensorFlow backend.
      exclude: names of layers, or of single weights, to leave without masks, and so unpruned.
      pruning_rates: layer or weight name to its own pruning rate in [0, 1), where that differs from
        the rate of the search: the papers prune the output layer at half the rate.
      kernels: the kernels of layers of your own, by class or name of the layer: names of the
        attributes that hold them. Layers with a method `get_prunable_weights` say it themselves.
      allow_unknown: go on if layers of your own have weight matrices of which nobody said whether
        they are kernels, and leave those dense.

    Returns:
      A model of the same kind.

    Raises:
      ValueError: if the model is not such a model, a name is not that of a prunable layer, there is
        nothing to prune, or there are unknown weights that are not allowed.
    """
    check_model(model)
    check_options(exclude, pruning_rates, kernels, allow_unknown)
    search = find_kernels(model, kernels)
    excluded, rates = set(exclude), dict(pruning_rates or {})
    check_names("exclude", excluded, [kernel.name for kernel in search.kernels] + [*search.unknown])
    check_names("pruning_rates", rates, [kernel.name for kernel in search.kernels])
    search = search.without(excluded)
    if not allow_unknown:
        check_unknown(model, search, search.kernels)
    check_something_is_left(model, search.kernels)
    rate_of = {kernel.name: _own_rate(kernel.name, rates) for kernel in search.kernels}
    if can_be_wrapped(model, search.kernels):
        return wrapped_copy(model, {id(k.layer): rate_of[k.name] for k in search.kernels})
    held = plain_copy(model) if is_copied_as_it_is(model) else model
    _hold_masks(held, rate_of)
    # What a model in place has compiled before would not mask.
    held.train_function = None
    return held


def prunable_copy(model: Any) -> Any:
    """Copies a prunable model: weights and masks of its own, with the values that they have now.

    Args:
      model: a model made by `prunable`, which made a copy then too.

    Returns:
      A model of the same kind, not compiled.

    Raises:
      ValueError: if Keras cannot copy it, or not without losing what its class does.
    """
    if not is_copied_as_it_is(model):
        kind = "its class has a constructor" if is_graph(model) else "it is a subclassed model"
        raise ValueError(f"Keras cannot copy {model.name}: {kind}.")
    with model.distribute_strategy.scope():
        wrappers = [layer for _, layer in leaf_layers(model) if isinstance(layer, MaskedLayer)]
        if wrappers:
            copy = wrapped_copy(model, {id(layer): layer.pruning_rate for layer in wrappers})
            refresh_constants(copy)
        else:
            copy = plain_copy(model)
            _hold_masks(copy, own_pruning_rates(model))
        freeze_alike(model, copy)
        set_mask(copy, get_mask(model))
    return copy


def strip(model: Any) -> Any:
    """Copies a prunable model without its masks: plain Keras layers with sparse weights.

    One of several workers may call it alone; normalization statistics are then the mean of that
    worker's replicas.

    Args:
      model: a model made by `prunable`.

    Returns:
      A model that neither tf_lottery nor tfmot is needed to load: of a graph a copy, as Keras
      copies it; a subclassed model itself, which is no longer prunable.
    """
    # Keras masks every step, but not the averages of weights that an optimizer with use_ema assigns
    # when training ends.
    set_mask(model, get_mask(model))
    if is_graph(model):
        return plain_copy(model)
    for variable in keras_variables(model).values():
        release_mask(variable)
    return model


def masked_variables(model: Any) -> dict[str, tuple[tf.Variable, tf.Variable]]:
    """Weight and mask variable of every weight that has a mask, by the names of the weights."""
    return {
        name: (tensorflow_variable(variable), constraint.mask)
        for name, variable, constraint in _constrained(model)
    }


def own_pruning_rates(model: Any) -> dict[str, float | None]:
    """Pruning rate of every weight that has a mask; None for those without one of their own."""
    return {name: constraint.pruning_rate for name, _, constraint in _constrained(model)}


def get_mask(model: Any) -> Mask:
    """The mask that a prunable model holds.

    Raises:
      ValueError: if it is no model.
    """
    check_is_model(model)
    return Mask({name: mask.numpy() != 0 for name, (_, mask) in masked_variables(model).items()})


def set_mask(model: Any, mask: Mask) -> None:
    """Sets the masks of a prunable model and its pruned weights to 0.0.

    Raises:
      ValueError: if the mask does not fit the model, or it is none.
    """
    check_is_model(model)
    if not isinstance(mask, Mask):
        raise refusal("mask", mask, "give a tf_lottery.Mask of boolean arrays")
    variables = masked_variables(model)
    if set(mask) != set(variables):
        raise ValueError(
            f"the mask is of {sorted(mask)}, but the prunable weights are {sorted(variables)}."
        )
    for name, array in mask.items():
        shape = tuple(variables[name][0].shape)
        if array.shape != shape:
            raise ValueError(
                f"{name} has shape {shape} in the model, but {array.shape} in the mask."
            )
    for name, array in mask.items():
        weight, variable = variables[name]
        # On the device: only the mask travels to it, and no weight back and forth.
        alive = tf.convert_to_tensor(array)
        weight.assign(tf.where(alive, weight, tf.zeros([], weight.dtype)))
        variable.assign(tf.cast(alive, variable.dtype))


def _own_rate(name: str, rates: Mapping[str, float]) -> float | None:
    """The rate given for a weight; of several that fit, that of the longest name."""
    fitting = [given for given in rates if goes_by(given, name)]
    if not fitting:
        return None
    return IMPSchedule(rates[max(fitting, key=len)]).pruning_rate


def _hold_masks(model: Any, pruning_rates: Mapping[str, float | None]) -> None:
    """Gives the weights that have these names masks of ones, and their own pruning rates."""
    with model.distribute_strategy.scope():
        for name, variable in keras_variables(model).items():
            if name in pruning_rates:
                hold_mask(variable, pruning_rates[name])


def _constrained(model: Any) -> Iterator[tuple[str, Any, MaskConstraint]]:
    for name, variable in keras_variables(model).items():
        constraint = mask_constraint(variable)
        if constraint is not None:
            yield name, variable, constraint
