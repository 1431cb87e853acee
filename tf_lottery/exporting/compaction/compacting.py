"""Makes pruned networks physically smaller."""

from typing import Any

from tf_lottery.exporting.compaction.calls import read_calls
from tf_lottery.exporting.compaction.compacted_model import CompactedModel, compacted_layers
from tf_lottery.exporting.compaction.dead_channels import find_dead_channels
from tf_lottery.exporting.compaction.rebuilding import rebuild
from tf_lottery.masking.keras_versions import is_graph, is_model
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.prunable import strip
from tf_lottery.masking.prunable_checks import check_backend
from tf_lottery.masking.used_weights import weights_used_directly


def compact(model: Any) -> CompactedModel:
    """Removes the units and filters that pruning left without effect.

    A unit goes if all of its outgoing weights are 0, or if all of its incoming weights are: it
    then has the same value for every input, which goes into the biases of the layers after it.
    That leads to more such units, until there are none. Batch normalization, activations,
    pooling, sums of residual networks, concatenations and nested models are seen through. Inputs
    and outputs of the model stay, and every layer keeps a unit.

    For any finite input the outputs are those of the model in inference, up to rounding. Biases
    can be where the layer had none.

    Args:
      model: a model made by `prunable`, or any Sequential or functional model with zeros in its
        weights: of tf_keras, or of Keras 3 with the TensorFlow backend. It is left as it is.

    Returns:
      The smaller model of the same Keras, which neither tf_lottery nor tfmot is needed to load, and
      what became of each layer.

    Raises:
      ValueError: if the model is not such a model, or is not built.
    """
    _check_model(model)
    plain = strip(model)
    graph = read_calls(plain)
    channels = find_dead_channels(graph)
    smaller = rebuild(plain, graph, channels)
    parameters = {call.path: call.parameters for call in read_calls(smaller).calls}
    return CompactedModel(
        smaller, compacted_layers(graph, channels, parameters), plain.count_params()
    )


def _check_model(model: Any) -> None:
    if not is_model(model):
        raise ValueError(f"model: {model!r} is not a tf_keras model, nor one of Keras 3.")
    for nested in [model, *(layer for _, layer in leaf_layers(model))]:
        if is_model(nested) and not is_graph(nested):
            raise ValueError(
                f"model: {nested.name} ({type(nested).__name__}) is a subclassed model, whose "
                "layers cannot be found; write it as keras.Model(inputs, outputs) or "
                "keras.Sequential."
            )
    if not model.built:
        raise ValueError(
            f"model: {model.name} is not built, so it has no weights yet; give its first layer an "
            "input_shape, or call model.build(input_shape)."
        )
    check_backend(model)
    for user, weight in weights_used_directly(model).items():
        raise ValueError(
            f"model: layer {user} of {model.name} uses the weight {weight} of another layer, whose "
            "units therefore stay; let it call that layer, or be a layer of your own."
        )
