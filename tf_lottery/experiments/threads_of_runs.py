"""With how many threads runs were begun, and are to go on."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.experiments.commands import Analyze, Command, RunBranches, RunExperiments
from tf_lottery.experiments.refusals.dense_identity import dense_source
from tf_lottery.store.run_folder import RunFolder

_C = TypeVar("_C", bound=Command)


def recorded_threads(run: Path) -> int | None:
    """Threads that a run was begun with; None if it is yet to begin, or does not say."""
    return RunFolder.read(run).details.threads if (run / "config.json").exists() else None


def threads_of_dense_network(config: ExperimentConfig) -> int | None:
    """Threads of the run that level 0 is taken from; None if there is none, or it does not say.

    With as many a run that is yet to begin has the same dense network, to the last bit.
    """
    source = dense_source(config)
    return None if source is None else recorded_threads(source)


def with_threads(command: _C, threads: int) -> _C:
    """The command as if --threads had been given with it, where it computes."""
    if isinstance(command, RunExperiments):
        configs = tuple(
            replace(config, run=replace(config.run, threads=threads)) for config in command.configs
        )
        return replace(command, configs=configs)
    if isinstance(command, RunBranches):
        return replace(command, changes={**command.changes, "threads": threads})
    if isinstance(command, Analyze):
        return replace(command, here={**command.here, "threads": threads})
    return command
