"""Makes Keras models prunable, and reads and writes their masks."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.config.arguments import refusal
from tf_lottery.masking.copies import (
    freeze_alike,
    holds_weights_elsewhere,
    plain_copy,
    refresh_constants,
    why_not_copied,
    wrapped_copy,
)
from tf_lottery.masking.keras_versions import is_graph, tensorflow_variable
from tf_lottery.masking.kernels import (
    KernelNames,
    KernelSearch,
    can_be_wrapped,
    find_kernels,
    goes_by,
)
from tf_lottery.masking.layers import keras_variables, leaf_layers
from tf_lottery.masking.mask_constraint import (
    MaskConstraint,
    hold_mask,
    release_mask,
)
from tf_lottery.masking.mask_records import held_masks
from tf_lottery.masking.masked_graph import fit_with_masks, forget_masks, save_masks_with
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable_checks import (
    check_is_model,
    check_layers_exist,
    check_model,
    check_not_excluded,
    check_nothing_is_empty,
    check_prunable_arguments,
    check_same_weights,
    check_something_is_left,
    check_unknown,
)
from tf_lottery.masking.used_weights import weights_used_directly
from tf_lottery.masking.wrapper import MaskedLayer
from tf_lottery.messages import tell


def prunable(
    model: Any,
    *,
    exclude: Iterable[str] = (),
    pruning_rates: Mapping[str, float] | None = None,
    kernels: KernelNames | None = None,
    allow_unknown: bool = False,
    keep_zeros: bool = False,
) -> Any:
    """Gives every kernel of a model a mask of ones.

    Sequential and functional models are copied: the copy has the weights, names and attributes of
    `model`, computes the same function and has yet to be compiled. A model that Keras cannot copy,
    because it is subclassed, its class has a constructor or several of its layers share weights, is
    made prunable in place and returned; compile it afterwards.

    Kernels are those of Dense, EinsumDense, convolution and recurrent layers, of attention layers,
    which consist of such layers, and the tables of embeddings, wherever in the model they are. If
    all of them are Dense and convolution layers of a tf_keras graph, tfmot's wrapper holds the
    masks. Otherwise constraints of the weights do, and no layer is wrapped. `model.save` saves the
    masks of graphs, and Keras loads them where tf_lottery is imported; models of your own classes
    warn when they are saved without: save `get_mask(model)` beside them. `save_weights` saves the
    masks of all models in HDF5 files, such as "ticket.weights.h5", and a prunable model loads them;
    TensorFlow's checkpoints have them only where tfmot's wrapper does, and warn otherwise.

    Kernels of frozen layers are left out, with a warning that names them.

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
      keep_zeros: for a model that is sparse already: its weights that are 0.0 are pruned from the
        start, and a search goes on from there. Layers with a pruning rate lose that fraction of the
        weights that they have.

    Returns:
      A model of the same kind.

    Raises:
      ValueError: if the model is not such a model, or one that tfmot has wrapped; a name is not
        that of a prunable layer; a rate or kernel is of what is excluded; there is nothing to
        prune, or with `keep_zeros` a kernel has no weight left; or there are unknown weights that
        are not allowed.
    """
    check_model(model)
    check_prunable_arguments(exclude, pruning_rates, kernels, allow_unknown, keep_zeros)
    search = find_kernels(model, kernels)
    excluded, rates = set(exclude), dict(pruning_rates or {})
    names = [kernel.name for kernel in search.kernels]
    check_layers_exist("exclude", excluded, [*names, *search.unknown])
    check_layers_exist("pruning_rates", rates, names)
    weights = {rate: [name for name in names if goes_by(rate, name)] for rate in rates}
    check_not_excluded("pruning_rates", rates, weights, excluded)
    check_not_excluded("kernels", kernels or {}, search.named, excluded)
    search = search.without(excluded)
    if not allow_unknown:
        check_unknown(model, search, search.kernels)
    trained = search.trained(model)
    check_something_is_left(model, search.kernels, trained.kernels)
    _warn_of_frozen(search, trained)
    rate_of = {kernel.name: _own_rate(kernel.name, rates) for kernel in trained.kernels}
    if why_not_copied(model) is not None:
        held = model
        _hold_masks(held, rate_of)
    elif can_be_wrapped(model, trained.kernels):
        held = wrapped_copy(model, {id(k.layer): rate_of[k.name] for k in trained.kernels})
        fit_with_masks(held)
        freeze_alike(model, held)
    else:
        held = plain_copy(model)
        _hold_masks(held, rate_of)
        freeze_alike(model, held)
    check_same_weights(model, held)
    # What a model in place has compiled before would not mask.
    held.train_function = None
    for _, _, constraint in _constrained(held):
        constraint.zeros_known = 0
    if keep_zeros:
        _keep_zeros(held)
    return held


def prunable_copy(model: Any) -> Any:
    """Copies a prunable model: weights and masks of its own, with the values that they have now.

    Args:
      model: a model made by `prunable`, which made a copy then too.

    Returns:
      A model of the same kind, not compiled.

    Raises:
      ValueError: if Keras cannot copy it, or not without losing what its class does, or the copy
        has other weights.
    """
    if reason := why_not_copied(model):
        raise ValueError(f"Keras cannot copy {model.name}: {reason}.")
    with model.distribute_strategy.scope():
        wrappers = [layer for _, layer in leaf_layers(model) if isinstance(layer, MaskedLayer)]
        if wrappers:
            copy = wrapped_copy(model, {id(layer): layer.pruning_rate for layer in wrappers})
            refresh_constants(copy)
            fit_with_masks(copy)
        else:
            copy = plain_copy(model)
            _hold_masks(copy, own_pruning_rates(model))
        freeze_alike(model, copy)
        check_same_weights(model, copy)
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
      copies it; a subclassed model, or one whose layers share weights, itself, which is no longer
      prunable. It then says so.

    Raises:
      ValueError: if it is no model, or its copy lacks weights that it has or has some twice.
    """
    check_is_model(model)
    zero_pruned(model)
    if is_graph(model) and not holds_weights_elsewhere(model):
        plain = plain_copy(model)
        freeze_alike(model, plain)
        check_same_weights(model, plain)
        return plain
    for variable in keras_variables(model).values():
        release_mask(variable)
    forget_masks(model)
    tell(
        f"strip: {model.name} is no copy but the model itself, as {why_not_copied(model)}. It has "
        "no masks any more: trained on, its pruned weights would grow, and no search can restore a "
        "level into it. To go on with it, call tf_lottery.prunable(model, keep_zeros=True)."
    )
    return model


