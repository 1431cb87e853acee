"""Lottery tickets in Keras: find sparse subnetworks that train as well as the dense network.

The public names are loaded when they are first used: reading flags needs no TensorFlow.
"""

from typing import Any

from tf_lottery.masking.keras_registration import register as _register_with_keras
from tf_lottery.startup import ask_for_quiet_logs, import_quietly

__version__ = "0.2.0"

_MODULES = {
    "AdaptiveRate": "tf_lottery.pruning.adaptive",
    "Dataset": "tf_lottery.data",
    "EmptyLayerWarning": "tf_lottery.tickets.fit.empty_layer_warning",
    "ExperimentConfig": "tf_lottery.config",
    "IMPSchedule": "tf_lottery.masking.schedule",
    "IterativeMagnitudePruning": "tf_lottery.tickets.fit.search",
    "LevelResult": "tf_lottery.tickets.fit.history",
    "Mask": "tf_lottery.masking.masks",
    "PruneAndRewind": "tf_lottery.tickets.fit.prune_and_rewind",
    "SearchHistory": "tf_lottery.tickets.fit.history",
    "TorchTicket": "tf_lottery.exporting.torch_ticket",
    "TrainingDivergedError": "tf_lottery.training.divergence",
    "WorkerLostError": "tf_lottery.training.workers",
    "compact": "tf_lottery.exporting.compaction",
    "config_from_values": "tf_lottery.config",
    "export": "tf_lottery.exporting.export",
    "export_saved_model": "tf_lottery.exporting.export_saved_model",
    "from_arrays": "tf_lottery.data",
    "from_torch": "tf_lottery.exporting.torch_ticket",
    "get_mask": "tf_lottery.masking.prunable",
    "load_ticket": "tf_lottery.tickets.load",
    "magnitude": "tf_lottery.pruning.scores.magnitudes",
    "prunable": "tf_lottery.masking.prunable",
    "run_analysis": "tf_lottery.experiments.measuring.analysis",
    "run_branch": "tf_lottery.experiments.running.branching",
    "run_command": "tf_lottery.experiments.dispatch",
    "run_experiment": "tf_lottery.experiments.running.lottery",
    "set_mask": "tf_lottery.masking.prunable",
    "strip": "tf_lottery.masking.prunable",
    "to_torch": "tf_lottery.exporting.torch_ticket",
}

__all__ = sorted(_MODULES)

_register_with_keras()
ask_for_quiet_logs()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_quietly(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
