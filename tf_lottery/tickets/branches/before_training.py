"""Pruning before training, to the densities of an experiment."""

from tf_lottery.tickets.branches import pruned_levels_only
from tf_lottery.tickets.origin import Origin, Start


@pruned_levels_only
def before_training(origin: Origin) -> Start:
    """As many weights, pruned at once from the network at the rewind step.

    With `--score=snip`, `grasp`, `synflow` or `magnitude`: the methods that arXiv 2009.08576
    compares.
    """
    return origin.pruned_from("rewind_step")
