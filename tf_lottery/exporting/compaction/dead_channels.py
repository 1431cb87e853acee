"""Finds the channels that a network can do without."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tf_lottery.exporting.compaction.calls import Call, CallGraph
from tf_lottery.exporting.compaction.channelwise import Channelwise
from tf_lottery.exporting.compaction.layer_kinds import rule_of
from tf_lottery.exporting.compaction.rules import Constants, Fixed, Rule
from tf_lottery.exporting.compaction.weighted import Mixing

# Layers that in training make something else of 0.
_ADDING_NOISE = ("AlphaDropout", "GaussianNoise")


@dataclass(frozen=True)
class Channels:
    """What becomes of the channels of a graph's tensors.

    Attributes:
      rules: of every call.
      constants: values of the channels that are constant, by tensor.
      kept: whether each channel stays, by tensor.
      reasons: why each that stays does, by tensor; "" for others.
    """

    rules: Sequence[Rule | Fixed]
    constants: Sequence[Constants]
    kept: Sequence[np.ndarray]
    reasons: Sequence[np.ndarray]


def find_dead_channels(graph: CallGraph, *, in_training: bool = False) -> Channels:
    """Finds what can be removed from a network without a change of its outputs.

    A channel can go if no layer needs it: the weights on it are 0, or it is constant and what it
    contributes can be put elsewhere. Channels that layers tie together go only together. What a
    layer needs depends on which of its own outputs stay, so needs spread from the outputs of the
    model until nothing changes.

    Args:
      graph: the calls of the network.
      in_training: whether the network is to be trained without them: then only channels that are 0
        throughout count as constant, in training too, and nothing is put elsewhere.
    """
    rules = [rule_of(call, graph) for call in graph.calls]
    constants = _find_constants(graph, rules, in_training)
    slots = _tied_slots(graph, rules)
    survivors = _Survivors(1 + max(int(array.max(initial=-1)) for array in slots))
    _keep_fixed(graph, rules, slots, survivors)
    while True:
        _spread(graph, rules, constants, slots, survivors)
        empty = [array for array in slots if array.size and not survivors.kept[array].any()]
        if not empty:
            break
        survivors.keep(empty[0][:1], "a layer keeps at least one")
    kept = [survivors.kept[array] for array in slots]
    return Channels(rules, constants, kept, [survivors.reasons[array] for array in slots])


class _Survivors:
    """Slots, which are sets of tied channels, that stay."""

    def __init__(self, count: int):
        self.kept = np.zeros(count, bool)
        self.reasons = np.full(count, "", object)

    def keep(self, slots: np.ndarray, reason: str) -> bool:
        """Keeps slots, and remembers the reason for new ones; whether there are any."""
        new = slots[~self.kept[slots]]
        self.kept[new] = True
        self.reasons[new] = reason
        return new.size > 0


def _find_constants(
    graph: CallGraph, rules: Sequence[Rule | Fixed], in_training: bool
) -> list[Constants]:
    constants = [np.full(graph.channels(tensor), np.nan) for tensor in range(len(graph.shapes))]
    for call, rule in zip(graph.calls, rules, strict=True):
        if isinstance(rule, Rule):
            inputs = [constants[tensor] for tensor in call.inputs]
            found = rule.constants(inputs)
            if in_training:
                noisy = type(call.layer).__name__ in _ADDING_NOISE
                found = np.where((found == 0) & (not noisy), 0.0, np.nan)
            constants[call.outputs[0]] = found
    return constants


def _tied_slots(graph: CallGraph, rules: Sequence[Rule | Fixed]) -> list[np.ndarray]:
    """Numbers the channels of all tensors, so that tied ones have the same number."""
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


def _keep_fixed(
    graph: CallGraph,
    rules: Sequence[Rule | Fixed],
    slots: Sequence[np.ndarray],
    survivors: _Survivors,
) -> None:
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


def _spread(
    graph: CallGraph,
    rules: Sequence[Rule | Fixed],
    constants: Sequence[Constants],
    slots: Sequence[np.ndarray],
    survivors: _Survivors,
) -> None:
    """Keeps what layers need for the outputs that they keep, and what is needed for that."""
    mixing = [
        (call, rule)
        for call, rule in zip(reversed(graph.calls), reversed(rules), strict=True)
        if isinstance(rule, Mixing)
    ]

    def keep_needed(call: Call, rule: Mixing) -> bool:
        (source,), (result,) = call.inputs, call.outputs
        varying, constant = rule.needs(constants[source], survivors.kept[slots[result]])
        found = survivors.keep(slots[source][varying], f"tied to channels that {call.path} needs")
        padded = f"{call.path} pads with zeros"
        return survivors.keep(slots[source][constant], padded) or found

    changed = True
    while changed:
        # From the outputs to the inputs, one round finds all that no sum ties together.
        changed = sum(keep_needed(call, rule) for call, rule in mixing) > 0
