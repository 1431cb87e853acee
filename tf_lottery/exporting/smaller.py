"""The network that is written: the ticket, or what is left of it when dead units are removed."""

import numpy as np

from tf_lottery.exporting.compaction import compact
from tf_lottery.exporting.export_report import Compaction
from tf_lottery.exporting.plain_network import PlainNetwork
from tf_lottery.masking.kernels import find_kernels
from tf_lottery.pruning.structures import BLOCK


def smaller_network(
    network: PlainNetwork, wanted: bool | None
) -> tuple[PlainNetwork, Compaction | None]:
    """Compacts a network.

    Args:
      network: the ticket.
      wanted: whether it must be compacted (True) or not (False); None: if `compact` takes such a
        model, and that removes anything.

    Returns:
      The network to write, and what was removed from it; None if it is the ticket itself.

    Raises:
      ValueError: if it must be compacted and nothing can be removed.
    """
    if wanted is False or not (wanted or network.can_be_compacted):
        return network, None
    if not network.can_be_compacted:
        raise ValueError(
            f"compact=True (--compact=on): {network.name} is a subclassed model, and only "
            "Sequential and functional ones can be compacted; leave the argument out."
        )
    if wanted is None and _has_kernels_in_blocks(network):
        # Without some of its inputs a kernel is no longer in the blocks that it was pruned in.
        return network, None
    try:
        result = compact(network.model)
    except ValueError:
        if wanted:
            raise
        return network, None
    if result.parameters < result.parameters_before:
        outcome = Compaction(result.parameters_before, result.parameters, result.layers)
        return network.with_model(result.model), outcome
    if wanted:
        raise ValueError(
            f"compact=True (--compact=on): no unit of {network.name} can be removed; prune whole "
            "units (structure=units), or leave the argument out."
        )
    return network, None


def _has_kernels_in_blocks(network: PlainNetwork) -> bool:
    """Whether a Dense kernel was pruned in blocks of inputs (structure "1x4")."""
    kernels = [kernel.variable.numpy() for kernel in find_kernels(network.model).kernels]
    return any(_is_in_blocks(kernel) for kernel in kernels if kernel.ndim == 2)


def _is_in_blocks(kernel: np.ndarray) -> bool:
    # Units that were pruned as a whole would count as blocks.
    remain = kernel[:, kernel.any(axis=0)] != 0
    if len(kernel) % BLOCK or remain.all():
        return False
    blocks = remain.reshape(-1, BLOCK, remain.shape[1]).any(axis=1)
    return bool(np.mean(~blocks) > 0.99 * np.mean(~remain))
