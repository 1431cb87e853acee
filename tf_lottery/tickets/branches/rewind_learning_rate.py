"""Retraining with the learning rate rewound, but not the weights."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    first_level=1,
    trains_on=True,
    prunes=False,
    draws=False,
    as_a_run_with=("retraining", "rewind_learning_rate"),
    look=Look("purple", "P", 1),
)
def rewind_learning_rate(origin: Origin) -> Start:
    """The level's mask on the weights it was pruned from (arXiv 2003.02389, section 2).

    Trained from the rewind step to the end, with the learning rates that belong there.
    """
    return origin.of_variant(retraining="rewind_learning_rate")
