"""Builds a network without the channels that it can do without."""

import tensorflow as tf
import tf_keras as keras

from tf_lottery.exporting.compaction.calls import CallGraph
from tf_lottery.exporting.compaction.dead_channels import Channels
from tf_lottery.exporting.compaction.rules import Rule, Shrinkage


def rebuild(model: keras.Model, graph: CallGraph, channels: Channels) -> keras.Model:
    """Copies a model with smaller layers.

    Args:
      model: a Sequential or functional model without wrappers.
      graph: its calls.
      channels: which of its channels stay.

    Returns:
      A model of the same kind, with the names of the models and layers in it.
    """
    shrinkages = _shrinkages(graph, channels)
    copies: dict[int, tuple[keras.layers.Layer, keras.layers.Layer]] = {}

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if id(layer) not in copies:
            if isinstance(layer, keras.Model):
                new = keras.models.clone_model(
                    layer, _smaller_inputs(layer, graph, channels), clone_function=copy
                )
            else:
                shrinkage = shrinkages.get(id(layer))
                new = _copied(layer, shrinkage.config if shrinkage else {})
            copies[id(layer)] = (layer, new)
        return copies[id(layer)][1]

    clone = keras.models.clone_model(model, clone_function=copy)
    for layer, new in copies.values():
        if not isinstance(layer, keras.Model):
            shrinkage = shrinkages.get(id(layer))
            new.set_weights(shrinkage.weights if shrinkage else layer.get_weights())
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


def _smaller_inputs(
    model: keras.Model, graph: CallGraph, channels: Channels
) -> list[tf.Tensor] | None:
    """New inputs for a nested model whose layers are in the graph."""
    if id(model) not in graph.entrances:
        return None
    kept = channels.kept[graph.entrances[id(model)]]
    (layer,) = model._input_layers
    config = layer.get_config()
    if len(kept):
        config["batch_input_shape"] = (*config["batch_input_shape"][:-1], int(kept.sum()))
    return [type(layer).from_config(config).output]


def _copied(layer: keras.layers.Layer, changes: dict) -> keras.layers.Layer:
    config = layer.get_config() | changes
    # Keras leaves this one argument out of the configuration.
    if isinstance(layer, keras.layers.BatchNormalization) and layer.synchronized:
        config["synchronized"] = True
    return type(layer).from_config(config)
