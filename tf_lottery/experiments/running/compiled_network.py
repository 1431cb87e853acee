"""The network that this process has trained last, with what was compiled for it.

Replicates, branches and copies of one network differ in what a compiled step is given: weights,
masks, data order. They take over what the one before them has compiled.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import tf_keras as keras

from tf_lottery.masking.prunable import get_mask
from tf_lottery.training.network import Network, NetworkState, weights_of

Compiled = TypeVar("Compiled")


class CompiledNetwork:
    """A network, and the functions that were compiled to train and to evaluate it."""

    def __init__(self, key: Hashable, network: Network):
        """Compiles nothing yet.

        Args:
          key: of all that compiled functions depend on.
          network: what they train.
        """
        self.key, self.network = key, network
        self._parts: dict[str, Any] = {}

    def part(self, name: str, build: Callable[[], Compiled]) -> Compiled:
        """What was compiled under a name; built if it was not yet."""
        if name not in self._parts:
            self._parts[name] = build()
        return self._parts[name]

    def begin_anew(self, model: keras.Model) -> None:
        """Makes the network what it would be if it were built anew.

        Args:
          model: built anew, with its initial weights.
        """
        self.network.rewind(NetworkState(0, weights_of(model), []), get_mask(model))
        if "program" in self._parts:
            # Whatever was trained last may have been interrupted.
            self._parts["program"].metrics()


# At most one, which takes as much memory as in training. Taken out while it is used: two threads
# may train.
_KEPT: dict[Hashable, CompiledNetwork] = {}


def take_compiled(key: Hashable) -> CompiledNetwork | None:
    """Takes the network that was kept, if its key is this; lets go of another one."""
    found = _KEPT.pop(key, None)
    _KEPT.clear()
    return found


def keep_compiled(compiled: CompiledNetwork) -> None:
    """Keeps a network for the next that is trained in this process."""
    _KEPT.clear()
    _KEPT[compiled.key] = compiled
