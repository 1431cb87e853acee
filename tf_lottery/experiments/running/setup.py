"""Everything an experiment needs before it trains, with all the errors a user can cause."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.branches import BRANCHES
from tf_lottery.config.data import DataConfig
from tf_lottery.config.data_files import data_files
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.initial_weights import weight_files
from tf_lottery.config.options import names_of
from tf_lottery.data import Augmentation, Dataset, Split, StreamedDataset, load_dataset
from tf_lottery.data.shared_sets import DescribedSet, load_once
from tf_lottery.experiments.cpu_kernels import onednn_is_chosen
from tf_lottery.experiments.own_network import look_for_network_of
from tf_lottery.experiments.running.compiled_network import CompiledNetwork, take_compiled
from tf_lottery.experiments.running.lengths import (
    Lengths,
    check_steps_per_execution,
    check_validation,
    resolve_lengths,
)
from tf_lottery.experiments.running.needs import Needs, needs_of
from tf_lottery.experiments.running.taken_ticket import taken_ticket
from tf_lottery.messages import tell
from tf_lottery.models.build import network_sha256
from tf_lottery.models.own_networks import file_of, is_own
from tf_lottery.models.registry import check_model_name
from tf_lottery.pruning.adaptive import AdaptivePruner, AdaptiveRate
from tf_lottery.pruning.model_plan import planned_levels, pruning_plan, ranks_together
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.pruner import PlannedPruner, Pruner
from tf_lottery.pruning.score import Method, find_method
from tf_lottery.store.identity import Identity
from tf_lottery.store.needed_plugins import plugins_named
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.seal import file_sha256
from tf_lottery.store.training_rules import RULES
from tf_lottery.tickets.given_ticket import GivenTicket, TicketInNetwork, fit_ticket
from tf_lottery.tickets.initial_weights import give_initial_weights
from tf_lottery.tickets.load import build_prunable_model
from tf_lottery.tickets.variants import Variant, first_step
from tf_lottery.training.execution import ExecutionPlan, choose_execution, has_convolutions
from tf_lottery.training.learning_rate import fine_tuning_schedule, learning_rate_schedule
from tf_lottery.training.network import Network
from tf_lottery.training.optimizers import build_optimizer, exempt_from_weight_decay
from tf_lottery.training.precision import resolve_precision
from tf_lottery.training.step import all_kernels
from tf_lottery.training.strategy import check_batch_size
from tf_lottery.training.threads import threads_in_use
from tf_lottery.training.workers import Workers

# Flags of the pruning that no compiled function depends on: what they choose is done between
# levels, or given to a compiled step as weights and masks.
_BETWEEN_LEVELS = (
    *("levels", "target_density", "auto_loss_rise", "auto_least_rate", "auto_most_rate"),
    *("score", "score_examples", "structure", "pruning_scope"),
    *("prune_from", "rewind_step", "rewind_optimizer", "retraining"),
)

LearningRate = float | keras.optimizers.schedules.LearningRateSchedule


@dataclass(frozen=True)
class Experiment:
    """A checked configuration with its data and lengths; builds the network when asked.

    To be used in the scope of the distribution strategy that it was prepared in.

    Attributes:
      config: the flags.
      dataset: its data.
      lengths: of its training.
      needs: what it takes of the machine.
      prepared: what is known of it before its network is built.
      shares: whether it takes over what was compiled for the same network in this process.
      ticket: of another run, that level 0 is trained from; None: the dense network.
    """

    config: ExperimentConfig
    dataset: Dataset | StreamedDataset
    lengths: Lengths
    needs: Needs
    prepared: RunDetails = field(repr=False)
    shares: bool = False
    ticket: GivenTicket | None = field(default=None, repr=False)

    @cached_property
    def details(self) -> RunDetails:
        """What its run folder remembers of it."""
        return replace(self.prepared, levels=self.levels)

    @property
    def levels(self) -> int:
        """Number of prunings; the most there may be if the pruning rate is chosen."""
        return 0 if self.config.run.experiment == "train" else self._plan_and_levels[1]

    def first_step(self, level: int) -> int:
        """Iteration at which a level of iterative pruning starts."""
        lengths, retraining = self.lengths, self.config.pruning.retraining
        return first_step(level, retraining, lengths.train_steps, lengths.rewind_step)

    @property
    def network(self) -> Network:
        """The network with its initial weights, and its optimizer; dense, also with a ticket."""
        return self.compiled.network

    @cached_property
    def compiled(self) -> CompiledNetwork:
        """The network with what is compiled for it."""
        model = build_prunable_model(
            Identity(self.config.identity()),
            self.prepared,
            self.config.init_seed,
            dtype_policy=self.prepared.precision,
        )
        given = self.config.model
        if given.initial_weights is not None:
            give_initial_weights(model, given.initial_weights, given.initial_weights_except)
        if self.ticket is not None:
            fit_ticket(model, self.ticket).give_weights(model)
        kept = take_compiled(self._compiled_key) if self.shares else None
        if kept is not None:
            kept.begin_anew(model)
            return kept
        return CompiledNetwork(self._compiled_key, self.network_of(model))

    @property
    def ticket_in_network(self) -> TicketInNetwork | None:
        """What of the other run's ticket the network has."""
        return None if self.ticket is None else fit_ticket(self.network.model, self.ticket)

    def network_of(self, model: keras.Model) -> Network:
        """A prunable model with an optimizer of its own, as the experiment trains."""
        optimizer = build_optimizer(self.config.training, _learning_rate(self.config, self.lengths))
        exempt_from_weight_decay(optimizer, model.trainable_variables, all_kernels(model))
        return Network(model, optimizer)

    @property
    def _compiled_key(self) -> Hashable:
        """All that compiled functions depend on."""
        config, lengths, details = self.config, self.lengths, self.prepared
        of_pruning = (
            (name, getattr(config.pruning, name))
            for name in names_of(config.pruning)
            if name not in _BETWEEN_LEVELS
        )
        return (
            *(tf.distribute.get_strategy(), self.dataset, config.data, config.model),
            replace(config.training, same_data_order=False),
            *(config.fine_tunes, config.run.in_memory, config.run.steps_per_execution),
            *(lengths.steps_per_epoch, lengths.train_steps, details.precision),
            *of_pruning,
        )

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
    def is_convolutional(self) -> bool:
        """Whether the network has other kernels than those of Dense layers."""
        return has_convolutions(self.network.model)

    @property
    def augmentation(self) -> Augmentation:
        """What is done to training images that are held in memory."""
        data = self.config.data
        return Augmentation(shift=data.shift_crop, flip=data.random_flip, cutout=data.cutout)

    @property
    def plan(self) -> PruningPlan:
        """How many weights remain at each level."""
        return self._plan_and_levels[0]

    @cached_property
    def _plan_and_levels(self) -> tuple[PruningPlan, int]:
        pruning = self.config.pruning
        plan = pruning_plan(
            self.network.model, pruning.rates, pruning.pruning_scope, pruning.structure
        )
        if pruning.adaptive:
            rate = self._adaptive_rate
            if rate.density is not None:
                # Whether it can be reached at all.
                plan.ending_at(rate.density)
            return plan, rate.most_levels() or pruning.levels
        return planned_levels(
            plan,
            pruning.levels,
            pruning.target_density,
            together=ranks_together(self.method, pruning.prune_from, pruning.pruning_scope),
            flag="--",
        )

    @property
    def pruner(self) -> Pruner:
        """What prunes the network of a level to the next."""
        if self.config.pruning.adaptive:
            return AdaptivePruner(self.method, self.plan, self._adaptive_rate)
        return PlannedPruner(self.method, self.plan)

    @property
    def ends_at_density(self) -> bool:
        """Whether the number of levels is known only at the end."""
        pruning = self.config.pruning
        return pruning.adaptive and pruning.target_density is not None

    @property
    def _adaptive_rate(self) -> AdaptiveRate:
        pruning = self.config.pruning
        return AdaptiveRate(
            pruning.auto_loss_rise,
            pruning.auto_least_rate,
            pruning.auto_most_rate,
            pruning.target_density,
        )

    @property
    def method(self) -> Method:
        """What judges the weights."""
        return find_method(self.config.pruning.score)

    @property
    def variant(self) -> Variant:
        """Which network is pruned, and how it is trained again."""
        pruning = self.config.pruning
        return Variant(pruning.prune_from, pruning.retraining, self.lengths.train_steps)


