"""The dense network from the rewind step, as instability analysis trains it."""

from dataclasses import replace

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(last_level=0, prunes=False, draws=False, look=Look("black", "H", 1))
def rewound_dense(origin: Origin) -> Start:
    """The dense network, trained from the rewind step (arXiv 1912.05671, section 2).

    With `--data_seed`, copies that differ in the data order from there on.
    """
    return replace(origin.start, state=origin.journal.rewind_state())
