"""Pruning before training, to the densities of each layer of an experiment."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    first_level=1,
    layerwise=True,
    prunes_untrained=True,
    draws=False,
    as_a_run_with=("prune_from", "rewind_step"),
    look=Look("vermilion", "x", 2),
)
def before_training_layerwise(origin: Origin) -> Start:
    """As many weights of each layer, pruned at once from the network at the rewind step.

    What tells the choice of weights within a layer from that of how many each layer keeps, which
    `before_training` leaves to `--score`.
    """
    return origin.pruned_from("rewind_step", origin.plan.with_layers_of(origin.start.mask))
