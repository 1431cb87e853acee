"""The control for pruning step by step."""

from tf_lottery.tickets.branches import pruned_levels_only
from tf_lottery.tickets.origin import Origin, Start


@pruned_levels_only
def one_shot(origin: Origin) -> Start:
    """As many weights, pruned at once from the trained dense network (arXiv 1803.03635, 2)."""
    return origin.pruned_from("dense")