def without_masks(model: Any) -> Any:
    """Copies a Sequential or functional model as one that computes the same, to be written.

    Other than `strip`, it never changes what the model is: weights that its layers share are
    several in the copy. A model that uses weights without calling their layers is returned itself,
    as its copy would use the weights of the original.
    """
    zero_pruned(model)
    return model if weights_used_directly(model) else plain_copy(model)


def zero_pruned(model: Any) -> None:
    """Sets the pruned weights of a model to 0.0, if it has masks.

    Keras masks every step, but not the averages of weights that an optimizer with use_ema assigns
    when training ends.
    """
    if masked_variables(model):
        set_mask(model, get_mask(model))


def masked_variables(model: Any) -> dict[str, tuple[tf.Variable, tf.Variable]]:
    """Weight and mask variable of every weight that has a mask, by the names of the weights."""
    return {
        name: (tensorflow_variable(variable), constraint.mask)
        for name, variable, constraint in _constrained(model)
    }


def own_pruning_rates(model: Any) -> dict[str, float | None]:
    """Pruning rate of every weight that has a mask; None for those without one of their own."""
    return {name: constraint.pruning_rate for name, _, constraint in _constrained(model)}


def starting_counts(model: Any) -> dict[str, int]:
    """Number of weights that a search of a prunable model starts from, by the names of the weights.

    They are all weights, but for those that `prunable` found to be zero and kept so.
    """
    return {
        name: math.prod(constraint.mask.shape) if constraint.kept is None else constraint.kept
        for name, _, constraint in _constrained(model)
    }