def prepare(
    config: ExperimentConfig,
    own_data: Dataset | StreamedDataset | None = None,
    *,
    shares: bool = False,
) -> Experiment:
    """Loads the data and checks that the flags fit it, the network and the devices.

    To be called in the scope of the distribution strategy, by all workers.

    Args:
      config: the experiment.
      own_data: take the place of those that the flags name.
      shares: as of `Experiment`: whoever trains it is to call `keep_compiled` at the end.

    Raises:
      ValueError: if something does not fit; names the flag.
    """
    # First what needs no data, which can take long to prepare.
    with plugins_named(config.run_path):
        look_for_network_of(config.run_path)
        check_model_name(config.model.model, config.model.dropout)
        find_method(config.pruning.score)
    strategy = tf.distribute.get_strategy()
    check_batch_size(config.training.batch_size, strategy)
    precision = resolve_precision(config.training.mixed_precision)
    if own_data is None:
        # The chief first: the workers may share a folder, in which only one can prepare the data.
        chief_first = Workers(strategy).on_chief(lambda: _load_data(config))
        described = chief_first or _load_data(config)
    else:
        described = DescribedSet.of(own_data)
    dataset = described.dataset
    check_validation(config, dataset.validation is not None)
    lengths = resolve_lengths(config, len(dataset.train))
    check_steps_per_execution(config, lengths.steps_per_epoch)
    ticket = taken_ticket(config)
    needs = needs_of(config, dataset)
    needs.check_memory()
    details = _details(config, described, lengths, ticket, precision, own_data is not None)
    experiment = Experiment(config, dataset, lengths, needs, details, shares, ticket)
    _check_augmentation(experiment)
    # An unsuitable network, too many levels and so on, before anything is written.
    _ = experiment.plan, experiment.execution
    _tell_of_single_steps(experiment)
    return experiment


