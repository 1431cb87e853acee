"""Plans the pruning of a model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.prunable import masked_variables, own_pruning_rates, starting_counts
from tf_lottery.masking.schedule import IMPSchedule, rates_of_levels
from tf_lottery.masking.units import output_kernels, unit_axes
from tf_lottery.masking.wrapper import MaskedLayer
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import Method
from tf_lottery.pruning.structures import BLOCK, has_blocks, has_n_of_m_groups

_Shapes = Mapping[str, tuple[int, ...]]
_Axes = Mapping[str, tuple[int, ...]]


def pruning_plan(
    model: Any,
    pruning_rate: float | Sequence[float],
    scope: str,
    structure: str = "weights",
) -> PruningPlan:
    """Plans the pruning of a prunable model, and tells its layers their schedules.

    Args:
      model: a model made by `prunable`.
      pruning_rate: rate in (0, 1) of the layers that have none of their own; or those of level 1,
        2, ..., of which the last holds for all that follow.
      scope: "global" or "layerwise".
      structure: "weights"; "units" (whole units and filters, but for the network's outputs); "2:4"
        (two of four weights in a row); "1x4" (four consecutive inputs of a unit of Dense layers
        whose number of inputs 4 divides; other weights stay dense).

    Raises:
      ValueError: if the model has no wrapped layers, nothing of the structure, or an argument is
        out of range.
    """
    rates_of_levels(pruning_rate)
    rate_of = {
        name: IMPSchedule(pruning_rate if rate is None else rate).pruning_rate
        for name, rate in own_pruning_rates(model).items()
    }
    if not rate_of:
        raise ValueError("the model is not prunable; make it so with tf_lottery.prunable(model).")
    for _, layer in leaf_layers(model):
        if isinstance(layer, MaskedLayer):
            own = layer.pruning_rate
            layer.pruning_schedule = IMPSchedule(pruning_rate if own is None else own)
    shapes = {name: tuple(weight.shape) for name, (weight, _) in masked_variables(model).items()}
    axes = unit_axes(model)
    _check_there_is_structure(structure, shapes, axes)
    # What stays dense is nothing that the others have to make up for.
    rate_of |= dict.fromkeys(_dense_throughout(model, structure, shapes, axes), 0.0)
    sizes = starting_counts(model)
    if structure != "weights" and any(sizes[name] < math.prod(shapes[name]) for name in sizes):
        raise ValueError(
            f"structure={structure!r}: the model was made prunable with keep_zeros=True, whose "
            'zeros are single weights; use "weights".'
        )
    return PruningPlan.build(
        sizes,
        rate_of,
        scope,
        structure,
        axes,
        _unit_sizes(structure, shapes, axes),
    )


def ranks_together(method: Method, prune_from: str, scope: str) -> bool:
    """Whether layers of other rates compete with each other too, as the score's authors have it."""
    return prune_from == "rewind_step" and scope == "global" and method.ranks_all_together


def planned_levels(
    plan: PruningPlan,
    levels: int | None,
    target_density: float | None,
    *,
    together: bool,
    flag: str = "",
) -> tuple[PruningPlan, int]:
    """Plans the levels of a search, and checks that weights remain at each.

    Args:
      plan: of the network.
      levels: number of prunings; None with a target density.
      target_density: in its place: the density at which pruning ends.
      together: as `ranks_together` says.
      flag: "--" where the arguments are flags.

    Returns:
      The plan and the number of levels.

    Raises:
      ValueError: as `PruningPlan.ending_at` and `PruningPlan.check`, or if neither is given.
    """
    if target_density is not None:
        plan, last = plan.ending_at(target_density)
        plan.check_density(target_density, last, flag)
    elif levels is not None:
        last = levels
        plan.check(last, flag)
    else:
        raise ValueError(f"{flag}levels=None: give a number of levels, or a target density.")
    return (plan.together() if together else plan), last


def _check_there_is_structure(structure: str, shapes: _Shapes, axes: _Axes) -> None:
    known = {
        "2:4": (has_n_of_m_groups, "Dense or Conv2D kernel to halve"),
        "1x4": (has_blocks, "Dense kernel whose number of inputs 4 divides"),
    }
    if structure not in known:
        return
    has_structure, missing = known[structure]
    if not any(has_structure(shape, axes[name]) for name, shape in shapes.items()):
        raise ValueError(f"structure={structure!r}: the network has no {missing}.")


def _dense_throughout(model: Any, structure: str, shapes: _Shapes, axes: _Axes) -> set[str]:
    """Names of the weights of which whole units or blocks are not to be removed."""
    if structure == "units":
        # The units of the output are the network's answers: there is nothing to choose from.
        return output_kernels(model) | {name for name in shapes if not axes[name]}
    if structure == "1x4":
        return {name for name, shape in shapes.items() if not has_blocks(shape, axes[name])}
    return set()


def _unit_sizes(structure: str, shapes: _Shapes, axes: _Axes) -> dict[str, int] | None:
    """Number of weights of each kernel's units or blocks, if such are removed."""
    if structure == "units":
        return {name: _unit_size(shape, axes[name]) for name, shape in shapes.items()}
    if structure == "1x4":
        return {
            name: BLOCK if has_blocks(shape, axes[name]) else math.prod(shape)
            for name, shape in shapes.items()
        }
    return None


def _unit_size(shape: tuple[int, ...], unit_axes: tuple[int, ...]) -> int:
    """Number of weights that go into each unit of a kernel."""
    return math.prod(shape) // math.prod(shape[axis] for axis in unit_axes)
