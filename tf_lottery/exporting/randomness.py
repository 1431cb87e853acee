"""Networks that are random in themselves, whose files cannot be compared with them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.exporting.plain_network import Arrays, PlainNetwork
from tf_lottery.exporting.verify import tolerance
from tf_lottery.masking.keras_versions import GraphCall, graph_calls, is_graph, is_keras_3

_EXAMPLES = 32


def check_is_not_random(network: PlainNetwork, inputs: Arrays) -> None:
    """Computes a network twice on the same inputs.

    Args:
      network: the network.
      inputs: `[examples, ...]` by name, the first of which are used.

    Raises:
      ValueError: if the outputs differ, which names the layers that draw random numbers where it
        finds them.
    """
    given = {name: array[:_EXAMPLES] for name, array in inputs.items()}
    first, second = network.compute_twice(given)
    if not any(_differ(first[name], second[name]) for name in first):
        return
    raise ValueError(
        f"source={network.name} is random in itself: it computes other outputs when it is called "
        f"again on the same inputs{_culprits(network, given)}. So no file can be compared with it: "
        "build it without random numbers in inference, such as those of training=True, or write it "
        "with `export_saved_model`, which does not compare."
    )


def _culprits(network: PlainNetwork, inputs: Arrays) -> str:
    if not is_graph(network.model):
        return "; in which layers cannot be seen in a subclassed model"
    try:
        found = dict.fromkeys(_random_calls(network.model, network.flat(inputs), ""))
    except Exception:  # Any: a user's layer may not be made to be called by itself.
        found = {}
    return f", because of {', '.join(found)}" if found else ""


def _random_calls(graph: Any, inputs: list[Any], prefix: str) -> Iterator[str]:
    """Paths and classes of the layers of a graph that give other outputs when called again."""
    values = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
    for call in graph_calls(graph):
        if call.is_input:
            continue
        first, second = (_called(call, values) for _ in range(2))
        if any(map(_differ, first, second)):
            layer = call.layer
            path = f"{prefix}{layer.name}"
            within = []
            if is_graph(layer):
                given = [values[id(tensor)] for tensor in call.inputs]
                within = list(_random_calls(layer, given, f"{path}/"))
            yield from within or [f"{path} ({type(layer).__name__})"]
        values |= {id(tensor): value for tensor, value in zip(call.outputs, first, strict=True)}


def _called(call: GraphCall, values: dict[int, Any]) -> list[Any]:
    """The outputs of a call for values in place of its symbolic tensors."""
    arguments, keywords = tf.nest.map_structure(
        lambda thing: values.get(id(thing), thing), (call.arguments, dict(call.keywords))
    )
    if is_keras_3(call.layer) and "training" in keywords:
        # Inference overrides in Keras 3 what the layer was called with when the model was built.
        keywords["training"] = False
    return tf.nest.flatten(call.layer(*arguments, **keywords))


def _differ(first: Any, second: Any) -> bool:
    """Whether numbers differ by more than a file's may."""
    first, second = (np.asarray(tf.cast(array, tf.float32)) for array in (first, second))
    if not first.size:
        return False
    equal = np.array_equal(first, second, equal_nan=True)
    return not (equal or np.max(np.abs(first - second)) <= tolerance(first))
