"""Trains one level of an experiment, from where it was left."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache

import numpy as np

from tf_lottery.data import Split, epoch_order
from tf_lottery.experiments.setup import Experiment
from tf_lottery.report.progress import ProgressReporter
from tf_lottery.report.summary import LevelSummary, early_stop
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.metrics import MetricsLog
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.evaluation import Evaluator
from tf_lottery.training.event_log import EventLog
from tf_lottery.training.execution import choose_execution
from tf_lottery.training.loop import StepCallback, TrainingDivergedError, train
from tf_lottery.training.network import NetworkState
from tf_lottery.training.program import TrainingProgram

METRICS_COLUMNS = (
    "step",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)

# Saving the state may take this share of the time; small networks would else mostly save.
_CHECKPOINT_SHARE = 0.03


class LevelTrainer:
    """Trains levels, evaluates on the way, and keeps what a killed process needs to go on."""

    def __init__(
        self,
        experiment: Experiment,
        run: RunFolder,
        journal: RunJournal,
        progress: ProgressReporter,
    ):
        """Places the data.

        Args:
          experiment: network, data and lengths.
          run: where checkpoints and metrics go.
          journal: takes the rewind state.
          progress: is told of everything.
        """
        self._experiment, self._run, self._journal = experiment, run, journal
        self._progress = progress
        config, data, model = experiment.config, experiment.dataset, experiment.network.model
        plan = choose_execution(
            model,
            jit_compile=config.training.jit_compile,
            steps_per_execution=config.run.steps_per_execution,
            in_memory=config.run.in_memory,
            data_bytes=data.train.images.nbytes,
        )
        self._program = TrainingProgram(
            experiment.network,
            data.train.images,
            data.train.labels,
            batch_size=config.training.batch_size,
            weight_decay=config.training.weight_decay,
            plan=plan,
        )

        def evaluator(split: Split | None) -> Evaluator | None:
            return split and Evaluator(model, split.images, split.labels, plan)

        self._evaluators = {
            "validation": evaluator(data.validation),
            "test": evaluator(data.test),
        }

    def __call__(self, level: int) -> dict:
        """Trains a level from its first step or its last checkpoint to the end.

        Args:
          level: the network is at the level's first step.

        Returns:
          The level's summary, to be recorded.

        Raises:
          TrainingDivergedError: if a loss or a weight is not finite; names the level and the step.
        """
        lengths, network = self._experiment.lengths, self._experiment.network
        mask = network.mask
        self._folder = self._run.level(level)
        self._resume(level)
        self._progress.start_level(
            level,
            mask.density,
            network.step,
            lengths.train_steps,
            lengths.steps_per_epoch,
        )
        try:
            train(
                self._program,
                self._epoch_orders(level),
                lengths.steps_per_epoch,
                network.step,
                lengths.train_steps,
                self._callbacks(level),
                self._progress.advance,
            )
        except TrainingDivergedError as error:
            raise TrainingDivergedError(
                f"{error} of level {level}. Finished levels are kept in {self._run.path}; try a "
                "lower --learning_rate."
            ) from error
        self._events.close()
        self._log.write()
        summary = self._summarize(level, mask.density, mask.remaining)
        self._progress.finish_level(summary)
        return asdict(summary)

    def _resume(self, level: int) -> None:
        network = self._experiment.network
        checkpoint = self._folder.checkpoints.latest()
        if checkpoint is None:
            self._log = MetricsLog(self._folder.metrics_path, METRICS_COLUMNS)
            seconds = 0.0
        else:
            state = NetworkState.from_tensors(checkpoint.step, checkpoint.tensors)
            network.restore(state, network.mask)
            self._log = MetricsLog.load(
                self._folder.metrics_path, METRICS_COLUMNS, up_to_step=checkpoint.step
            )
            if len(self._log.rows) != checkpoint.record["rows"]:
                raise DamagedFileError(self._folder.metrics_path, "lacks rows or has too many")
            seconds = checkpoint.record["seconds"]
            self._progress.note(f"level {level} continues at step {checkpoint.step}")
        self._events = EventLog(self._run.tensorboard(level), self._log.rows)
        self._started = time.perf_counter() - seconds
        self._last_checkpoint, self._checkpoint_cost = time.perf_counter(), 0.0

    def _epoch_orders(self, level: int):
        config, examples = self._experiment.config, len(self._experiment.dataset.train)
        noise_level = 0 if config.training.same_data_order else level

        @lru_cache(maxsize=1)
        def order(epoch: int) -> np.ndarray:
            return epoch_order(config.data_seed, noise_level, epoch, examples)

        return order

    def _callbacks(self, level: int) -> list[StepCallback]:
        lengths, network = self._experiment.lengths, self._experiment.network
        callbacks = [StepCallback(lengths.evaluate_every, self._evaluate)]
        if level == 0 and network.step < lengths.rewind_step:

            def save_rewind_state(step: int) -> None:
                if step == lengths.rewind_step:
                    self._journal.save_rewind_state(network.state())

            # Before the evaluation, whose checkpoint would skip it on resuming.
            callbacks.insert(0, StepCallback(lengths.rewind_step, save_rewind_state, final=False))
        elif level == 0 and lengths.rewind_step == 0 and network.step == 0:
            self._journal.save_rewind_state(network.state())
        return callbacks

    def _evaluate(self, step: int) -> None:
        metrics = {"train": self._program.metrics()}
        metrics |= {name: run() for name, run in self._evaluators.items() if run is not None}
        row = {"step": step}
        for name, (loss, accuracy) in metrics.items():
            row |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
            if not np.isfinite(loss):
                raise TrainingDivergedError(f"the {name} loss is {loss} after step {step}")
        self._log.append(row)
        self._events.append(row)
        self._progress.update(step, row)
        if step < self._experiment.lengths.train_steps:
            self._save_checkpoint_if_cheap(step)
        else:
            self._check_weights(self._experiment.network.weights())

    def _save_checkpoint_if_cheap(self, step: int) -> None:
        started = time.perf_counter()
        if started - self._last_checkpoint < self._checkpoint_cost / _CHECKPOINT_SHARE:
            return
        # The log first: rows beyond the checkpoint are dropped on resuming, missing ones are lost.
        self._log.write()
        state = self._experiment.network.state()
        self._check_weights(state.weights)
        self._folder.checkpoints.save(
            step,
            state.tensors(),
            {"seconds": started - self._started, "rows": len(self._log.rows)},
        )
        self._last_checkpoint = time.perf_counter()
        self._checkpoint_cost = self._last_checkpoint - started

    def _check_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        # Some activations hide it from the loss: on a CPU, relu(NaN) is 0.
        for name, array in weights.items():
            if not np.isfinite(array).all():
                raise TrainingDivergedError(
                    f"{name} is not finite at step {self._experiment.network.step}"
                )

    def _summarize(self, level: int, density: float, weights_remaining: int) -> LevelSummary:
        last = self._log.rows[-1]
        step, accuracy = early_stop(self._log.rows)
        return LevelSummary(
            level=level,
            density=density,
            weights_remaining=weights_remaining,
            test_accuracy=last["test_accuracy"],
            test_loss=last["test_loss"],
            early_stop_step=step,
            early_stop_test_accuracy=accuracy,
            seconds=time.perf_counter() - self._started,
        )
