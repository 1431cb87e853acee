"""Flags that a run folder was begun without, though they would change its results today."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from tf_lottery.config.controls import BranchConfig
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.former_flags import FORMER_VALUES
from tf_lottery.store.run_folder import RunFolder


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
        former = {name: value for name, value in FORMER_VALUES.items() if name not in begun}
        return replace(config, pruning=replace(config.pruning, **former))
    return config


def defaults_of(config: ExperimentConfig) -> dict[str, Any]:
    """Values of the flags that the folder of a run or a branch may have been made without."""
    defaults = {**ExperimentConfig().identity(), **BranchConfig().values()}
    # Where it matters, the configuration is that of `as_begun` already.
    return defaults | {name: getattr(config.pruning, name) for name in FORMER_VALUES}