def get_mask(model: Any) -> Mask:
    """The mask that a prunable model holds.

    Raises:
      ValueError: if it is no model, or has no masks.
    """
    variables = _variables_with_masks(model)
    return Mask.of_new({name: mask.numpy() != 0 for name, (_, mask) in variables.items()})


def _variables_with_masks(model: Any) -> dict[str, tuple[tf.Variable, tf.Variable]]:
    check_is_model(model)
    variables = masked_variables(model)
    if not variables:
        raise ValueError(
            f"{model.name} has no masks: make it prunable with tf_lottery.prunable(model). A model "
            "that was saved has its masks only where Keras saves them with it, and strip removes "
            "them; set_mask gives a prunable model those of Mask.save, and "
            "prunable(model, keep_zeros=True) those that its zeros show."
        )
    return variables


def set_mask(model: Any, mask: Mask) -> None:
    """Sets the masks of a prunable model and its pruned weights to 0.0.

    Raises:
      ValueError: if the mask does not fit the model, or it is none.
    """
    for name, (weight, variable) in fitting_variables(model, mask).items():
        # On the device: only the mask travels to it, and no weight back and forth.
        alive = tf.convert_to_tensor(mask[name])
        weight.assign(tf.where(alive, weight, tf.zeros([], weight.dtype)))
        variable.assign(tf.cast(alive, variable.dtype))


def fitting_variables(model: Any, mask: Mask) -> dict[str, tuple[tf.Variable, tf.Variable]]:
    """Checks that a mask is one of a model's weights.

    Returns:
      What `masked_variables` does.

    Raises:
      ValueError: if it does not fit the model, or it is none.
    """
    check_is_model(model)
    if not isinstance(mask, Mask):
        raise refusal("mask", mask, "give a tf_lottery.Mask of boolean arrays")
    variables = _variables_with_masks(model)
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
    return variables


def _own_rate(name: str, rates: Mapping[str, float]) -> float | None:
    """The rate given for a weight; of several that fit, that of the longest name."""
    fitting = [given for given in rates if goes_by(given, name)]
    if not fitting:
        return None
    return float(rates[max(fitting, key=len)])


def _warn_of_frozen(search: KernelSearch, trained: KernelSearch) -> None:
    left = {kernel.name for kernel in trained.kernels}
    frozen = [kernel.name for kernel in search.kernels if kernel.name not in left]
    if frozen:
        warnings.warn(
            f"frozen layers are left out of pruning: {', '.join(frozen)}. To prune them too, set "
            "trainable = True before tf_lottery.prunable(model); to say that they are to stay "
            "dense, name them in exclude.",
            stacklevel=3,
        )


def _keep_zeros(model: Any) -> None:
    """Sets the masks to what is not zero, from which a search then starts."""
    weights = {name: weight.numpy() for name, (weight, _) in masked_variables(model).items()}
    mask = Mask({name: array != 0 for name, array in weights.items()})
    check_nothing_is_empty(mask)
    set_mask(model, mask)
    for name, _, constraint in _constrained(model):
        constraint.kept = int(np.count_nonzero(mask[name]))


def _hold_masks(model: Any, pruning_rates: Mapping[str, float | None]) -> None:
    """Gives the weights that have these names masks of ones, and their own pruning rates."""
    with model.distribute_strategy.scope():
        for name, variable in keras_variables(model).items():
            if name in pruning_rates:
                hold_mask(variable, pruning_rates[name])
    save_masks_with(model)


def _constrained(model: Any) -> Iterator[tuple[str, Any, MaskConstraint]]:
    for name, (variable, constraint) in held_masks(model).items():
        yield name, variable, constraint
