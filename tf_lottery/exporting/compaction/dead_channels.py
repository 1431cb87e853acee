"""Finds the channels that a network can do without."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_lottery.exporting.compaction.calls import Call, CallGraph
from tf_lottery.exporting.compaction.layer_kinds import rule_of
from tf_lottery.exporting.compaction.rules import Constants, Fixed, Rule
from tf_lottery.exporting.compaction.slots import Survivors, keep_fixed, tied_slots
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
    slots = tied_slots(graph, rules)
    survivors = Survivors(slots)
    keep_fixed(graph, rules, slots, survivors)
    while True:
        _spread(graph, rules, constants, slots, survivors)
        empty = [array for array in slots if array.size and not survivors.kept[array].any()]
        if not empty:
            break
        survivors.keep(empty[0][:1], "a layer keeps at least one")
    kept = [survivors.kept[array] for array in slots]
    return Channels(rules, constants, kept, [survivors.reasons[array] for array in slots])


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


def _spread(
    graph: CallGraph,
    rules: Sequence[Rule | Fixed],
    constants: Sequence[Constants],
    slots: Sequence[np.ndarray],
    survivors: Survivors,
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
