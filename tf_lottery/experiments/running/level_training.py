"""Trains one level of an experiment, from where it was left."""

import gc
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tf_lottery.data import Epoch
from tf_lottery.experiments.running.level_network import (
    LevelNetwork,
    compacted_network,
    masked_network,
)
from tf_lottery.experiments.running.level_records import LevelRecords
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.exporting.compaction.trainable import NotCompactedError
from tf_lottery.messages import tell
from tf_lottery.store.run_details import Divergence
from tf_lottery.store.schema import METRICS, measured
from tf_lottery.training.divergence import TrainingDivergedError, first_not_finite
from tf_lottery.training.loop import StepCallback, train
from tf_lottery.training.network import NetworkState
from tf_lottery.training.workers import Message, Workers


class LevelDivergedError(TrainingDivergedError):
    """The training of a level has diverged.

    Attributes:
      divergence: where; None unless a `LevelTrainer` raised it.
    """

    divergence: Divergence | None = None


class LevelTrainer:
    """Trains levels, evaluates on the way, and keeps what a killed process needs to go on.

    With `--structure=units` and `--compact_training`, a level is trained as the small network that
    its mask leaves. Its states, while it is trained and after, are those of the whole network.
    """

    def __init__(
        self,
        experiment: Experiment,
        records_of: Callable[[int], LevelRecords],
        workers: Workers,
    ):
        """Trains nothing yet.

        Args:
          experiment: network, data and lengths.
          records_of: the records of a level.
          workers: those that train together.
        """
        self._experiment, self._records_of, self._workers = experiment, records_of, workers
        self._told_of_masks = False

    def __call__(
        self, level: int, save_rewind_state: Callable[[NetworkState], None] | None = None
    ) -> dict[str, Any]:
        """Trains a level from its first step or its last checkpoint to the end.

        Args:
          level: the network is at the level's first step.
          save_rewind_state: takes the network at the rewind step, if it is to be kept.

        Returns:
          The level's summary, to be recorded.

        Raises:
          LevelDivergedError: if a loss or a weight is not finite; names the level and the step.
        """
        self._now = self._level_network(level)
        try:
            return self._train(level, save_rewind_state)
        finally:
            small = self._now.network is not self._experiment.network
            del self._now
            if small:
                # What was compiled refers to itself, and would keep the memory of the level.
                gc.collect()

    def _level_network(self, level: int) -> LevelNetwork:
        """What trains the level that the network is at the first step of."""
        pruning, mask = self._experiment.config.pruning, self._experiment.network.mask
        whole = mask.remaining == mask.total
        if pruning.compact_training and pruning.structure == "units" and not whole:
            try:
                return compacted_network(self._experiment)
            except NotCompactedError as reason:
                self._tell_of_masks(level, str(reason))
        return masked_network(self._experiment)

    def _tell_of_masks(self, level: int, reason: str) -> None:
        if not self._told_of_masks:
            tell(
                f"Note: --compact_training has no effect at level {level}, which is trained "
                f"masked, at the cost of the whole network: {reason}."
            )
        self._told_of_masks = True

    def _train(
        self, level: int, save_rewind_state: Callable[[NetworkState], None] | None
    ) -> dict[str, Any]:
        lengths, network = self._experiment.lengths, self._now.network
        mask, records = network.mask, self._records_of(level)
        last = lengths.last(network.step)
        resumed = self._resume(records)
        self._finite_at = network.step
        records.start(mask, network.step, last, self._now.parameters)
        if not resumed:
            evaluations = self._evaluations()
            records.append(network.step, evaluations)
            self._now.watch.begin(evaluations.get("validation_loss", np.inf))
        try:
            train(
                self._now.program,
                lambda number: self._epoch(level, number),
                lengths.steps_per_epoch,
                network.step,
                last,
                [
                    # Before the evaluation, whose checkpoint would skip them on resuming.
                    *self._savers(level, records, save_rewind_state),
                    *self._callbacks(records, last),
                ],
                records.advance,
            )
        except TrainingDivergedError as error:
            kept = "Finished levels are kept; try" if level else "Try"
            deviation = self._experiment.config.model.init_stddev
            wide = "" if deviation is None else f"a smaller --init_stddev than {deviation:g}, or "
            diverged = LevelDivergedError(
                f"{error} of level {level}. {kept} {wide}a lower --learning_rate."
            )
            # Where it is found out there are steps alone, and no levels.
            step = int(re.findall(r"step (\d+)", str(error))[-1])
            diverged.divergence = Divergence(level, step)
            raise diverged from error
        if network is not self._experiment.network:
            self._experiment.network.restore(network.state(), mask)
        return {**records.finish(mask), **self._now.operations.record()}

    def _resume(self, records: LevelRecords) -> bool:
        """Goes on from a checkpoint; returns whether there was one."""

        def read() -> Message:
            checkpoint = records.resume()
            if checkpoint is None:
                return Message(None)
            return Message((checkpoint.step, records.lowest_loss()), checkpoint.tensors)

        found, tensors = self._workers.from_chief(read)
        if found is None:
            return False
        step, lowest_loss = found
        network = self._now.network
        network.restore(NetworkState.from_tensors(step, tensors), network.mask)
        self._now.watch.begin(np.inf if lowest_loss is None else lowest_loss)
        return True

    def _epoch(self, level: int, number: int) -> Epoch:
        config = self._experiment.config
        return Epoch(config.data_seed, config.training.order_of(level), number)

    def _callbacks(
        self,
        records: LevelRecords,
        last: int,
    ) -> list[StepCallback]:
        lengths = self._experiment.lengths
        callbacks = [
            StepCallback(lengths.evaluate_every, lambda step: self._evaluate(step, records, last))
        ]
        if lengths.validate_every is not None:

            def look(step: int) -> None:
                if step < last and step % lengths.evaluate_every:
                    self._now.watch.look(step, self._training_metrics)

            callbacks.insert(0, StepCallback(lengths.validate_every, look, final=False))
        return callbacks

    def _savers(
        self,
        level: int,
        records: LevelRecords,
        save_rewind_state: Callable[[NetworkState], None] | None,
    ) -> list[StepCallback]:
        """What saves states on the way: that of the rewind step, and of level 0 others."""
        lengths, network = self._experiment.lengths, self._now.network
        wanted: dict[int, Callable[[NetworkState], None]] = {}
        if level == 0:
            wanted |= dict.fromkeys(lengths.keep_states, records.keep)
        if save_rewind_state is not None:
            wanted[lengths.rewind_step] = save_rewind_state
        callbacks = []
        for step, save in wanted.items():
            if network.step < step:
                callbacks.append(
                    StepCallback(step, partial(self._save, save), final=False, repeats=False)
                )
            elif step == network.step == 0:
                save(network.state())
        return callbacks

    def _save(self, save: Callable[[NetworkState], None], step: int) -> None:
        self._now.network.unite_statistics()
        save(self._checked_state())

    def _evaluate(self, step: int, records: LevelRecords, last: int) -> None:
        values = self._training_metrics() | self._evaluations()
        for metric in METRICS:
            value = values.get(metric.column)
            if value is not None and not np.isfinite(value):
                raise TrainingDivergedError(
                    f"the {metric.split} {metric.measure} is {value} after step {step}"
                )
        for lowest in self._now.watch.settle(values.get("validation_loss", np.inf)):
            records.append(*lowest)
        records.append(step, values)
        if step < last:
            records.checkpoint(self._checked_state)
        else:
            self._checked_state()

    def _training_metrics(self) -> dict[str, float]:
        return measured("train", *self._now.program.metrics())

    def _evaluations(self) -> dict[str, float]:
        self._now.network.unite_statistics()
        values: dict[str, float] = {}
        for split, evaluate in self._now.evaluators.items():
            values |= measured(split, *evaluate())
        return values

    def _checked_state(self) -> NetworkState:
        state = self._now.network.state()
        # Some activations hide it from the loss: on some CPUs, relu(NaN) is 0.
        name = first_not_finite(state.weights)
        if name is not None:
            raise TrainingDivergedError(
                f"{name} was finite at step {self._finite_at}, and is not at step {state.step}"
            )
        self._finite_at = state.step
        return state
