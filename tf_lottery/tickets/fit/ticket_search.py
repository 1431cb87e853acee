"""A search of one model: what `IterativeMagnitudePruning` and `PruneAndRewind` both drive."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import check_path
from tf_lottery.messages import tell, warn_user
from tf_lottery.tickets.fit.empty_layer_warning import warn_of_empty_layers
from tf_lottery.tickets.fit.evidence import Batch, build_fit_evidence
from tf_lottery.tickets.fit.fingerprint import differences, fingerprint
from tf_lottery.tickets.fit.folder_journal import FolderJournal, hold_folder, let_go_of_folder
from tf_lottery.tickets.fit.history import LevelResult, SearchHistory
from tf_lottery.tickets.fit.level_checks import (
    check_initial_weights,
    check_level,
    check_not_pruned,
    checked,
    warn_of_frozen,
)
from tf_lottery.tickets.fit.memory_journal import MemoryJournal
from tf_lottery.tickets.fit.metrics import numbers_in, warn_of_unrecorded
from tf_lottery.tickets.fit.pruned_weights import check_own_mask
from tf_lottery.tickets.fit.random_layers import random_layers
from tf_lottery.tickets.fit.search_arguments import SearchArguments
from tf_lottery.tickets.imp import LevelToTrain, iterative_magnitude_pruning
from tf_lottery.training.network import Network, NetworkState
from tf_lottery.training.workers import Workers


class TicketSearch:
    """Gives the levels to train, one after the other, and keeps what they leave behind.

    Attributes:
      network: that is searched.
      levels: number of prunings; the most there may be if the pruning rate is chosen.
      journal: where the levels are kept.
      history: results of the levels so far.
      steps_per_epoch: of the training, where it is known.
    """

    def __init__(
        self,
        arguments: SearchArguments,
        model: Any,
        optimizer: Any,
        folder: str | Path | None = None,
    ):
        """Plans the search of a model.

        Args:
          arguments: how it is pruned, and trained again.
          model: with the initial weights, prunable and compiled.
          optimizer: that trains it.
          folder: where the levels are kept; another process may have begun to make use of it.

        Raises:
          ValueError: as the constructor of `IterativeMagnitudePruning`.
        """
        self._arguments = arguments
        self._pruner, self.levels = arguments.planned(model)
        with model.distribute_strategy.scope():
            self.network = Network(model, optimizer)
        check_not_pruned(model)
        check_initial_weights(self.network)
        warn_of_frozen(model)
        self._seed = random.getrandbits(64)
        self._initial_state: NetworkState | None = None
        self.steps_per_epoch: int | None = None
        self.history = SearchHistory()
        self._training: Mapping[str, int | None] = {}
        self._other_data: list[str] = []
        self._mask_of_level, self._step_of_level = self.network.mask, 0
        self.journal: MemoryJournal | FolderJournal = MemoryJournal()
        if folder is None:
            return
        check_path("folder", folder)
        if Workers(model.distribute_strategy).count > 1:
            raise ValueError(
                f"folder={folder}: a search on several workers is kept in memory alone; leave the "
                "argument out."
            )
        described = arguments.described(self.network, self.levels)
        self.journal = FolderJournal(folder, described)
        self._take_up(self.journal)

    @contextmanager
    def opened(
        self,
        epochs: int | None,
        iterations: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Iterator[None]:
        """Has the folder for itself in the block, if there is one, and goes on from what it holds.

        Args:
          epochs: length of training; None if `iterations` says it.
          iterations: the same, in a loop of the user's.
          data: what is trained on, by the names of the arguments of `fit`, where it is known.

        Raises:
          ValueError: if another process works in the folder, or the length was another.
        """
        training = {"epochs": epochs, "iterations": iterations}
        if not isinstance(self.journal, FolderJournal):
            self._check_same_length(training)
            yield
            return
        arrays = fingerprint(data or {})
        with self.journal.opened(training, self._seed, arrays):
            self._take_up(self.journal)
            self._other_data = differences(self.journal.data, arrays)
            try:
                yield
            except KeyboardInterrupt:
                self._tell_interrupted(self.journal)
                raise

    def hold(self, epochs: int) -> None:
        """Opens the folder as `opened` does, until `let_go` or until another search holds it."""
        if isinstance(self.journal, FolderJournal):
            hold_folder(self.journal.path, self.opened(epochs))

    def let_go(self) -> None:
        """Lets others have the folder, if there is one."""
        if isinstance(self.journal, FolderJournal):
            let_go_of_folder(self.journal.path)

    def _check_same_length(self, training: Mapping[str, int | None]) -> None:
        if self.history.levels and training != self._training:
            for name, value in training.items():
                if value != self._training[name]:
                    raise ValueError(
                        f"{name}={value}: {len(self.history.levels)} levels of this search were "
                        f"trained with {name}={self._training[name]}, and are not trained again; "
                        "make a new search."
                    )
        self._training = training

    def set_steps_per_epoch(self, steps: int) -> None:
        """Says how long an epoch is.

        Raises:
          ValueError: if the levels that are finished had epochs of another length.
        """
        known = self.steps_per_epoch if self.history.levels else None
        if known not in (None, steps):
            raise ValueError(
                f"an epoch has {steps} iterations, and had {known} at the levels of this search "
                "that are finished, and are not trained again: give data of the same length and "
                "the same batch_size, or make a new search."
            )
        self.steps_per_epoch = steps

    def to_train(
        self, read_batches: Callable[[], Iterable[Batch]], train_steps: int | None
    ) -> Iterator[LevelToTrain]:
        """Prunes and rewinds the network level after level; warns of layers without any weight.

        Args:
          read_batches: returns the examples that pruning looks at.
          train_steps: iteration at which training ends; for fine-tuning it has to be known.

        Yields:
          Each level that is not finished, to be trained. At the end the network is the last one; if
          there was none to train, that is said.

        Raises:
          ValueError: if the score cannot be taken of this model or data.
        """
        network, journal, arguments = self.network, self.journal, self._arguments
        evidence = build_fit_evidence(
            network.model, read_batches, lambda: journal.rewind_state().weights, self._seed
        )
        variant = arguments.variant(network, train_steps)
        if not journal.is_complete(0):
            network.unite_statistics()
            # Also when level 0 was interrupted before.
            self._initial_state = self._initial_state or replace(network.state(), step=0)
            network.rewind(self._initial_state, network.mask)
            self._pruner.check(network.weights(), network.mask, evidence(0))
        trained = False
        for level in iterative_magnitude_pruning(
            network,
            self._pruner,
            self.levels,
            journal,
            evidence=evidence,
            variant=variant,
            ends_with=lambda level: self._ends(),
            rewind_optimizer=arguments.rewind_optimizer,
        ):
            self._initial_state = None if level.number else self._initial_state
            warn_of_empty_layers(level.number, network.mask)
            if level.number and not trained:
                self._warn_of_random_layers(level.number)
                self._warn_of_other_data(level.number)
            trained = True
            self._mask_of_level, self._step_of_level = network.mask, network.step
            yield level
        self.history.ended = arguments.stopping.end(self.history.levels)
        if not trained:
            # In another process, perhaps.
            self.set_last()
            in_memory = isinstance(self.journal, MemoryJournal)
            again = "A new search" if in_memory else "A search in another folder"
            tell(
                "All levels of this search are finished: nothing was trained, and the data were "
                f"not looked at. {again} trains again."
            )

    def check_metrics(self, logs: Mapping[str, Any] | None, *, seldom: bool = False) -> None:
        """Checks that what ends the search is among the metrics of an epoch.

        Args:
          logs: those of Keras.
          seldom: whether there may be epochs without validation.

        Raises:
          ValueError: if it is not.
        """
        stopping = self._arguments.stopping
        may_lack = seldom and (stopping.metric or "val_").startswith("val_")
        validated = any(name.startswith("val_") for name in logs or {})
        if stopping.rule is not None and (validated or not may_lack):
            stopping.metric_in(numbers_in(logs or {}))

    def _ends(self) -> bool:
        """Whether one of the levels has ended the search; says so."""
        end = self._arguments.stopping.end(self.history.levels)
        if end is not None:
            tell(end)
        return end is not None

    def _warn_of_random_layers(self, level: int) -> None:
        """Warns if a level will have other random numbers than without the interruption."""
        if names := random_layers(self.network.model):
            warn_user(
                f"The search goes on with level {level}. Random numbers of {', '.join(names)} are "
                "not kept with the levels: those to come differ from an uninterrupted search's.",
            )

    def _warn_of_other_data(self, level: int) -> None:
        """Warns if the levels before were trained on other arrays."""
        if self._other_data:
            warn_user(
                f"The search goes on with level {level} on other data than the levels before: "
                f"{'; '.join(self._other_data)}. If that is not on purpose, choose another folder "
                "to search with these data.",
            )

    def _warn_of_idle_optimizer(self, iterations: int | None) -> None:
        """Warns if a level was trained, and not by the optimizer that is rewound."""
        if (iterations or 0) > self._step_of_level == self.network.step:
            warn_user(
                f"the optimizer that this search rewinds ({type(self.network.optimizer).__name__}) "
                "has taken no step. If another one trains the model, it goes on from level to "
                "level with what it holds: give that one as optimizer=.",
            )

    def set_last(self) -> None:
        """Makes the network that of the last level that is finished."""
        self.network.set_weights(*self.journal.load(self.history.levels[-1].level))

    def state(self) -> NetworkState:
        """The network as it is to be rewound to.

        Raises:
          TrainingDivergedError: if a weight is not finite.
        """
        self.network.unite_statistics()
        return checked(self.network.state(), 0)

    def record(
        self,
        level: int,
        metrics: Mapping[str, Any],
        first_bad_step: Callable[[], int | None] = lambda: None,
        **ended: Any,
    ) -> dict[str, Any]:
        """Puts a level that is trained into the history.

        Args:
          level: the level.
          metrics: of its network; see `numbers_in`.
          first_bad_step: as in `check_level`.
          **ended: how it ended, as in `LevelResult`.

        Returns:
          What is to be recorded of it in the journal.

        Raises:
          TrainingDivergedError: if a loss or a weight is not finite.
          ValueError: if training has changed the mask.
        """
        numbers = numbers_in(metrics)
        warn_of_unrecorded(metrics, numbers)
        self.network.unite_statistics()
        check_level(level, numbers, self.network, first_bad_step)
        mask = self.network.mask
        check_own_mask(mask, self._mask_of_level, level)
        self._warn_of_idle_optimizer(ended.get("iterations"))
        self.history.levels.append(
            LevelResult(level, mask.density, mask.remaining, numbers, **ended)
        )
        return {"metrics": numbers, "steps_per_epoch": self.steps_per_epoch, **ended}

    def _tell_interrupted(self, journal: FolderJournal) -> None:
        level = len(journal.results())
        if level <= self.levels:
            # Below the progress bar of Keras, which ends without a new line.
            tell(f"\nInterrupted at level {level}. The same script goes on with it.")

    def _take_up(self, journal: FolderJournal) -> None:
        """Goes on from what is in the folder now."""
        self._seed = journal.seed or self._seed
        self.history.levels[:] = journal.results()[: self.levels + 1]
        if self.history.levels:
            self.steps_per_epoch = journal.record(0)["steps_per_epoch"]