def _tell_of_single_steps(experiment: Experiment) -> None:
    asked, where = experiment.config.run.steps_per_execution, None
    if isinstance(experiment.dataset, StreamedDataset):
        where = "on streamed data"
    elif not experiment.execution.data_on_device:
        where = "on data that the host feeds"
    elif tf.distribute.get_strategy().num_replicas_in_sync > 1:
        where = "with several replicas"
    if asked is not None and where is not None:
        tell(f"Note: --steps_per_execution={asked} has no effect {where}.")


def _details(
    config: ExperimentConfig,
    described: DescribedSet,
    lengths: Lengths,
    ticket: GivenTicket | None,
    precision: str,
    own_data: bool,
) -> RunDetails:
    dataset = described.dataset
    mean, variance = described.pixel_statistics
    return RunDetails(
        input_shape=tuple(dataset.input_shape),
        classes=dataset.classes,
        class_names=dataset.class_names,
        pixel_mean=tuple(mean),
        pixel_variance=tuple(variance),
        train_examples=len(dataset.train),
        steps_per_epoch=lengths.steps_per_epoch,
        train_steps=lengths.train_steps,
        rewind_step=lengths.rewind_step,
        init_seed=config.init_seed,
        data_seed=config.data_seed,
        data_sha256=described.fingerprint,
        data_name=described.dataset.name if own_data else None,
        network_file=file_of(config.model.model) if is_own(config.model.model) else None,
        network_sha256=network_sha256(
            config.model.model, tuple(dataset.input_shape), dataset.classes
        ),
        initial_weights_sha256=_sha256_of_weights(config),
        ticket_sha256=None if ticket is None else ticket.sha256,
        score_code=_score_code(config),
        replicas=tf.distribute.get_strategy().num_replicas_in_sync,
        precision=precision,
        rules=RULES,
        threads=threads_in_use(),
        onednn=onednn_is_chosen(),
        tensorflow=tf.__version__,
        numpy=np.__version__,
    )


def _score_code(config: ExperimentConfig) -> Mapping[str, str] | None:
    branch = config.branch.branch
    prunes = branch is None or BRANCHES.find(branch).takes("score")
    return find_method(config.pruning.score).code if prunes else None


def _load_data(config: ExperimentConfig) -> DescribedSet:
    files = data_files(config.data.dataset)
    state = None if files is None else files.state()
    return _load(config.data, config.run.data_dir, config.run.manual_dir, state)


# Replicates, sweeps and branches that run one after the other have the same data, unless the files
# have changed meanwhile.
@lru_cache(maxsize=1)
def _load(
    data: DataConfig, data_dir: str | None, manual_dir: str | None, state: Hashable
) -> DescribedSet:
    def load() -> DescribedSet:
        return DescribedSet.of(
            load_dataset(
                data.dataset,
                data_dir=data_dir,
                manual_dir=manual_dir,
                validation_examples=data.validation_examples,
                split_seed=data.split_seed,
                image_size=data.image_size,
                streaming=data.streaming,
                shuffle_buffer=data.shuffle_buffer,
                smallest_crop=data.smallest_crop,
                random_flip=data.random_flip,
                skip_unreadable=data.skip_unreadable,
            )
        )

    return load_once(repr((data, data_dir, manual_dir, state)), load)


def _sha256_of_weights(config: ExperimentConfig) -> str | None:
    if config.model.initial_weights is None:
        return None
    digests = map(file_sha256, weight_files(config.model.initial_weights))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


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
    rate = learning_rate_schedule(
        config.training, train_steps=lengths.train_steps, steps_per_epoch=lengths.steps_per_epoch
    )
    if not config.fine_tunes:
        return rate
    return fine_tuning_schedule(config.training, rate, lengths.train_steps)
