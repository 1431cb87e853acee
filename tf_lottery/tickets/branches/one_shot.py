"""The control for pruning step by step."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    first_level=1,
    draws=False,
    as_a_run_with=("prune_from", "dense"),
    look=Look("vermilion", "D", 0),
)
def one_shot(origin: Origin) -> Start:
    """As many weights, pruned at once from the trained dense network (arXiv 1803.03635, 2)."""
    return origin.pruned_from("dense")
