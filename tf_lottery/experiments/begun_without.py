"""Flags that a run folder was begun without, though they would change its results today."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from tf_lottery.config.controls import BranchConfig
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.identity import Identity
from tf_lottery.store.run_folder import RunFolder

# Value that such a flag had, in effect, where that is not its default of today.
_WAS = {"compact_training": False}


def flags_in_effect(identity: Identity) -> Identity:
    """The flags of a run folder; those that it was begun without have the value that they had."""
    former = _WAS if identity.structure == "units" else {}
    return Identity({**ExperimentConfig().identity(), **former, **identity})


def as_begun(config: ExperimentConfig) -> ExperimentConfig:
    """An experiment as its run folder was begun, if there is one.

    The levels of one that was begun before networks were compacted in training go on masked.
    """
    if config.pruning.structure != "units":
        return config
    with suppress(OSError, RunFolderError):
        if not (config.run_path / "config.json").exists():
            return config
        begun = RunFolder.read(config.run_path).identity
        former = {name: value for name, value in _WAS.items() if name not in begun}
        return replace(config, pruning=replace(config.pruning, **former))
    return config


def defaults_of(config: ExperimentConfig) -> dict[str, Any]:
    """Values of the flags that the folder of a run or a branch may have been made without."""
    defaults = {**ExperimentConfig().identity(), **BranchConfig().values()}
    # Where it matters, the configuration is that of `as_begun` already.
    return defaults | {name: getattr(config.pruning, name) for name in _WAS}
