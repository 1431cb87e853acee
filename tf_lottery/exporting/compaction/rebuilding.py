"""Builds a network without the channels that it can do without."""

from typing import Any

import tensorflow as tf

from tf_lottery.exporting.compaction.calls import CallGraph
from tf_lottery.exporting.compaction.dead_channels import Channels
from tf_lottery.exporting.compaction.rules import Rule, Shrinkage
from tf_lottery.masking.copies import clone_with, copied_layer, refresh_constants
from tf_lottery.masking.keras_versions import is_keras_3, is_layer, tensor_origin


def rebuild(model: Any, graph: CallGraph, channels: Channels) -> Any:
    """Copies a model with smaller layers.

    Args:
      model: a Sequential or functional model without wrappers.
      graph: its calls.
      channels: which of its channels stay.

    Returns:
      A model of the same kind, with the names of the models and layers in it.

    Raises:
      ValueError: if a layer in it has no configuration to copy it by.
    """
    shrinkages = _shrinkages(graph, channels)
    copies: dict[int, tuple[Any, Any]] = {}

    def copy(layer: Any) -> Any:
        shrinkage = shrinkages.get(id(layer))
        return copied_layer(layer, **(shrinkage.config if shrinkage else {}))

    clone = clone_with(model, copy, copies, lambda nested: _smaller_inputs(nested, graph, channels))
    for layer, new in copies.values():
        # Operations of Keras 3 have no weights.
        if is_layer(layer):
            shrinkage = shrinkages.get(id(layer))
            new.set_weights(shrinkage.weights if shrinkage else layer.get_weights())
    refresh_constants(clone)
    return clone


def _shrinkages(graph: CallGraph, channels: Channels) -> dict[int, Shrinkage]:
    return {
        id(call.layer): rule.shrunk(
            [channels.constants[tensor] for tensor in call.inputs],
            [channels.kept[tensor] for tensor in call.inputs],
            channels.kept[call.outputs[0]],
        )
        for call, rule in zip(graph.calls, channels.rules, strict=True)
        if isinstance(rule, Rule)
    }


def _smaller_inputs(model: Any, graph: CallGraph, channels: Channels) -> Any:
    """New inputs for a nested model whose layers are in the graph; None for others."""
    if id(model) not in graph.entrances:
        return None
    kept = channels.kept[graph.entrances[id(model)]]
    layer = tensor_origin(model.inputs[0]).layer
    config = layer.get_config()
    if len(kept):
        shape = "batch_shape" if is_keras_3(layer) else "batch_input_shape"
        config[shape] = (*config[shape][:-1], int(kept.sum()))
    tensor = type(layer).from_config(config).output
    return tf.nest.pack_sequence_as(model.input, [tensor])
