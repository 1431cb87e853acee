"""A network that is trained as the small one that its mask leaves."""

from collections.abc import Mapping, Sequence

import numpy as np

from tf_lottery.exporting.compaction.trainable import Selection, SmallModel
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.training.network import Network, NetworkState
from tf_lottery.training.optimizers import slot_owners


class CompactedNetwork:
    """Takes and gives states of the whole network, while a small one is trained.

    What the small network lacks stays as it was when the level began: weights that lead from units
    that were taken out, which have no effect, and slots of the optimizer. The offsets of those
    units are 0.0, so that the whole network computes what the small one does.

    Attributes:
      small: the network that is trained.
      parameters: number of its weights of all kinds.
    """

    def __init__(self, network: Network, small: Network, parts: SmallModel):
        """Brings the state of a network into a small one.

        Args:
          network: the whole one, at the first step of the level; it is left alone.
          small: made of the model of `parts`, with an optimizer like the whole network's.
          parts: what it is made of.
        """
        self.small, self._mask = small, parts.mask
        self._small_mask = parts.small_mask
        self._selections = parts.selections
        self._slots = _slot_selections(network, small, parts.selections)
        self._base = _without_offsets(network.state(), parts)
        self.parameters = sum(
            int(np.prod(variable.shape)) for variable in model_variables(small.model).values()
        )
        self.restore(self._base, parts.mask)

    @property
    def step(self) -> int:
        """Iterations trained so far, as the learning-rate schedule counts them."""
        return self.small.step

    @property
    def mask(self) -> Mask:
        """The masks of the whole network."""
        return self._mask

    def unite_statistics(self) -> None:
        """As `Network.unite_statistics`."""
        self.small.unite_statistics()

    def state(self) -> NetworkState:
        """A copy of weights, optimizer and step, of the whole network."""
        state, base = self.small.state(), self._base
        return NetworkState(
            state.step,
            {
                name: self._selections[name].scatter(array, base.weights[name])
                for name, array in state.weights.items()
            },
            [
                array if slot is None else slot.scatter(array, whole)
                for array, slot, whole in zip(
                    state.optimizer, self._slots, base.optimizer, strict=True
                )
            ],
        )

    def restore(self, state: NetworkState, mask: Mask) -> None:
        """Continues from a state of the whole network, whose mask is that of the level."""
        if mask != self._mask:
            raise ValueError("the small network was made for another mask.")
        weights = {
            name: self._selections[name].gather(array) for name, array in state.weights.items()
        }
        optimizer = [
            array if slot is None else slot.gather(array)
            for array, slot in zip(state.optimizer, self._slots, strict=True)
        ]
        self.small.restore(NetworkState(state.step, weights, optimizer), self._small_mask)


def _slot_selections(
    network: Network, small: Network, selections: Mapping[str, Selection]
) -> Sequence[Selection | None]:
    """What the small network has of each value of the optimizer; None: all of it."""
    trained, counts = [], []
    for one in (network, small):
        names = {id(variable): name for name, variable in model_variables(one.model).items()}
        variables = one.model.trainable_variables
        trained.append([names[id(variable)] for variable in variables])
        counts.append(slot_owners(one.optimizer, len(variables)))
    if trained[0] != trained[1] or counts[0] != counts[1]:
        raise ValueError("the small network is not trained as the whole one is.")
    return [None if owner is None else selections[trained[0][owner]] for owner in counts[0]]


def _without_offsets(state: NetworkState, parts: SmallModel) -> NetworkState:
    """The state with 0.0 for what units that were taken out would add."""
    weights = {
        name: parts.selections[name].without(array) if name in parts.zeroed else array
        for name, array in state.weights.items()
    }
    return NetworkState(state.step, weights, state.optimizer)
