"""Layers of which pruning has left no weight, and how they are told."""

from collections.abc import Mapping, Sequence

from tf_lottery.messages import listed

# True of chains and of networks with shortcuts; which of them it is takes the network to know.
CONSEQUENCE = (
    "Where no path leads around the missing weights, the network's output is the same for every "
    "input."
)


def empty_layers(remaining: Mapping[str, int]) -> tuple[str, ...]:
    """Names the layers that have no weight left.

    Args:
      remaining: number of weights that remain of each prunable array, such as "conv_1/kernel".

    Returns:
      The layers ("conv_1"), in order. Of a layer that has weights left in another array, the array
      ("lstm/kernel").
    """
    with_weights = {_layer(name) for name, count in remaining.items() if count}
    empty = (name for name, count in remaining.items() if not count)
    names = (name if _layer(name) in with_weights else _layer(name) for name in empty)
    return tuple(dict.fromkeys(names))


def no_weight_remains(layers: Sequence[str]) -> str:
    """Writes, for example, "no weight remains in conv_3, conv_4"."""
    return f"no weight remains in {listed(layers, most=8)}"


def _layer(name: str) -> str:
    return name.rpartition("/")[0] or name
