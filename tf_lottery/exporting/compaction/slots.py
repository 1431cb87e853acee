"""Slots: sets of channels that the layers of a graph tie together."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tf_lottery.exporting.compaction.calls import CallGraph
from tf_lottery.exporting.compaction.channelwise import Channelwise
from tf_lottery.exporting.compaction.rules import Fixed, Part, Rule
from tf_lottery.exporting.compaction.weighted import Mixing


class Survivors:
    """Slots that stay.

    Attributes:
      kept: whether each slot stays.
      reasons: why each that stays does; "" for others.
    """

    def __init__(self, slots: Sequence[np.ndarray]):
        """Keeps none yet of the slots of all tensors."""
        count = 1 + max(int(array.max(initial=-1)) for array in slots)
        self.kept = np.zeros(count, bool)
        self.reasons = np.full(count, "", object)

    def keep(self, slots: np.ndarray, reason: str) -> bool:
        """Keeps slots, and remembers the reason for new ones; whether there are any."""
        new = slots[~self.kept[slots]]
        self.kept[new] = True
        self.reasons[new] = reason
        return new.size > 0


def tied_slots(graph: CallGraph, rules: Sequence[Rule | Fixed]) -> list[np.ndarray]:
    """Numbers the channels of all tensors, so that tied ones have the same number.

    Args:
      graph: the calls of a network.
      rules: of every call.

    Returns:
      Of each tensor the numbers of its channels.
    """
    ends = np.cumsum([graph.channels(tensor) for tensor in range(len(graph.shapes))])
    starts = [0, *ends[:-1]]
    pairs = [np.empty((2, 0), np.int64)]
    for call, rule in zip(graph.calls, rules, strict=True):
        if isinstance(rule, Channelwise):
            for tensor, (sources, results) in zip(call.inputs, rule.ties(), strict=True):
                own = starts[tensor] + sources, starts[call.outputs[0]] + results
                pairs.append(np.array(own))
    rows, columns = np.concatenate(pairs, axis=1)
    tied = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(ends[-1], ends[-1]))
    _, numbers = connected_components(tied, directed=False)
    return [numbers[start:end] for start, end in zip(starts, ends, strict=True)]


def keep_fixed(
    graph: CallGraph,
    rules: Sequence[Rule | Fixed],
    slots: Sequence[np.ndarray],
    survivors: Survivors,
) -> None:
    """Keeps the slots that no layer could do without, whatever its weights are."""
    for tensor in graph.outputs:
        survivors.keep(slots[tensor], "they are outputs of the model")
    for call, rule in zip(graph.calls, rules, strict=True):
        if isinstance(rule, Fixed):
            for tensor in call.inputs:
                survivors.keep(slots[tensor], f"{call.path} is left as it is")
            for tensor in call.outputs:
                survivors.keep(slots[tensor], f"{call.path} is left as it is")
        elif isinstance(rule, Mixing) and rule.keeps_outputs:
            survivors.keep(slots[call.outputs[0]], "the activation may mix them")


def weight_parts(
    graph: CallGraph, rules: Sequence[Rule | Fixed], channels: Sequence[np.ndarray]
) -> Iterator[tuple[Any, Part]]:
    """What is known of the channels of all tensors, along the axes of the weights.

    Args:
      graph: the calls of a network.
      rules: of every call.
      channels: of each tensor, a value for each of its channels.

    Yields:
      Variables of the layers that are not `Fixed`, with the values of their channels.
    """
    for call, rule in zip(graph.calls, rules, strict=True):
        if isinstance(rule, Rule) and call.parameters:
            parts = rule.parts(
                [channels[tensor] for tensor in call.inputs], channels[call.outputs[0]]
            )
            yield from zip(call.layer.weights, parts, strict=True)
