"""Finds the units of a network that can change places with each other."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tf_lottery.exporting.compaction.calls import Call, CallGraph, read_calls
from tf_lottery.exporting.compaction.layer_kinds import rule_of
from tf_lottery.exporting.compaction.rules import Fixed, Rule
from tf_lottery.exporting.compaction.slots import Survivors, keep_fixed, tied_slots, weight_parts
from tf_lottery.exporting.compaction.weighted import Mixing
from tf_lottery.masking.copies import plain_copy, why_not_copied
from tf_lottery.masking.keras_versions import is_layer, tensorflow_variable
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.permutations import ExchangeableUnits, Place
from tf_lottery.training.plain_copies import undistributed


def exchangeable_units(model: Any) -> list[ExchangeableUnits]:
    """The units and filters of a network that can change places (arXiv 2209.04836).

    Units that shortcuts tie together, as in all blocks of a stage of a ResNet, count as one, which
    has many places. With a unit go its bias, its normalization, its depthwise kernels, and the rows
    of the Dense layer that it is flattened into. Inputs and outputs of the model stay where they
    are.

    Args:
      model: a model made by `prunable`, or a plain one, of either Keras. It is left as it is.

    Returns:
      Groups of units, in the order of the network. Those of a group are computed and taken by the
      same layers.

    Raises:
      ValueError: if it is a subclassed model, or has a layer of which it is not known which of its
        units can change places; names it.
    """
    if reason := why_not_copied(model):
        raise ValueError(f"the units of {model.name} cannot be found: {reason}.")
    return undistributed(lambda: _find(plain_copy(model)))


def _find(model: Any) -> list[ExchangeableUnits]:
    graph = read_calls(model)
    rules = [rule_of(call, graph) for call in graph.calls]
    _check_understood(model, graph, rules)
    slots = tied_slots(graph, rules)
    fixed = Survivors(slots)
    keep_fixed(graph, rules, slots, fixed)
    groups = _groups_of_slots(slots, fixed.kept)
    sizes = np.bincount(groups[groups >= 0])
    places: list[list[Place]] = [[] for _ in sizes]
    for variable, name, axis, axis_slots in _axes(model, graph, rules, slots):
        by_slot = np.argsort(axis_slots, kind="stable")
        numbers = groups[axis_slots[by_slot]]
        for number in np.unique(numbers[numbers >= 0]):
            indices = by_slot[numbers == number].reshape(sizes[number], -1)
            places[number].append(Place(name, axis, indices, bool(variable.trainable)))
    return [
        ExchangeableUnits(tuple(found))
        for found, size in zip(places, sizes, strict=True)
        if size > 1 and any(place.learned for place in found)
    ]


def _groups_of_slots(slots: Sequence[np.ndarray], fixed: np.ndarray) -> np.ndarray:
    """The number of each slot's group; -1 for slots that are fixed.

    Slots can change places if they are in the same tensors, equally often in each: what layers do
    with a channel depends on that alone.
    """
    profiles = np.zeros(len(fixed), np.int64)
    for array in slots:
        counts = np.bincount(array, minlength=len(fixed))
        _, profiles = np.unique(profiles * (counts.max() + 1) + counts, return_inverse=True)
    free = np.flatnonzero(~fixed)
    # Slots are numbered in the order of the network.
    _, first, inverse = np.unique(profiles[free], return_index=True, return_inverse=True)
    groups = np.full(len(fixed), -1)
    groups[free] = np.argsort(np.argsort(first))[inverse]
    return groups


def _axes(
    model: Any, graph: CallGraph, rules: Sequence[Rule | Fixed], slots: Sequence[np.ndarray]
) -> Iterator[tuple[Any, str, int, np.ndarray]]:
    """Each axis of each weight that has channels: variable, name, axis, and their slots."""
    names = {id(variable): name for name, variable in model_variables(model).items()}
    for weight, part in weight_parts(graph, rules, slots):
        variable = tensorflow_variable(weight)
        for back, axis_slots in enumerate(reversed(part), 1):
            if axis_slots is not None:
                yield variable, names[id(variable)], len(variable.shape) - back, axis_slots


def _check_understood(model: Any, graph: CallGraph, rules: Sequence[Rule | Fixed]) -> None:
    """Refuses layers that would keep units where they are, but for inputs and outputs."""
    behind, leading = _between_kernels(graph, rules)
    for call, rule in zip(graph.calls, rules, strict=True):
        between = behind & {*call.inputs} and leading & {*call.outputs}
        if isinstance(rule, Fixed) and not call.is_input and (between or _learns(call)):
            reason = rule.reason
        elif isinstance(rule, Mixing) and rule.keeps_outputs and leading & {*call.outputs}:
            reason = "its activation may mix its units"
        else:
            continue
        raise ValueError(
            f"which units of {model.name} can change places is not known for {call.path}: {reason}."
        )


def _between_kernels(graph: CallGraph, rules: Sequence[Rule | Fixed]) -> tuple[set[int], set[int]]:
    """The tensors that are made of units, and those that units are made of."""
    behind: set[int] = set()
    leading: set[int] = set()
    calls = list(zip(graph.calls, rules, strict=True))
    for call, rule in calls:
        if isinstance(rule, Mixing) or behind & {*call.inputs}:
            behind |= {*call.outputs}
    for call, rule in reversed(calls):
        if isinstance(rule, Mixing) or leading & {*call.outputs}:
            leading |= {*call.inputs}
    return behind, leading


def _learns(call: Call) -> bool:
    return is_layer(call.layer) and bool(call.layer.trainable_weights)
