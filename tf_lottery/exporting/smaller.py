"""The network that is written: the ticket, or what is left of it when dead units are removed."""

from tf_lottery.exporting.compaction import compact
from tf_lottery.exporting.export_report import Compaction
from tf_lottery.exporting.network import PlainNetwork


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
            f"compact=True (--compact=on): {network.name} is no graph of tf_keras, and only those "
            "can be compacted; leave the argument out."
        )
    try:
        result = compact(network.model)
    except ValueError:
        if wanted:
            raise
        return network, None
    if result.parameters < result.parameters_before:
        outcome = Compaction(result.parameters_before, result.parameters, result.layers)
        return PlainNetwork(result.model, names_of=network), outcome
    if wanted:
        raise ValueError(
            f"compact=True (--compact=on): no unit of {network.name} can be removed; prune whole "
            "units (structure=units), or leave the argument out."
        )
    return network, None
