"""The network to export: the one place where the export knows what kind of model it is.

Everything else here deals with names, NumPy arrays and files.
"""

import copy
import functools
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.exporting.float32 import widened
from tf_lottery.masking.keras_versions import (
    is_graph,
    is_keras_3,
    is_of_keras,
    keras_class_names,
    tensorflow_variable,
)
from tf_lottery.masking.kernels import find_kernels
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.masked_graph import save_for_export
from tf_lottery.masking.prunable import get_mask, masked_variables, without_masks
from tf_lottery.masking.used_weights import weights_used_directly
from tf_lottery.masking.users_objects import users_objects

_BATCH = 100

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class NamedTensor:
    """An input or an output of a network.

    Attributes:
      name: its name in the files, an identifier.
      shape: sizes of an example; None where any will do.
      dtype: type of the numbers.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype

    def __str__(self) -> str:
        sizes = ("any" if size is None else str(size) for size in self.shape)
        return f"[{', '.join(['batch', *sizes])}] of {self.dtype.name}"


class PlainNetwork:
    """A network without masks, which takes and gives arrays `[examples, ...]` by name.

    Attributes:
      model: the model.
      name: its name.
      inputs: what it takes, in its own order.
      outputs: what it gives, in its own order.
      parameters: number of its weights of all kinds.
      loss: what the model was compiled with, as Keras keeps it; None if that is not known.
    """

    loss: Any = None

    def __init__(self, model: keras.Model):
        """Takes a built Sequential or functional model without wrappers."""
        self.model = model
        self.name = model.name
        self.inputs = _named_tensors(
            model.inputs, unique_identifiers(model.input, model.input_names)
        )
        self.outputs = _named_tensors(
            model.outputs, unique_identifiers(model.output, model.output_names)
        )
        self.parameters: int = model.count_params()

    def with_model(self, model: Any) -> Self:
        """The same network with another model, which takes and gives the same tensors."""
        other = copy.copy(self)
        other.model = model
        other.parameters = model.count_params()
        return other

    @property
    def can_be_compacted(self) -> bool:
        """Whether `compact` takes such models."""
        return is_graph(self.model)

    @property
    def archive_module(self) -> str:
        """The Keras that opens its .keras archive, as an import says it."""
        return "tf_keras as keras"

    @property
    def is_simple(self) -> bool:
        """Whether it has one input and one output."""
        return len(self.inputs) == len(self.outputs) == 1

    def compute(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """The outputs in inference; those of 16-bit floats as float32."""
        return self._computed(self._traced(), inputs)

    def compute_twice(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The outputs of two calls, the second of which draws other random numbers if any."""
        # Of one function: another would begin with the same seeds.
        call = self._traced()
        return self._computed(call, inputs), self._computed(call, inputs)

    def flat(self, inputs: Arrays) -> list[np.ndarray]:
        """Inputs in the order of the network's, of the types that the model takes."""
        return [inputs[tensor.name].astype(tensor.dtype, copy=False) for tensor in self.inputs]

    def _traced(self) -> Callable[[Arrays], Mapping[str, tf.Tensor]]:
        function = tf.function(self._call, autograph=False, reduce_retracing=True)

        def call(inputs: Arrays) -> Mapping[str, tf.Tensor]:
            tensors = {name: tf.convert_to_tensor(array) for name, array in inputs.items()}
            # Called as it is, TensorFlow would warn of retracing where several networks are
            # exported in one process, though each has a function of its own.
            return function.get_concrete_function(tensors)(tensors)

        return call

    def _computed(
        self, call: Callable[[Arrays], Mapping[str, tf.Tensor]], inputs: Arrays
    ) -> dict[str, np.ndarray]:
        examples = len(next(iter(inputs.values())))
        names = [tensor.name for tensor in self.inputs]
        given = dict(zip(names, self.flat(inputs), strict=True))
        batches = [
            call({name: array[at : at + _BATCH] for name, array in given.items()})
            for at in range(0, examples, _BATCH)
        ]
        return {
            output.name: np.concatenate([widened(batch[output.name].numpy()) for batch in batches])
            for output in self.outputs
        }

    def save_saved_model(self, path: Path, batch_size: int | None = None) -> None:
        """Writes a SavedModel, whose signature "serving_default" has the names of the tensors.

        Args:
          path: a folder to make.
          batch_size: the only number of examples that the signature takes; None: as the model.
        """
        specs = {
            tensor.name: tf.TensorSpec(
                [batch_size or own.shape[0], *tensor.shape], own.dtype, tensor.name
            )
            for tensor, own in zip(self.inputs, self.model.inputs, strict=True)
        }
        serve = tf.function(lambda **inputs: self._call(inputs), autograph=False)
        save_for_export(
            self.model,
            path,
            save_format="tf",
            include_optimizer=False,
            signatures={"serving_default": serve.get_concrete_function(**specs)},
        )

    def save_archive(self, path: Path) -> None:
        """Writes a .keras archive."""
        save_for_export(self.model, path, save_format="keras")

    def reason_without_archive(self) -> str | None:
        """Says what Keras alone could not load from an archive; None if it could load all."""
        keras_name = "Keras" if is_keras_3(self.model) else "tf_keras"
        for user, weight in weights_used_directly(self.model).items():
            return f"layer {user} uses the weight {weight} of another, which no archive tells"
        for path, layer in leaf_layers(self.model):
            if not is_of_keras(layer):
                kind = type(layer).__name__
                return f"layer {path} is a {kind}, which {keras_name} alone cannot load"
            if "Lambda" in keras_class_names(layer):
                return f"layer {path} is a Lambda, whose code {keras_name} refuses to load"
            for thing in users_objects(layer):
                name = getattr(thing, "__name__", type(thing).__name__)
                return f"layer {path} has {name}, which {keras_name} alone cannot load"
        return None

    def _packed(self, given: Sequence[Any]) -> Any:
        """Tensors in the order of the inputs, as the model takes them."""
        return tf.nest.pack_sequence_as(self.model.input, given)

    def _call(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        outputs = self.model(
            self._packed([inputs[tensor.name] for tensor in self.inputs]), training=False
        )
        names = [tensor.name for tensor in self.outputs]
        return dict(zip(names, tf.nest.flatten(outputs), strict=True))


@dataclass(frozen=True)
class ExportedNetwork:
    """A network, and what its conversions need.

    Attributes:
      plain: the network.
      folder: an empty folder for intermediate files.
      representative: inputs whose ranges 8-bit activations are to cover.
    """

    plain: PlainNetwork
    folder: Path
    representative: Arrays | None = None

    @functools.cached_property
    def saved_model(self) -> Path:
        """The network as a SavedModel: tracing it once takes most of the time of an export."""
        path = self.folder / "saved_model"
        self.plain.save_saved_model(path)
        return path

    @functools.cached_property
    def saved_model_of_one(self) -> Path:
        """The same, of which one example at a time is asked."""
        path = self.folder / "saved_model_of_one"
        self.plain.save_saved_model(path, batch_size=1)
        return path


def plain_network(model: keras.Model) -> PlainNetwork:
    """Copies a model without what `prunable` put around it.

    Args:
      model: a prunable or plain, built Sequential or functional model.

    Raises:
      ValueError: if it is something else, takes a fixed number of examples, or no numbers.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"source={model!r} is neither the path of a run folder nor a Keras model.")
    if not (model.built and model._is_graph_network):
        raise ValueError(
            f"source={model.name} ({type(model).__name__}) is not a built Sequential or functional "
            "model; write it as keras.Model(inputs, outputs), or give the first layer an "
            "input_shape."
        )
    if not has_named_tensors(model) or any(tensor.dtype == tf.string for tensor in model.inputs):
        taken = ", ".join(str(tensor.type_spec) for tensor in model.inputs)
        raise ValueError(
            f"source={model.name} takes {taken}; models that take numbers in dense tensors can be "
            "exported. `export_saved_model` takes any."
        )
    for tensor in model.inputs:
        if tensor.shape[0] is not None:
            raise ValueError(
                f"source={model.name} takes {tensor.shape[0]} examples at a time (input "
                f"{tensor.name}); build it without a batch_size."
            )
    return PlainNetwork(without_masks(model))


def has_named_tensors(model: keras.Model) -> bool:
    """Whether a model knows what it takes, in dense tensors: functional and built Sequential ones.

    Those are what `PlainNetwork` takes.
    """
    known = model.built and model._is_graph_network
    return known and all(isinstance(tensor.type_spec, tf.TensorSpec) for tensor in model.inputs)


def weight_counts(model: keras.Model) -> dict[str, tuple[int, int]]:
    """Numbers of remaining and of all weights of every prunable kernel, by the kernel's name.

    Args:
      model: a prunable model, whose masks count; or a plain one, whose weights that are not 0 do.
    """
    if masked_variables(model):
        return {name: (int(mask.sum()), mask.size) for name, mask in get_mask(model).items()}
    kernels = {
        kernel.name: tensorflow_variable(kernel.variable).numpy()
        for kernel in find_kernels(model).kernels
    }
    return {name: (int(np.count_nonzero(array)), array.size) for name, array in kernels.items()}


def identifier(name: str) -> str:
    """The name that a tensor has in files, whose signatures take plain identifiers alone."""
    word = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not word[:1].isalpha():
        return f"tensor_{word}"
    return f"{word}_" if keyword.iskeyword(word) else word


def unique_identifiers(structure: Any, layer_names: Sequence[str]) -> list[str]:
    """Names for a model's inputs or outputs: identifiers, all different.

    Args:
      structure: the inputs or outputs. If they are a dictionary, its keys are the names.
      layer_names: names to take otherwise, one for each.
    """
    is_flat = isinstance(structure, Mapping) and not any(
        tf.nest.is_nested(part) for part in structure.values()
    )
    names: list[str] = []
    # In the order in which TensorFlow flattens dictionaries.
    for name in sorted(structure) if is_flat else layer_names:
        unique = identifier(name)
        while unique in names:
            unique += "_"
        names.append(unique)
    return names


def _named_tensors(tensors: Sequence[Any], names: Sequence[str]) -> tuple[NamedTensor, ...]:
    return tuple(
        NamedTensor(name, tuple(tensor.shape[1:]), np.dtype(tensor.dtype.as_numpy_dtype))
        for name, tensor in zip(names, tensors, strict=True)
    )
