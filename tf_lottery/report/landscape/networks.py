"""The networks that analyses train from the rewind step: names in files, tables and legends."""

from collections.abc import Iterable

from tf_lottery.config.trained_copies import BASELINES
from tf_lottery.report.method_results import LOTTERY

_TEXTS = {"random_reinitialization": "new weights"}
_NOTES = {
    "random_mask": "Random mask: as many weights in each layer as the ticket has, at random.",
    "random_reinitialization": "New weights: the ticket, randomly reinitialized.",
}
_METHODS = {"dense": "rewound_dense", "ticket": LOTTERY}


def network_text(network: str) -> str:
    """Names a network as legends and tables do."""
    return _TEXTS.get(network, network.replace("_", " "))


def baseline_notes(networks: Iterable[str]) -> list[str]:
    """A sentence about each of `BASELINES` that is among some networks."""
    shown = set(networks)
    return [_NOTES[network] for network in BASELINES if network in shown]


def network_method(network: str) -> str:
    """The method as which `method_styles` knows a network."""
    return _METHODS.get(network, network)
