"""With how many threads runs were begun, and are to go on."""

from pathlib import Path

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.experiments.refusals.dense_identity import dense_source
from tf_lottery.store.run_folder import RunFolder


def recorded_threads(run: Path) -> int | None:
    """Threads that a run was begun with; None if it is yet to begin, or does not say."""
    return RunFolder.read(run).details.threads if (run / "config.json").exists() else None


def threads_of_dense_network(config: ExperimentConfig) -> int | None:
    """Threads of the run that level 0 is taken from; None if there is none, or it does not say.

    With as many a run that is yet to begin has the same dense network, to the last bit.
    """
    source = dense_source(config)
    return None if source is None else recorded_threads(source)
