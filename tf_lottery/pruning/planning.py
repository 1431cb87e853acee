"""Plans the pruning of a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_lottery.pruning.layers import leaf_layers
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.prunable import masked_variables, own_pruning_rates
from tf_lottery.pruning.schedule import IMPSchedule
from tf_lottery.pruning.structures import has_n_of_m_groups
from tf_lottery.pruning.units import output_kernels, unit_axes
from tf_lottery.pruning.wrapper import MaskedLayer


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
        (two of four weights in a row).

    Raises:
      ValueError: if the model has no wrapped layers or an argument is out of range.
    """
    own = [pruning_rate] if isinstance(pruning_rate, int | float) else pruning_rate
    if not all(0 < rate < 1 for rate in own):
        raise ValueError(f"pruning_rate={pruning_rate}: use a fraction in (0, 1), such as 0.2.")
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
    variables = {name: weight for name, (weight, _) in masked_variables(model).items()}
    axes = unit_axes(model)
    if structure == "units":
        # Outputs are no units to choose from, nor part of what the others have to make up for; nor
        # are weights without units.
        whole = output_kernels(model) & set(rate_of) | {name for name in axes if not axes[name]}
        rate_of |= dict.fromkeys(whole, 0.0)
    if structure == "2:4" and not any(
        has_n_of_m_groups(tuple(weight.shape), axes[name]) for name, weight in variables.items()
    ):
        raise ValueError("structure='2:4': the network has no Dense or Conv2D kernel to halve.")
    return PruningPlan.build(
        {name: int(np.prod(weight.shape)) for name, weight in variables.items()},
        rate_of,
        scope,
        structure,
        axes,
        {name: _unit_size(weight.shape, axes[name]) for name, weight in variables.items()},
    )


def _unit_size(shape: Sequence[int], unit_axes: tuple[int, ...]) -> int:
    """Number of weights that go into each unit of a kernel."""
    return int(np.prod(shape)) // int(np.prod([shape[axis] for axis in unit_axes]))
