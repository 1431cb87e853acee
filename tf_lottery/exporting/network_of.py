"""Any model as a network to export."""

from typing import Any

from tf_lottery.exporting.float32 import float32_copy, new_layers_in_float32, short_policies
from tf_lottery.exporting.plain_network import PlainNetwork, plain_network
from tf_lottery.exporting.traced_network import TracedNetwork
from tf_lottery.masking.keras_versions import is_graph, is_keras_3, is_model
from tf_lottery.masking.layers import layers_of_tfmot
from tf_lottery.masking.prunable_checks import check_is_built
from tf_lottery.masking.used_weights import weights_used_directly


def network_of(model: Any, test_data: tuple[Any, Any] | None = None) -> PlainNetwork:
    """Takes a model without what `prunable` put around it.

    Args:
      model: a built model of either Keras, prunable or not. A subclassed one is not copied.
      test_data: inputs and labels, as in `export`: what subclassed models take is seen from them.

    Raises:
      ValueError: if it is something else, or a model that cannot be exported.
    """
    if is_model(model):
        _refuse_wrappers_for_quantization(model)
    network = _network_of(model, test_data)
    network.loss = getattr(model, "loss", None)
    return network


def _refuse_wrappers_for_quantization(model: Any) -> None:
    for path, kind in layers_of_tfmot(model):
        if kind.__module__.startswith("tensorflow_model_optimization.python.core.quant"):
            raise ValueError(
                f"source={model.name} was made by tfmot for quantization-aware training, as layer "
                f"{path} ({kind.__name__}) tells; write it with "
                "tf.lite.TFLiteConverter.from_keras_model, as docs/export.md shows."
            )


def _network_of(model: Any, test_data: tuple[Any, Any] | None) -> PlainNetwork:
    if not is_model(model):
        return plain_network(model)
    check_is_built("source", model)
    # Keras cannot write the configuration of operations that hold a weight.
    if is_graph(model) and not is_keras_3(model) and not weights_used_directly(model):
        return plain_network(model)
    if isinstance(test_data, tuple | list) and len(test_data) == 2:
        return TracedNetwork(model, test_data[0])
    return TracedNetwork(model, None)


def float32_network(network: PlainNetwork) -> PlainNetwork:
    """The network with the same weights whose layers compute in float32.

    Args:
      network: of a model of any dtype policy; itself if no layer computes in 16-bit floats.

    Raises:
      ValueError: if there is none, which names the policy.
    """
    if not short_policies(network.model):
        return network
    if isinstance(network, TracedNetwork) and not is_graph(network.model):
        return network.in_float32()
    # A network of Keras 3 copies its model again.
    with new_layers_in_float32(network.model):
        return type(network)(float32_copy(network.model))
