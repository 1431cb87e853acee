"""Networks that compute in 16-bit floats, and their copies that compute in float32.

The files are written of such a copy: TFLite and most CPUs know no 16-bit operations.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tf_lottery.masking.copies import clone_with, copied_layer, refresh_constants
from tf_lottery.masking.keras_versions import (
    is_keras_3,
    is_layer,
    keras_of,
    tensor_origin,
    tensorflow_variable,
)
from tf_lottery.masking.layers import leaf_layers

_SHORT_FLOATS = ("bfloat16", "float16")


def short_policies(model: Any) -> dict[str, str]:
    """Names of the dtype policies by which layers compute in 16-bit floats, by the layer's path.

    Args:
      model: a built model of either Keras.
    """
    return {
        path: layer.dtype_policy.name
        for path, layer in leaf_layers(model)
        if layer.compute_dtype in _SHORT_FLOATS
    }


def float32_copy(model: Any) -> Any:
    """Copies a model with layers that compute in float32, with the same weights.

    Args:
      model: a built Sequential or functional model of either Keras, without wrappers.

    Raises:
      ValueError: if there is none, which names the policy of the model.
    """
    copies: dict[int, tuple[Any, Any]] = {}
    policies = short_policies(model)
    try:
        with new_layers_in_float32(model):
            # Inputs of a graph can be replaced where it is called by another.
            outer = _called_with_float32(model)
            clone = clone_with(outer, _float32_layer, copies, _float32_inputs)
    except Exception as error:  # Any: it is the user's layers that fail.
        raise _refusal(model, policies, str(error).strip().partition("\n")[0]) from error
    for layer, copy in copies.values():
        # Operations of Keras 3 have no weights.
        if is_layer(layer):
            copy.set_weights([widened(array) for array in layer.get_weights()])
    clone = clone.get_layer(model.name)
    refresh_constants(clone)
    for path, policy in short_policies(clone).items():
        raise _refusal(model, policies, f"layer {path} is made with {policy} again")
    return clone


@contextmanager
def computing_in_float32(model: Any) -> Iterator[None]:
    """Makes a model compute in float32 for a while: a subclassed one, which cannot be copied."""
    layers = [layer for _, layer in leaf_layers(model)]
    policies = [layer.dtype_policy for layer in layers]
    with new_layers_in_float32(model):
        try:
            for layer, policy in zip(layers, policies, strict=True):
                if policy.compute_dtype in _SHORT_FLOATS:
                    _set_policy(layer, "float32")
            yield
        finally:
            for layer, policy in zip(layers, policies, strict=True):
                _set_policy(layer, policy)


@contextmanager
def new_layers_in_float32(model: Any) -> Iterator[None]:
    """Gives float32 to layers that are made without a policy, as those in a user's layer may be.

    Args:
      model: of the Keras in question.
    """
    with ExitStack() as stack:
        if is_keras_3(model):
            config = keras_of(model).config
            stack.callback(config.set_dtype_policy, config.dtype_policy())
            config.set_dtype_policy("float32")
        else:
            mixed_precision = tf_keras.mixed_precision
            stack.callback(mixed_precision.set_global_policy, mixed_precision.global_policy())
            mixed_precision.set_global_policy("float32")
        yield


def check_has_float32_weights(model: Any) -> None:
    """Checks that a subclassed model can compute in float32 as it is.

    Raises:
      ValueError: if it has weights of 16 bits, which names the policy of the model.
    """
    for variable in model.variables:
        dtype = tensorflow_variable(variable).dtype.name
        if dtype in _SHORT_FLOATS:
            problem = f"it is a subclassed model with weights of {dtype}; use mixed_{dtype}"
            raise _refusal(model, short_policies(model), problem)


def widened(array: np.ndarray) -> np.ndarray:
    """Numbers of 16 bits as float32, others as they are."""
    return array.astype(np.float32) if array.dtype.name in _SHORT_FLOATS else array


def _called_with_float32(model: Any) -> Any:
    inputs = _float32_inputs(model)
    return keras_of(model).Model(inputs, model(inputs), name=f"{model.name}_in_float32")


def _float32_inputs(graph: Any) -> Any:
    """New inputs of float32, as a graph takes them."""
    return tf.nest.map_structure(_input_like, _inputs_of(graph))


def _inputs_of(graph: Any) -> Any:
    # That of a Sequential model of Keras 3 is what it was first called with.
    return graph.inputs[0] if isinstance(graph, keras_of(graph).Sequential) else graph.input


def _input_like(tensor: Any) -> Any:
    layer = tensor_origin(tensor).layer
    dtype = tf.as_dtype(tensor.dtype).name
    changes = {"dtype": "float32"} if dtype in _SHORT_FLOATS else {}
    return type(layer).from_config(layer.get_config() | changes).output


def _float32_layer(layer: Any) -> Any:
    # Not by arguments of `copied_layer`: a Bidirectional layer has "layer" in its configuration.
    config = _with_float32(layer.get_config())
    layer.get_config = lambda: config
    try:
        return copied_layer(layer)
    finally:
        del layer.get_config


def _with_float32(value: Any, key: Any = None, of_policy: bool = False) -> Any:
    """A part of a configuration, with float32 in place of the policies that are in it."""
    of_policy, kind = of_policy or key == "dtype", type(value)
    if isinstance(value, Mapping):
        parts = {key: _with_float32(part, key, of_policy) for key, part in value.items()}
        return kind(parts)
    if kind in (list, tuple):
        return kind(_with_float32(part, None, of_policy) for part in value)
    name = value if isinstance(value, str) else getattr(value, "compute_dtype", None)
    is_short = isinstance(name, str) and name.removeprefix("mixed_") in _SHORT_FLOATS
    return "float32" if of_policy and is_short else value


def _set_policy(layer: Any, policy: Any) -> None:
    if is_keras_3(layer):
        layer.dtype_policy = policy
    else:
        layer._set_dtype_policy(policy)


def _refusal(model: Any, policies: Mapping[str, str], problem: str) -> ValueError:
    names = ", ".join(sorted(set(policies.values())))
    return ValueError(
        f"source={model.name} was trained with the dtype policy {names}, and files compute in "
        f"float32, of which there is no copy: {problem}."
    )
