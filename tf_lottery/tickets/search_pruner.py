"""The pruner that the arguments of a search describe."""

from collections.abc import Sequence
from typing import Any, Literal

from tf_lottery.pruning.adaptive import AdaptivePruner, AdaptiveRate
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.pruning.pruner import PlannedPruner, Pruner
from tf_lottery.pruning.score import Score, find_method

# That to which the rates of layers of their own are in proportion, where the rate is chosen.
_NOMINAL_RATE = 0.2


def search_pruner(
    model: Any,
    levels: int,
    pruning_rate: float | Sequence[float] | AdaptiveRate | Literal["auto"],
    scope: str,
    score: str | Score,
    structure: str,
    prune_from: str,
) -> Pruner:
    """Makes the pruner; the arguments are those of `IterativeMagnitudePruning`.

    Raises:
      ValueError: if they do not go together, there is no such score, or no weight would remain.
    """
    method = find_method(score, "score")
    rate = AdaptiveRate() if pruning_rate == "auto" else pruning_rate
    if not isinstance(rate, AdaptiveRate):
        plan = pruning_plan(model, rate, scope, structure)
        plan.check(levels)
        together = prune_from == "rewind_step" and scope == "global" and method.ranks_all_together
        return PlannedPruner(method, plan.together() if together else plan)
    for argument, value, right in (
        ("structure", structure, "weights"),
        ("prune_from", prune_from, "previous_level"),
    ):
        if value != right:
            raise ValueError(
                f"{argument}={value!r} does not go with an adaptive pruning rate; use {right!r}."
            )
    plan = pruning_plan(model, _NOMINAL_RATE, scope)
    if rate.density is not None:
        plan.ending_at(rate.density)
    return AdaptivePruner(method, plan, rate)
