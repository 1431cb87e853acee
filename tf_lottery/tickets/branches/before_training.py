"""Pruning before training, to the densities of an experiment."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    first_level=1,
    ranks_together=True,
    prunes_untrained=True,
    draws=False,
    as_a_run_with=("prune_from", "rewind_step"),
    look=Look("vermilion", "X", 1),
)
def before_training(origin: Origin) -> Start:
    """As many weights, pruned at once from the network at the rewind step.

    With `--score=snip`, `grasp`, `synflow` or `magnitude`: the methods that arXiv 2009.08576
    compares. The weights of all layers compete for the first three, as their authors have it, and
    those that compete in the run for the others.
    """
    plan = origin.plan.together() if origin.method.ranks_all_together else origin.plan
    return origin.pruned_from("rewind_step", plan)
