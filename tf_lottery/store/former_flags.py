"""Flags that a run folder was made without, as its version did not have them yet."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.store.identity import Identity

# Value that such a flag had, in effect, where that is not its default of today.
FORMER_VALUES = {"compact_training": False}


def flags_in_effect(identity: Mapping[str, Any]) -> Identity:
    """The flags of a run folder; those that it was begun without have the value that they had."""
    former = FORMER_VALUES if identity.get("structure") == "units" else {}
    return Identity({**ExperimentConfig().identity(), **former, **identity})
