"""The ticket itself, trained in another way."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(prunes=False, draws=False, starts_as_level=True, look=Look("black", "h", 0))
def retrain(origin: Origin) -> Start:
    """The level's mask and weights, with other training flags: --learning_rate, --data_seed, ..."""
    return origin.start
