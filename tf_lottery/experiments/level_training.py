"""Trains one level of an experiment, from where it was left."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tf_lottery.data import Epoch
from tf_lottery.experiments.early_stopping import ValidationWatch
from tf_lottery.experiments.feeding import build_evaluators, build_program, find_hardest_examples
from tf_lottery.experiments.level_records import LevelRecords
from tf_lottery.experiments.setup import Experiment
from tf_lottery.store.schema import METRICS, measured
from tf_lottery.training.divergence import TrainingDivergedError, first_not_finite
from tf_lottery.training.loop import StepCallback, train
from tf_lottery.training.network import NetworkState
from tf_lottery.training.workers import Message, Workers


class LevelTrainer:
    """Trains levels, evaluates on the way, and keeps what a killed process needs to go on."""

    def __init__(
        self,
        experiment: Experiment,
        records_of: Callable[[int], LevelRecords],
        workers: Workers,
    ):
        """Places the data.

        Args:
          experiment: network, data and lengths.
          records_of: the records of a level.
          workers: those that train together.
        """
        self._experiment, self._records_of, self._workers = experiment, records_of, workers
        part = experiment.compiled.part
        self._program = part("program", lambda: build_program(experiment))
        self._evaluators = part("evaluators", lambda: build_evaluators(experiment))
        hardest = part("hardest", lambda: find_hardest_examples(experiment))
        self._watch = ValidationWatch(experiment.network, self._evaluators, hardest)

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
          TrainingDivergedError: if a loss or a weight is not finite; names the level and the step.
        """
        lengths, network = self._experiment.lengths, self._experiment.network
        mask, records = network.mask, self._records_of(level)
        last = lengths.last(network.step)
        resumed = self._resume(records)
        self._finite_at = network.step
        records.start(mask, network.step, last)
        if not resumed:
            evaluations = self._evaluations()
            records.append(network.step, evaluations)
            self._watch.begin(evaluations.get("validation_loss", np.inf))
        try:
            train(
                self._program,
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
            raise TrainingDivergedError(
                f"{error} of level {level}. {kept} a lower --learning_rate."
            ) from error
        return records.finish(mask)

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
        network = self._experiment.network
        network.restore(NetworkState.from_tensors(step, tensors), network.mask)
        self._watch.begin(np.inf if lowest_loss is None else lowest_loss)
        return True

    def _epoch(self, level: int, number: int) -> Epoch:
        config = self._experiment.config
        return Epoch(config.data_seed, 0 if config.training.same_data_order else level, number)

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
                    self._watch.look(step, self._training_metrics)

            callbacks.insert(0, StepCallback(lengths.validate_every, look, final=False))
        return callbacks

    def _savers(
        self,
        level: int,
        records: LevelRecords,
        save_rewind_state: Callable[[NetworkState], None] | None,
    ) -> list[StepCallback]:
        """What saves states on the way: that of the rewind step, and of level 0 others."""
        lengths, network = self._experiment.lengths, self._experiment.network
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
        self._experiment.network.unite_statistics()
        save(self._checked_state())

    def _evaluate(self, step: int, records: LevelRecords, last: int) -> None:
        values = self._training_metrics() | self._evaluations()
        for metric in METRICS:
            value = values.get(metric.column)
            if value is not None and not np.isfinite(value):
                raise TrainingDivergedError(
                    f"the {metric.split} {metric.measure} is {value} after step {step}"
                )
        for lowest in self._watch.settle(values.get("validation_loss", np.inf)):
            records.append(*lowest)
        records.append(step, values)
        if step < last:
            records.checkpoint(self._checked_state)
        else:
            self._checked_state()

    def _training_metrics(self) -> dict[str, float]:
        return measured("train", *self._program.metrics())

    def _evaluations(self) -> dict[str, float]:
        self._experiment.network.unite_statistics()
        values: dict[str, float] = {}
        for split, evaluate in self._evaluators.items():
            values |= measured(split, *evaluate())
        return values

    def _checked_state(self) -> NetworkState:
        state = self._experiment.network.state()
        # Some activations hide it from the loss: on a CPU, relu(NaN) is 0.
        name = first_not_finite(state.weights)
        if name is not None:
            raise TrainingDivergedError(
                f"{name} was finite at step {self._finite_at}, and is not at step {state.step}"
            )
        self._finite_at = state.step
        return state
