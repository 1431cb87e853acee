"""Everything an experiment needs before it trains, with all the errors a user can cause."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config import ExperimentConfig
from tf_lottery.data import (
    Augmentation,
    Dataset,
    Split,
    StreamedDataset,
    load_dataset,
    steps_per_epoch,
)
from tf_lottery.models import check_model_name
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.prunable import pruning_plan
from tf_lottery.steps import parse_steps
from tf_lottery.tickets.load import build_prunable_model
from tf_lottery.training.execution import ExecutionPlan, choose_execution
from tf_lottery.training.learning_rate import learning_rate_schedule
from tf_lottery.training.network import Network
from tf_lottery.training.optimizers import build_optimizer, exempt_from_weight_decay
from tf_lottery.training.precision import resolve_precision
from tf_lottery.training.step import all_kernels
from tf_lottery.training.strategy import check_batch_size
from tf_lottery.training.workers import Workers

LearningRate = float | keras.optimizers.schedules.LearningRateSchedule


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
    """A checked configuration with its data and lengths; builds the network when asked.

    To be used in the scope of the distribution strategy that it was prepared in.
    """

    config: ExperimentConfig
    dataset: Dataset | StreamedDataset
    lengths: Lengths
    details: dict[str, Any] = field(repr=False)

    @property
    def levels(self) -> int:
        """Number of prunings that this command does."""
        return self.config.pruning.levels if self.config.run.experiment == "lottery" else 0

    @cached_property
    def network(self) -> Network:
        """The network with its initial weights, and its optimizer."""
        model = build_prunable_model(
            self.config.identity(),
            self.details,
            self.config.init_seed,
            dtype_policy=self.details["precision"],
        )
        optimizer = build_optimizer(self.config.training, _learning_rate(self.config, self.lengths))
        exempt_from_weight_decay(optimizer, model.trainable_variables, all_kernels(model))
        return Network(model, optimizer)

    @cached_property
    def execution(self) -> ExecutionPlan:
        """How the network is executed on the devices at hand."""
        data, run = self.dataset, self.config.run
        splits = [split for split in (data.train, data.validation, data.test) if split is not None]
        return choose_execution(
            self.network.model,
            jit_compile=self.config.training.jit_compile,
            steps_per_execution=run.steps_per_execution,
            in_memory=run.in_memory,
            data_bytes=sum(split.images.nbytes for split in splits if isinstance(split, Split)),
        )

    @property
    def augmentation(self) -> Augmentation:
        """What is done to training images that are held in memory."""
        data = self.config.data
        return Augmentation(shift=data.shift_crop, flip=data.random_flip, cutout=data.cutout)

    @cached_property
    def plan(self) -> PruningPlan:
        """How many weights remain at each level."""
        pruning = self.config.pruning
        plan = pruning_plan(self.network.model, pruning.pruning_rate, pruning.pruning_scope)
        plan.check(pruning.levels)
        return plan


def prepare(config: ExperimentConfig, dataset: Dataset | None = None) -> Experiment:
    """Loads the data and checks that the flags fit it, the network and the devices.

    To be called in the scope of the distribution strategy, by all workers.

    Args:
      config: the experiment.
      dataset: takes the place of the one that the flags name.

    Raises:
      ValueError: if something does not fit; names the flag.
    """
    # First what needs no data, which can take long to prepare.
    check_model_name(config.model.model)
    strategy = tf.distribute.get_strategy()
    check_batch_size(config.training.batch_size, strategy)
    precision = resolve_precision(config.training.mixed_precision)
    if dataset is None:
        # The chief first: the workers may share a folder, in which only one can prepare the data.
        dataset = Workers(strategy).on_chief(lambda: _load(config)) or _load(config)
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
        "data_sha256": dataset.fingerprint(),
        "replicas": strategy.num_replicas_in_sync,
        "precision": precision,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
    experiment = Experiment(config, dataset, lengths, details)
    _check_augmentation(experiment)
    # An unsuitable network, too many levels and so on, before anything is written.
    _ = experiment.plan, experiment.execution
    return experiment


def _load(config: ExperimentConfig) -> Dataset | StreamedDataset:
    data, run = config.data, config.run
    return load_dataset(
        data.dataset,
        data_dir=run.data_dir,
        manual_dir=run.manual_dir,
        validation_examples=data.validation_examples,
        split_seed=data.split_seed,
        image_size=data.image_size,
        streaming=data.streaming,
        shuffle_buffer=data.shuffle_buffer,
        smallest_crop=data.smallest_crop,
        random_flip=data.random_flip,
    )


def _check_augmentation(experiment: Experiment) -> None:
    data, dataset = experiment.config.data, experiment.dataset
    if isinstance(dataset, Dataset):
        experiment.augmentation.check(dataset.input_shape)
        return
    for flag in ("shift_crop", "cutout"):
        if getattr(data, flag):
            raise ValueError(
                f"--{flag}={getattr(data, flag)}: streamed images are cropped at random instead "
                "(--smallest_crop); leave the flag out."
            )


def _learning_rate(config: ExperimentConfig, lengths: Lengths) -> LearningRate:
    return learning_rate_schedule(
        config.training, train_steps=lengths.train_steps, steps_per_epoch=lengths.steps_per_epoch
    )


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
