"""Lottery tickets in Keras: find sparse subnetworks that train as well as the dense network."""

from tf_lottery.config import ExperimentConfig, config_from_values
from tf_lottery.data import Dataset, from_arrays
from tf_lottery.experiments import run_experiment
from tf_lottery.export.saved_model import export_saved_model
from tf_lottery.pruning.masks import Mask
from tf_lottery.pruning.prunable import get_mask, prunable, set_mask, strip
from tf_lottery.pruning.schedule import IMPSchedule
from tf_lottery.pruning.scores import magnitude
from tf_lottery.tickets.callbacks import PruneAndRewind
from tf_lottery.tickets.history import LevelResult, SearchHistory
from tf_lottery.tickets.load import load_ticket
from tf_lottery.tickets.search import IterativeMagnitudePruning
from tf_lottery.training.loop import TrainingDivergedError

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "ExperimentConfig",
    "IMPSchedule",
    "IterativeMagnitudePruning",
    "LevelResult",
    "Mask",
    "PruneAndRewind",
    "SearchHistory",
    "TrainingDivergedError",
    "config_from_values",
    "export_saved_model",
    "from_arrays",
    "get_mask",
    "load_ticket",
    "magnitude",
    "prunable",
    "run_experiment",
    "set_mask",
    "strip",
]
