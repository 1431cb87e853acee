"""Any model as a network to export."""

from typing import Any

from tf_lottery.exporting.network import PlainNetwork, plain_network
from tf_lottery.exporting.traced_network import TracedNetwork
from tf_lottery.pruning.keras_versions import is_graph, is_keras_3, is_model


def network_of(model: Any, test_data: tuple[Any, Any] | None = None) -> PlainNetwork:
    """Takes a model without what `prunable` put around it.

    Args:
      model: a built model of either Keras, prunable or not. A subclassed one is not copied.
      test_data: inputs and labels, as in `export`: what subclassed models take is seen from them.

    Raises:
      ValueError: if it is something else, or a model that cannot be exported.
    """
    if not is_model(model) or (is_graph(model) and not is_keras_3(model)):
        return plain_network(model)
    if not model.built:
        raise ValueError(
            f"source={model.name} is not built; call it on an example, or model.build(input_shape)."
        )
    is_pair = isinstance(test_data, tuple | list) and len(test_data) == 2
    return TracedNetwork(model, test_data[0] if is_pair else None)
