"""Retraining as usual in pruning: from the trained weights, with the last learning rate."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    first_level=1,
    fine_tunes=True,
    prunes=False,
    draws=False,
    as_a_run_with=("retraining", "fine_tune"),
    look=Look("purple", "v", 0),
)
def fine_tune(origin: Origin) -> Start:
    """The level's mask on the weights it was pruned from, trained on (arXiv 2003.02389, section 2).

    For as many iterations as the level, with the learning rate of the last one.
    """
    return origin.of_variant(retraining="fine_tune")
