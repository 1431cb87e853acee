"""Everything an experiment needs before it trains, with all the errors a user can cause."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.config import ExperimentConfig
from tf_lottery.data import Dataset, load_dataset, steps_per_epoch
from tf_lottery.models import check_model_name
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.prunable import pruning_plan
from tf_lottery.steps import parse_steps
from tf_lottery.tickets.load import build_prunable_model
from tf_lottery.training.network import Network
from tf_lottery.training.optimizers import build_optimizer


@dataclass(frozen=True)
class Lengths:
    """Points in training, in iterations."""

    steps_per_epoch: int
    train_steps: int
    rewind_step: int
    evaluate_every: int

    def first(self, level: int) -> int:
        """Iteration at which a level starts."""
        return self.rewind_step if level else 0


@dataclass(frozen=True)
class Experiment:
    """A checked configuration with its data and lengths; builds the network when asked."""

    config: ExperimentConfig
    dataset: Dataset
    lengths: Lengths
    details: dict[str, Any] = field(repr=False)

    @property
    def levels(self) -> int:
        """Number of prunings that this command does."""
        return self.config.pruning.levels if self.config.run.experiment == "lottery" else 0

    @cached_property
    def network(self) -> Network:
        """The network with its initial weights."""
        model = build_prunable_model(self.config.identity(), self.details, self.config.init_seed)
        return Network(model, build_optimizer(self.config.training))

    @cached_property
    def plan(self) -> PruningPlan:
        """How many weights remain at each level."""
        pruning = self.config.pruning
        plan = pruning_plan(self.network.model, pruning.pruning_rate, pruning.pruning_scope)
        plan.check(pruning.levels)
        return plan


def prepare(config: ExperimentConfig, dataset: Dataset | None = None) -> Experiment:
    """Loads the data and checks that the flags fit it and the network.

    Args:
      config: the experiment.
      dataset: takes the place of the one that the flags name.

    Raises:
      ValueError: if something does not fit; names the flag.
    """
    check_model_name(config.model.model)  # before data are prepared, which can take long
    if dataset is None:
        dataset = load_dataset(
            config.data.dataset,
            data_dir=config.run.data_dir,
            manual_dir=config.run.manual_dir,
            validation_examples=config.data.validation_examples,
            split_seed=config.data.split_seed,
        )
    lengths = _resolve_lengths(config, len(dataset.train))
    mean, variance = dataset.pixel_statistics()
    details = {
        "input_shape": list(dataset.input_shape),
        "classes": dataset.classes,
        "pixel_mean": list(mean),
        "pixel_variance": list(variance),
        "train_examples": len(dataset.train),
        "steps_per_epoch": lengths.steps_per_epoch,
        "train_steps": lengths.train_steps,
        "rewind_step": lengths.rewind_step,
        "init_seed": config.init_seed,
        "data_seed": config.data_seed,
        "data_sha256": _fingerprint(dataset),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
    experiment = Experiment(config, dataset, lengths, details)
    _ = experiment.plan  # an unknown network or too many levels, before anything is written
    return experiment


def _resolve_lengths(config: ExperimentConfig, examples: int) -> Lengths:
    training = config.training
    epoch = steps_per_epoch(examples, training.batch_size)
    total = parse_steps(training.train_steps, steps_per_epoch=epoch, argument="--train_steps")
    rewind = parse_steps(
        config.pruning.rewind_step,
        steps_per_epoch=epoch,
        total_steps=total,
        argument="--rewind_step",
    )
    evaluate = parse_steps(
        training.evaluate_every,
        steps_per_epoch=epoch,
        total_steps=total,
        argument="--evaluate_every",
    )
    if total < 1:
        raise ValueError(f"--train_steps={training.train_steps} is no training; use 1it or more.")
    if rewind >= total:
        raise ValueError(
            f"--rewind_step={config.pruning.rewind_step} is iteration {rewind}, but training ends "
            f"at {total} (--train_steps={training.train_steps}); rewind to an earlier one."
        )
    if evaluate < 1:
        raise ValueError(f"--evaluate_every={training.evaluate_every}: use 1it or more.")
    return Lengths(epoch, total, rewind, evaluate)


def _fingerprint(dataset: Dataset) -> str:
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.validation, dataset.test):
        if split is not None:
            digest.update(str(split.images.shape).encode())
            digest.update(np.ascontiguousarray(split.images).data)
            digest.update(np.ascontiguousarray(split.labels).data)
    return digest.hexdigest()
