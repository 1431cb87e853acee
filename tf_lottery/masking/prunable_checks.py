"""Checks of what `prunable` is given and of what it makes of it."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from tf_lottery.config import arguments
from tf_lottery.masking.keras_versions import is_keras_3, is_model, keras_of
from tf_lottery.masking.kernels import Kernel, KernelSearch, goes_by
from tf_lottery.masking.layers import keras_variables, layers_of_tfmot
from tf_lottery.masking.mask_constraint import mask_constraint
from tf_lottery.masking.masks import Mask


def check_is_model(model: Any, more: str = "") -> None:
    """Checks that this is a model of either Keras.

    Args:
      model: what was given.
      more: what else it has to be.

    Raises:
      ValueError: if it is not.
    """
    if not is_model(model):
        right = "give a model of Keras" + (f", and {more}" if more else "")
        raise arguments.refusal("model", model, right)


def check_is_built(argument: str, model: Any) -> None:
    """Checks that the weights of a model exist.

    Raises:
      ValueError: if they do not; names the argument.
    """
    if not model.built:
        raise ValueError(
            f"{argument}={model.name} is not built; call it on an example, or "
            "model.build(input_shape)."
        )


def check_model(model: Any) -> None:
    """Checks that this is a built model without masks.

    Raises:
      ValueError: if it is not.
    """
    if not is_model(model):
        raise ValueError(f"{model!r} is not a tf_keras model, nor one of Keras 3.")
    check_backend(model)
    _check_not_wrapped_by_tfmot(model)
    if not model.built:
        raise ValueError(
            f"{model.name} is not built, so its weights do not exist yet; give its first layer an "
            "input_shape, call model.build(input_shape), or call the model on an example."
        )
    if any(mask_constraint(variable) for variable in keras_variables(model).values()):
        raise ValueError(f"{model.name} is prunable already.")


def _check_not_wrapped_by_tfmot(model: Any) -> None:
    path, kind = next(layers_of_tfmot(model), (None, None))
    if kind is None:
        return
    quantized = (
        "prune first, then strip with tf_lottery.strip(model), and prepare that for quantization"
    )
    stripped = {
        "PruneLowMagnitude": "strip it with tfmot.sparsity.keras.strip_pruning(model)",
        "ClusterWeights": "strip it with tfmot.clustering.keras.strip_clustering(model)",
    }
    raise ValueError(
        f"{model.name} has layers of tensorflow_model_optimization ({path} is a "
        f"{kind.__name__}), whose masks or quantizers would go unnoticed: "
        f"{stripped.get(kind.__name__, quantized)}."
    )


def check_prunable_arguments(
    exclude: Any, pruning_rates: Any, kernels: Any, allow_unknown: Any, keep_zeros: Any = False
) -> None:
    """Checks the types of the options of `prunable`; the arguments are its own.

    Raises:
      ValueError: names the first one that is wrong, its value, and what is right.
    """
    if not isinstance(exclude, Iterator):
        arguments.check_names("exclude", exclude, '["output"]')
    if pruning_rates is not None:
        arguments.check_mapping("pruning_rates", pruning_rates, '{"output": 0.1}')
        for name, rate in pruning_rates.items():
            arguments.check_fraction(f"pruning_rates[{name!r}]", rate, zero=True, example=0.1)
    if kernels is not None:
        arguments.check_mapping("kernels", kernels, '{MyLayer: ["w"]}')
        for layer, names in kernels.items():
            of_layer = getattr(layer, "__name__", layer)
            if not isinstance(names, str):
                arguments.check_names(f"kernels[{of_layer!r}]", names, '["w"]')
                if not names:
                    right = "name at least one weight; exclude= leaves a layer dense"
                    raise arguments.refusal(f"kernels[{of_layer!r}]", names, right)
    arguments.check_truth("allow_unknown", allow_unknown)
    arguments.check_truth("keep_zeros", keep_zeros)


def check_backend(model: Any) -> None:
    """Checks that a model computes with TensorFlow.

    Raises:
      ValueError: if it is one of Keras 3 that does not.
    """
    if is_keras_3(model) and (backend := keras_of(model).backend.backend()) != "tensorflow":
        raise ValueError(
            f"{model.name} is a Keras 3 model on the backend {backend}; tf_lottery works with "
            "TensorFlow. Start Python with KERAS_BACKEND=tensorflow."
        )


def check_layers_exist(argument: str, names: Iterable[str], weights: Collection[str]) -> None:
    """Checks that each name is one of a layer or weight that there is.

    Args:
      argument: where the names are from.
      names: of layers or weights.
      weights: names of the weights that may be meant.

    Raises:
      ValueError: if a name is none.
    """
    wrong = sorted(name for name in names if not any(goes_by(name, weight) for weight in weights))
    if wrong:
        layers = dict.fromkeys(weight.rpartition("/")[0] or weight for weight in weights)
        raise ValueError(
            f"{argument}: the model has no prunable layer {', '.join(wrong)}; it has "
            f"{', '.join(sorted(layers))}."
        )


def check_not_excluded(
    argument: str,
    given: Mapping[Any, Any],
    weights: Mapping[Any, Iterable[str]],
    excluded: Collection[str],
) -> None:
    """Checks that an argument names nothing that is excluded as a whole.

    Args:
      argument: that names layers or weights.
      given: its value, by those names.
      weights: names of the weights that each of them means.
      excluded: names of layers or weights.

    Raises:
      ValueError: if it does; names the first.
    """
    for name, value in given.items():
        if all(any(goes_by(other, weight) for other in excluded) for weight in weights[name]):
            raise arguments.refusal(
                f"{argument}[{getattr(name, '__name__', name)!r}]",
                value,
                f"exclude={sorted(excluded)} leaves it dense; leave it out of one of the two",
            )


def check_unknown(model: Any, search: KernelSearch, chosen: list[Kernel]) -> None:
    """Refuses a model with weights of which nobody said whether they are kernels.

    Args:
      model: the model.
      search: what was found in it, less what is excluded.
      chosen: what would be pruned.

    Raises:
      ValueError: if there are such weights; says what would be pruned and what would not.
    """
    if search.unknown:
        unknown = ", ".join(f"{name} ({kind})" for name, kind in search.unknown.items())
        pruned = ", ".join(kernel.name for kernel in chosen) or "nothing"
        raise ValueError(
            f"{model.name} has weights of which it is not known whether they are kernels: "
            f"{unknown}. They would stay dense; pruned would be {pruned}. Name their attributes in "
            "kernels={class or name of the layer: [...]}, or let the layer have a method "
            f"get_prunable_weights; or leave them dense, with exclude={list(search.unknown)} or "
            "allow_unknown=True."
        )


def check_something_is_left(model: Any, chosen: list[Kernel], trained: list[Kernel]) -> None:
    """Refuses a model of which nothing would be pruned, or of which a kernel cannot be.

    Args:
      model: the model.
      chosen: the kernels that are to be pruned.
      trained: those of them that are not frozen.

    Raises:
      ValueError: if nothing is chosen, all of it is frozen, or a layer computes its kernel.
    """
    _check_kernels_are_weights(chosen)
    if not chosen:
        raise ValueError(
            f"{model.name} has no Dense or convolution layer left to prune, nor another layer with "
            "a kernel."
        )
    if not trained:
        raise ValueError(
            f"all kernels of {model.name} are frozen, so that none would be pruned; set trainable "
            "= True for the layers that are to be pruned, before tf_lottery.prunable(model)."
        )


def _check_kernels_are_weights(chosen: list[Kernel]) -> None:
    kernel = next((kernel for kernel in chosen if kernel.is_computed), None)
    if kernel is None:
        return
    path = kernel.name.rpartition("/")[0]
    way = "prune before it is quantized or otherwise changed"
    if getattr(kernel.layer, "lora_enabled", False):
        way = (
            "it is adapted (LoRA). model.save_weights writes the adapted kernel, and the same "
            "model without LoRA loads it and can be pruned"
        )
    raise ValueError(
        f"{path} ({type(kernel.layer).__name__}) computes its kernel from other weights, so that "
        f"zeros in it would not last: {way}. exclude=[{path!r}] leaves the layer dense."
    )


def check_same_weights(model: Any, held: Any) -> None:
    """Checks that a model has and trains as many weights as the one that it was made of.

    Masks do not count.

    Args:
      model: what was given.
      held: the same, or a copy, with masks or without.

    Raises:
      ValueError: if a weight that several layers share has become several, or one was lost, or is
        frozen in one of both alone.
    """
    before, after = _counts(model), _counts(held)
    for kind in before:
        if before[kind] == after[kind]:
            continue
        raise ValueError(
            f"{model.name} has {before[kind]:,} {kind}, but its copy {after[kind]:,}: layers of it "
            "share weights, or are frozen, in a way that Keras does not copy. Give its class a "
            "constructor or make it a subclassed model, which is made prunable in place."
        )


def _counts(model: Any) -> dict[str, int]:
    trained = {id(weight): weight for weight in model.trainable_weights}
    weights = {"weights": keras_variables(model), "trainable weights": trained}
    return {
        kind: sum(_known_size(weight) for weight in each.values()) for kind, each in weights.items()
    }


def _known_size(weight: Any) -> int:
    # The shape of a Discretization layer's summary in Keras 2 lacks its length.
    return math.prod(size for size in weight.shape if size is not None)


def check_nothing_is_empty(mask: Mask) -> None:
    """Checks that every kernel of a sparse model has a weight left.

    Raises:
      ValueError: if one is zero throughout.
    """
    empty = [name for name, array in mask.items() if not array.any()]
    if empty:
        raise ValueError(
            f"keep_zeros=True: {', '.join(empty)} is zero throughout and would stay so; name it in "
            "exclude to leave it without a mask."
        )
