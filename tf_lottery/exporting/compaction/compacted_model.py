"""What became of a network and of its layers."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_lottery.exporting.compaction.calls import Call, CallGraph
from tf_lottery.exporting.compaction.dead_channels import Channels
from tf_lottery.exporting.compaction.rules import Fixed, Rule

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class CompactedLayer:
    """A layer with weights, or one that was left as it is.

    Attributes:
      name: path of the layer, such as "block/dense_1".
      units: number of its output units, filters or channels.
      units_before: number of them before.
      parameters: number of its weights of all kinds.
      parameters_before: number of them before.
      left: what was not removed, and why; "" if there is nothing to say.
    """

    name: str
    units: int
    units_before: int
    parameters: int
    parameters_before: int
    left: str


@dataclass(frozen=True)
class CompactedModel:
    """A smaller network and how it came about.

    Attributes:
      model: the plain model, of the same Keras; not compiled.
      layers: the layers with weights and those left as they are, in the order of the network.
      parameters_before: number of weights of all kinds that the network had.
    """

    model: Any
    layers: tuple[CompactedLayer, ...]
    parameters_before: int

    @property
    def parameters(self) -> int:
        """Number of weights of all kinds that the network has."""
        return self.model.count_params()

    def to_frame(self) -> "pandas.DataFrame":
        """A row per layer, with the attributes of `CompactedLayer`."""
        import pandas

        return pandas.DataFrame([asdict(layer) for layer in self.layers])


def compacted_layers(
    graph: CallGraph, channels: Channels, parameters: dict[str, int]
) -> tuple[CompactedLayer, ...]:
    """Describes the layers of a network.

    Args:
      graph: the calls of the network before.
      channels: what became of its channels.
      parameters: path of each layer to its number of weights after.
    """
    layers = {}
    for call, rule in zip(graph.calls, channels.rules, strict=True):
        if call.is_input:
            continue
        if isinstance(rule, Fixed) or call.parameters:
            kept = channels.kept[call.outputs[0]]
            layers[call.path] = CompactedLayer(
                name=call.path,
                units=int(kept.sum()),
                units_before=len(kept),
                parameters=parameters[call.path],
                parameters_before=call.parameters,
                left=_left(call, rule, channels),
            )
    return tuple(layers.values())


def _left(call: Call, rule: Rule | Fixed, channels: Channels) -> str:
    if isinstance(rule, Fixed):
        return f"left as it is: {rule.reason}"
    output = call.outputs[0]
    dead = channels.kept[output] & ~np.isnan(channels.constants[output])
    counts = Counter(channels.reasons[output][dead])
    return "; ".join(f"{count} constant, but {reason}" for reason, count in counts.items())
