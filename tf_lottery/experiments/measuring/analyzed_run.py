"""A run folder with its network and its data, to be measured."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.config.alignment import Alignment
from tf_lottery.config.lines import Lines
from tf_lottery.data import Dataset, Split, StreamedDataset
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.running.feeding import build_evaluators
from tf_lottery.experiments.running.run_checks import (
    check_is_dataset,
    check_same_data,
    check_same_initial_weights,
)
from tf_lottery.experiments.running.setup import Experiment, prepare
from tf_lottery.experiments.running.skeleton import naming_unreadable
from tf_lottery.exporting.compaction.exchangeable import exchangeable_units
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution, check_same_network
from tf_lottery.landscape.statistics import StatisticsEstimator
from tf_lottery.landscape.weight_matching import aligned
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.needed_plugins import plugins_named
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_tensors import SealedTensors
from tf_lottery.tickets.load import check_network
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.network import NetworkState, weights_of

_LEVEL = re.compile(r"level_(\d+)")
_STATISTICS_EXAMPLES = 10_000


class AnalyzedRun(MeasuredRun):
    """A run folder with its network and its data, on one device."""

    def __init__(
        self,
        path: Path,
        here: Mapping[str, Any] | None = None,
        dataset: Dataset | StreamedDataset | None = None,
        *,
        expected: Mapping[str, Any] | None = None,
    ):
        """Loads the data.

        Args:
          path: the run folder, or the folder of a branch.
          here: as of `MeasuredRun`.
          dataset: your own data, if the experiment was run on them.
          expected: as of `MeasuredRun`.

        Raises:
          ValueError: if there is no such run, or the data or flags are not those it was made with.
        """
        super().__init__(path, here, expected=expected)
        check_is_dataset(dataset)
        with plugins_named(self.run.path), tf.distribute.get_strategy().scope():
            self.experiment: Experiment = prepare(self.config, dataset)
        check_same_data(self.run, self.experiment)
        check_network(self.run, self.experiment.details.network_sha256)
        check_same_initial_weights(self.run, self.experiment)

    def naming_unreadable(self) -> AbstractContextManager[None]:
        """Raises a `ValueError` that names images that turn out to be unreadable in streaming."""
        return naming_unreadable(self.experiment.dataset)

    def level(self, number: int) -> Solution:
        """The solution of a finished level."""
        return Solution(f"level {number}", *RunJournal(self.run).load(number))

    def solution(self, name: str) -> Solution:
        """Finds a solution by its path.

        Args:
          name: a path from the run folder: "level_3", "branches/random_mask/level_3",
            "../replicate_2/level_3", "rewind", or "level_3/checkpoint/step_500" of a level in
            training. What has no mask of its own has that of the weights other than 0.

        Raises:
          ValueError: if there is no such solution, its files are damaged, or it is one of another
            network.
        """
        weights, mask = self._load(name)
        network = self.experiment.network
        own = Solution(str(self.run.path), weights_of(network.model), network.mask)
        check_same_network(own, Solution(name, weights, network.mask))
        if mask is None:
            mask = Mask({kernel: weights[kernel] != 0 for kernel in network.mask})
        return Solution(name, weights, mask)

    def _load(self, name: str) -> tuple[Weights, Mask | None]:
        path = self.run.path / name
        match = _LEVEL.fullmatch(path.name)
        if match:
            journal = RunJournal(RunFolder.read(path.parent))
            if not journal.is_complete(int(match[1])):
                raise RunFolderError(f"--solutions: {name} is not finished in {self.run.path}.")
            return journal.load(int(match[1]))
        sealed = SealedTensors(path)
        # A folder of anything else is not called damaged.
        if not any(path.glob("seal.json")) and not any(path.glob("tensors.*")):
            raise RunFolderError(
                f"--solutions: there is no {name} in {self.run.path}; write level_3, "
                "branches/LABEL/level_3, ../replicate_2/level_3 or rewind."
            )
        return NetworkState.from_tensors(0, sealed.load()[0]).weights, None

    def evaluator(self, lines: Lines) -> SolutionEvaluator:
        """Evaluates any weights of the run's network.

        Args:
          lines: how those on lines are, and on which splits.

        Raises:
          ValueError: if that needs training data in memory, and they are streamed.
        """
        evaluators = build_evaluators(self.experiment, lines.splits)
        missing = set(lines.splits) - set(evaluators)
        if missing:
            raise ValueError(
                f"--line_split: the {missing.pop()} data are streamed; only those that are held in "
                "memory can be measured; use test."
            )
        estimates = lines.line_statistics == "estimated"
        estimator = self._statistics_estimator if estimates else None
        return SolutionEvaluator(self.experiment.network.model, evaluators, estimator)

    def aligner(self, alignment: Alignment) -> Callable[[Solution, Solution], Solution]:
        """What puts the units of a second solution of the network in the order of a first one's.

        Args:
          alignment: how; with "none" the second solution stays as it is.

        Returns:
          `(first, second)` to the second solution, its mask permuted along.

        Raises:
          ValueError: if it is not known which units of the network can change places; names the
            layer.
        """
        if alignment.align == "none":
            return lambda first, second: second
        try:
            groups = exchangeable_units(self.experiment.network.model)
        except ValueError as error:
            raise ValueError(f"--align={alignment.align}: {error}") from error
        return lambda first, second: aligned(first, second, groups)

    @cached_property
    def _statistics_estimator(self) -> StatisticsEstimator:
        train, config = self.experiment.dataset.train, self.experiment.config
        if not isinstance(train, Split):
            raise ValueError(
                "--line_statistics=estimated needs training data that are held in memory; use "
                "interpolated."
            )
        batch = min(config.training.batch_size, len(train))
        # Data may be stored by class. The same examples for all points of all runs on these data.
        order = np.random.Generator(np.random.Philox(0)).permutation(len(train))
        images = train.images[order[: max(batch, _STATISTICS_EXAMPLES)]]
        return StatisticsEstimator(self.experiment.network.model, images, batch)
