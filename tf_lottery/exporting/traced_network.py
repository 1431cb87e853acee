"""Networks that are no graphs of tf_keras: models of Keras 3, and subclassed models of either."""

import copy
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from tf_lottery.exporting.float32 import check_has_float32_weights, computing_in_float32
from tf_lottery.exporting.plain_network import NamedTensor, PlainNetwork, unique_identifiers
from tf_lottery.masking.keras_versions import (
    is_graph,
    is_keras_3,
    tensorflow_variable,
)
from tf_lottery.masking.masked_graph import save_for_export
from tf_lottery.masking.prunable import without_masks, zero_pruned


class TracedNetwork(PlainNetwork):
    """A network of which what it takes is known from examples, or from the graph of Keras 3.

    A subclassed model is not copied: the files have the weights that it has when they are written.
    """

    _computes_in_float32 = False

    def __init__(self, model: Any, example: Any = None):
        """Takes a model; pruned weights of a subclassed one are set to 0.0.

        Args:
          model: a built model of Keras 3; of tf_keras a subclassed one, or a graph that cannot be
            copied.
          example: of a subclassed model, arrays `[examples, ...]` as it is called with: one, a
            list, or a dictionary of them.

        Raises:
          ValueError: if there is no example, or it does not fit.
        """
        self.name = model.name
        if is_graph(model):
            self.model = without_masks(model)
            self._structure, self.inputs = _inputs_of_graph(self.model)
        else:
            self.model = model
            zero_pruned(model)
            self._structure, self.inputs = _inputs_of_example(model, example)
        self.outputs = ()
        self.outputs = self._trace_outputs()
        self.parameters = model.count_params()

    def in_float32(self) -> Self:
        """The same subclassed model, which computes in float32 whenever this network is called.

        Raises:
          ValueError: if it has weights of 16 bits.
        """
        check_has_float32_weights(self.model)
        other = copy.copy(self)
        other._computes_in_float32 = True
        other.outputs = other._trace_outputs()
        return other

    @property
    def archive_module(self) -> str:
        """What opens its .keras archive, as an import says it."""
        return "keras" if is_keras_3(self.model) else "tf_keras as keras"

    def save_saved_model(self, path: Path, batch_size: int | None = None) -> None:
        """Writes a SavedModel; see `PlainNetwork.save_saved_model`."""
        specs = {
            tensor.name: tf.TensorSpec([batch_size, *tensor.shape], tensor.dtype, tensor.name)
            for tensor in self.inputs
        }
        # Not the model itself, of which TensorFlow would trace every layer by itself.
        module = tf.Module()
        module.variables_of_model = [
            tensorflow_variable(variable) for variable in self.model.variables
        ]
        serve = tf.function(lambda **inputs: self._call(inputs), autograph=False)
        signatures = {"serving_default": serve.get_concrete_function(**specs)}
        tf.saved_model.save(module, str(path), signatures)

    def save_archive(self, path: Path) -> None:
        """Writes a .keras archive."""
        save_for_export(self.model, path)

    def reason_without_archive(self) -> str | None:
        """Says what Keras alone could not load from an archive; None if it could load all."""
        if not is_graph(self.model):
            return f"{self.name} is a subclassed model, which Keras alone cannot load"
        return super().reason_without_archive()

    def _packed(self, given: Sequence[Any]) -> Any:
        return tf.nest.pack_sequence_as(self._structure, given)

    def _call(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        # Here, where TensorFlow traces it, later than it is asked to.
        with self._precision():
            return super()._call(inputs)

    def _precision(self) -> AbstractContextManager:
        return computing_in_float32(self.model) if self._computes_in_float32 else nullcontext()

    def _trace_outputs(self) -> tuple[NamedTensor, ...]:
        given = self._packed(
            [tf.zeros([1, *(size or 1 for size in t.shape)], t.dtype) for t in self.inputs]
        )
        try:
            with self._precision():
                outputs = self.model(given, training=False)
        except Exception as error:  # Any: it is the user's model that fails.
            raise ValueError(
                f"source={self.name} cannot be called with one example: {_sentence_of(error)}"
            ) from error
        if is_graph(self.model):
            shapes = [tuple(tensor.shape[1:]) for tensor in self.model.outputs]
            layer_names = getattr(self.model, "output_names", None) or [self.model.layers[-1].name]
        else:
            shapes = [tuple(tensor.shape[1:]) for tensor in tf.nest.flatten(outputs)]
            layer_names = _numbered("outputs", len(shapes))
        names = unique_identifiers(outputs, layer_names)
        return tuple(
            NamedTensor(name, shape, np.dtype(tensor.dtype.as_numpy_dtype))
            for name, shape, tensor in zip(names, shapes, tf.nest.flatten(outputs), strict=True)
        )


def takes_strings(model: Any) -> bool:
    """Whether an input of a graph of Keras 3 is of strings."""
    return any(tensor.dtype == "string" for tensor in model.inputs)


def _inputs_of_graph(model: Any) -> tuple[Any, tuple[NamedTensor, ...]]:
    structure = model.inputs[0] if len(model.inputs) == 1 else model.input
    names = unique_identifiers(structure, [tensor.name for tensor in model.inputs])
    tensors = tf.nest.flatten(structure)
    if takes_strings(model):
        raise ValueError(
            f"source={model.name} takes strings; models that take numbers in dense tensors can be "
            "exported. `export_saved_model` takes any."
        )
    return structure, tuple(
        NamedTensor(
            name, tuple(tensor.shape[1:]), np.dtype(tf.as_dtype(tensor.dtype).as_numpy_dtype)
        )
        for name, tensor in zip(names, tensors, strict=True)
    )


def _inputs_of_example(model: Any, example: Any) -> tuple[Any, tuple[NamedTensor, ...]]:
    if example is None:
        raise ValueError(
            f"test_data=None: {model.name} is a subclassed model, which does not say what it "
            "takes; give test_data=(inputs, None) with a few examples."
        )
    arrays = [np.asarray(array) for array in tf.nest.flatten(example)]
    names = unique_identifiers(example, _numbered("inputs", len(arrays)))
    return example, tuple(
        NamedTensor(name, array.shape[1:], _exported_type(array.dtype))
        for name, array in zip(names, arrays, strict=True)
    )


def _exported_type(dtype: np.dtype) -> np.dtype:
    """Float64 is what NumPy makes of numbers, seldom what a network computes with."""
    return np.dtype(np.float32) if dtype == np.float64 else dtype


def _sentence_of(error: Exception) -> str:
    """What an error says; Keras 3 has that in bold, between where and with what it happened."""
    text = str(error).strip() or type(error).__name__
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
    return " ".join((bold[1] if bold else text.partition("\n")[0]).split())


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{index}" for index in range(count)]
