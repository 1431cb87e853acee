"""Networks made smaller to be trained: without the units that a mask has pruned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.exporting.compaction.calls import Call, CallGraph, read_calls
from tf_lottery.exporting.compaction.dead_channels import Channels, find_dead_channels
from tf_lottery.exporting.compaction.rebuilding import rebuild
from tf_lottery.exporting.compaction.rules import Part, Rule
from tf_lottery.exporting.compaction.slots import weight_parts
from tf_lottery.exporting.compaction.weighted import Mixing
from tf_lottery.masking.copies import freeze_alike, plain_copy, why_not_copied
from tf_lottery.masking.kernels import find_kernels
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import prunable
from tf_lottery.training.plain_copies import undistributed

# What a unit without incoming weights computes is made of these alone.
_SHIFTS = ("bias", "beta", "moving_mean", "renorm_mean")
_SCALES = ("gamma", "moving_variance", "renorm_stddev")


class NotCompactedError(Exception):
    """No unit that a mask has pruned can be taken out of the network; says why."""


@dataclass(frozen=True)
class Selection:
    """The part of an array that a smaller network has.

    Attributes:
      indices: those that it has, along each axis.
    """

    indices: tuple[np.ndarray, ...]

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The part of an array."""
        return np.asarray(array)[np.ix_(*self.indices)]

    def scatter(self, part: np.ndarray, base: np.ndarray) -> np.ndarray:
        """A copy of an array, with the part replaced."""
        whole = np.array(base)
        whole[np.ix_(*self.indices)] = part
        return whole

    def without(self, base: np.ndarray) -> np.ndarray:
        """A copy of an array with 0.0 outside of the part."""
        return self.scatter(self.gather(base), np.zeros_like(base))


@dataclass(frozen=True)
class SmallModel:
    """A network without units that a mask has pruned.

    Attributes:
      model: a plain model of the same layers and names, whose weights are yet to be set.
      selections: what it has of every weight, by name.
      zeroed: names of the weights that are to be 0.0 where it lacks them, so that the whole
        network computes the same.
      mask: of the whole network.
    """

    model: Any
    selections: Mapping[str, Selection]
    zeroed: frozenset[str]
    mask: Mask

    @property
    def small_mask(self) -> Mask:
        """The mask of what it has."""
        return Mask({name: self.selections[name].gather(a) for name, a in self.mask.items()})

    def prunable(self, model: Any) -> Any:
        """The smaller network with masks; call it in the scope of the strategy that trains it.

        Args:
          model: the whole network.
        """
        kernels = {kernel.name for kernel in find_kernels(self.model).kernels}
        small = prunable(self.model, exclude=kernels - set(self.mask))
        freeze_alike(model, small)
        return small


def compact_for_training(model: Any, mask: Mask) -> SmallModel:
    """Takes out the units and filters of which a mask leaves no incoming weight.

    The mask alone decides, no value does. A unit goes if it is 0 throughout, once its bias, or the
    offset and the moving mean of its normalization, are 0; and if nothing ties it to a unit that
    stays, as sums of residual networks do. So the smaller network computes, in training too, what
    the whole one does. What has no effect any more but through units that go, goes with them.

    Args:
      model: a prunable model.
      mask: of its prunable weights.

    Raises:
      NotCompactedError: if nothing can go.
    """
    if reason := why_not_copied(model):
        raise NotCompactedError(f"Keras cannot copy {model.name}: {reason}")
    return undistributed(lambda: _compact(model, mask))


def _compact(model: Any, mask: Mask) -> SmallModel:
    stand_in = plain_copy(model)
    variables = model_variables(stand_in)
    for name, variable in variables.items():
        variable.assign(_standing_in(name, variable.numpy(), mask))
    graph = read_calls(stand_in)
    channels = find_dead_channels(graph, in_training=True)
    if all(kept.all() for kept in channels.kept):
        raise NotCompactedError(_why_nothing_goes(graph, channels))
    names = {id(variable): name for name, variable in variables.items()}
    selections = {name: _whole(variable.shape) for name, variable in variables.items()}
    for variable, part in weight_parts(graph, channels.rules, channels.kept):
        selections[names[id(variable)]] = _selection(variable.shape, part)
    zeroed = frozenset(name for name in variables if _last_part(name) in _SHIFTS)
    return SmallModel(rebuild(stand_in, graph, channels), selections, zeroed, mask)


def _standing_in(name: str, values: np.ndarray, mask: Mask) -> np.ndarray:
    """Values with which a network's zeros are those of the mask, and no others."""
    if name in mask:
        return mask[name].astype(values.dtype)
    if _last_part(name) in _SHIFTS:
        return np.zeros_like(values)
    if _last_part(name) in _SCALES or _last_part(name).endswith("kernel"):
        return np.ones_like(values)
    return values


def _last_part(name: str) -> str:
    return name.split("/")[-1].rstrip("_")


def _whole(shape: Sequence[int]) -> Selection:
    return Selection(tuple(np.arange(size) for size in shape))


def _selection(shape: Sequence[int], part: Part) -> Selection:
    indices = list(_whole(shape).indices)
    for axis, kept in enumerate(reversed(part), 1):
        if kept is not None:
            indices[-axis] = np.flatnonzero(kept)
    return Selection(tuple(indices))


def _why_nothing_goes(graph: CallGraph, channels: Channels) -> str:
    """What keeps the units that are pruned; as a sentence's end."""
    tied = "no unit is pruned as a whole"
    for call, rule in zip(graph.calls, channels.rules, strict=True):
        if not isinstance(rule, Rule):
            continue
        output = call.outputs[0]
        cut = _without_input(call, rule, channels)
        if isinstance(rule, Mixing) and rule.keeps_outputs and cut.any():
            return f"the activation of {call.path} may mix its units"
        if np.isnan(channels.constants[output][cut]).any():
            return f"{call.path} does not make 0 of 0"
        if isinstance(rule, Mixing) and cut.any():
            tied = f"of {call.path}: {channels.reasons[output][cut][0]}"
    return tied


def _without_input(call: Call, rule: Rule, channels: Channels) -> np.ndarray:
    """Which outputs of a layer depend on nothing but zeros."""
    if isinstance(rule, Mixing):
        return np.logical_not(rule.links.any(axis=0))
    if any(size != rule.size for size in rule.sizes):
        return np.zeros(rule.size, bool)
    zero = np.array([channels.constants[tensor] == 0 for tensor in call.inputs])
    return np.asarray(zero.all(axis=0))
