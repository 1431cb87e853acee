"""The network to export: plain Keras, and the one SavedModel that the other formats come from."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.exporting.saved_model import export_saved_model
from tf_lottery.pruning.kernels import find_kernels
from tf_lottery.pruning.prunable import get_mask, masked_variables, strip

_BATCH = 100


@dataclass(frozen=True)
class ExportedNetwork:
    """A network without wrappers, and what its conversions need.

    Attributes:
      model: plain Keras, with one input and one output.
      folder: an empty folder for intermediate files.
      representative: inputs `[examples, ...]` whose ranges 8-bit activations are to cover.
    """

    model: keras.Model
    folder: Path
    representative: np.ndarray | None = None

    @functools.cached_property
    def saved_model(self) -> Path:
        """The network as a SavedModel: tracing it once takes most of the time of an export."""
        path = self.folder / "saved_model"
        export_saved_model(self.model, path)
        return path

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """The network's own outputs, `[examples, ...]`, for inputs `[examples, ...]`."""
        call = tf.function(functools.partial(self.model, training=False), reduce_retracing=True)
        batches = range(0, len(inputs), _BATCH)
        return np.concatenate([call(inputs[at : at + _BATCH]).numpy() for at in batches])


def plain_copy(model: keras.Model) -> keras.Model:
    """Copies a model without the wrappers of `prunable`.

    Args:
      model: a prunable or plain, built Sequential or functional model.

    Raises:
      ValueError: if it is something else, or has several inputs or outputs.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"source={model!r} is neither the path of a run folder nor a tf_keras model."
        )
    if not (isinstance(model, keras.Sequential) or model._is_graph_network) or not model.built:
        raise ValueError(
            f"source={model.name} ({type(model).__name__}) is not a built Sequential or functional "
            "model; write it as keras.Model(inputs, outputs), or give the first layer an "
            "input_shape."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"source={model.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "models of one input and one output can be exported. `export_saved_model` takes any."
        )
    return strip(model)


def weight_counts(model: keras.Model) -> dict[str, tuple[int, int]]:
    """Numbers of remaining and of all weights of every prunable kernel, by the kernel's name.

    Args:
      model: a prunable model, whose masks count; or a plain one, whose weights that are not 0 do.
    """
    if masked_variables(model):
        return {name: (int(mask.sum()), mask.size) for name, mask in get_mask(model).items()}
    return {
        kernel.name: (int(np.count_nonzero(kernel.variable)), int(np.prod(kernel.variable.shape)))
        for kernel in find_kernels(model).kernels
    }
