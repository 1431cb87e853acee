"""The levels of a search that one `model.fit` trains, one after the other."""

from collections.abc import Callable
from typing import Any

from tf_lottery.masking.keras_versions import averages_weights
from tf_lottery.messages import tell
from tf_lottery.tickets.fit.arguments import check_callbacks
from tf_lottery.tickets.fit.callbacks import Callbacks
from tf_lottery.tickets.fit.carried_state import CarriedState
from tf_lottery.tickets.fit.last_level import LastLevel
from tf_lottery.tickets.fit.learning_rates import LearningRates
from tf_lottery.tickets.fit.level_end import check_rewind_step_reached
from tf_lottery.tickets.fit.level_in_fit import LevelInFit
from tf_lottery.tickets.fit.pruned_weights import check_pruned_weights
from tf_lottery.tickets.fit.ticket_search import TicketSearch
from tf_lottery.tickets.variants import Retraining, first_step, last_step
from tf_lottery.training.divergence import TrainingDivergedError


class LevelsInFit:
    """Prunes and rewinds between the batches of one `fit`; starts and ends callbacks of levels.

    Attributes:
      running: the level that is trained; None when all are finished.
      search: that the levels belong to.
    """

    def __init__(
        self,
        search: TicketSearch,
        lengths: tuple[int, int],
        retraining: Retraining,
        level_callbacks: Callbacks | Callable[[int], Callbacks],
        params: dict[str, Any],
        first_bad_step: Callable[[], int | None],
    ):
        """Plans the levels; `begin` starts the first one.

        Args:
          search: of the model that is trained.
          lengths: iteration at which training ends, and the rewind step.
          retraining: as of `PruneAndRewind`.
          level_callbacks: as of `PruneAndRewind`.
          params: of the `fit`, as Keras tells them to callbacks.
          first_bad_step: as in `level_checks.check_level`.
        """
        self.search = search
        self.running: LevelInFit | None = None
        self._model = search.network.model
        self._lengths = lengths
        self._rewind_step = lengths[1]
        self._retraining: Retraining = retraining
        self._level_callbacks, self._params = level_callbacks, params
        self._first_bad_step = first_bad_step
        self._rates = LearningRates(self._model.optimizer)
        self._carried = CarriedState("level_callbacks")
        self._last_level: LastLevel | None = None

    def begin(self, read_batches: Callable[[], Any]) -> None:
        """Starts the first level that is not finished.

        Args:
          read_batches: returns the examples that pruning looks at.
        """
        self._to_train = self.search.to_train(read_batches, self._lengths[0])
        self._begin_level()

    def begin_epoch(self, logs: Any) -> None:
        """Tells the callbacks of the level."""
        if self.running is not None:
            with self._rates.set_by_level():
                self.running.begin_epoch(logs)

    def begin_batch(self, batch: int, logs: Any) -> None:
        """Tells the callbacks of the level; looks at the learning rate with which it begins."""
        running = self.running
        if running is None:
            return
        if batch:
            running.begin_batch(batch, logs)
        else:
            with self._rates.set_by_level():
                running.begin_batch(batch, logs)
        number, iteration = running.level.number, running.iteration
        if number == 0 and iteration == self._rewind_step:
            self._rates.take_at_rewind_step()
        if batch == 0:
            sets = running.sets_within_epochs
            self._rates.check(number, iteration, sets_within_epochs=sets)

    def end_batch(self, batch: int, logs: Any, iterations: int) -> None:
        """Saves the state at the rewind step; ends a level that ends within an epoch."""
        running = self.running
        if running is None:
            # All levels were finished before; only now does Keras ask whether to stop.
            self.search.set_last()
            self._model.stop_training = True
            return
        running.end_batch(batch, logs, iterations)
        self._save_at_rewind_step(running)
        at_epoch_end = batch + 1 >= self._params["steps"]
        if running.iteration >= running.last and not at_epoch_end:
            self._end_level(running, logs, within_epoch=True)
            self._model.reset_metrics()

    def validate(self, hook: str, *arguments: Any) -> None:
        """Tells the callbacks of the level; `hook` is the name of their method."""
        if self.running is not None:
            self.running.validate(hook, *arguments)

    def end_epoch(self, running: LevelInFit, logs: Any) -> None:
        """Ends a level that ends with the epoch, now that validation is done."""
        self.search.check_metrics(logs, seldom=True)
        with self._rates.set_by_level():
            running.end_epoch(logs)
        if running.is_over:
            self._end_level(running, logs)

    def put_last_back(self, *, trained: bool) -> None:
        """Has the model keep the last level, whatever other callbacks have set at the end.

        Args:
          trained: whether this `fit` has trained anything.
        """
        last_level, self._last_level = self._last_level, None
        if last_level and not averages_weights(self._model):
            last_level.put_back()
        elif last_level and not trained:
            # Keras has assigned averages of weights, though nothing was trained.
            self.search.set_last()

    def _begin_level(self) -> None:
        """Prunes and rewinds, and starts the callbacks of the level, as `fit` would."""
        level = next(self._to_train, None)
        if level is None:
            self.running, self._last_level = None, LastLevel(self.search.network)
            self._model.stop_training = True
            return
        first = first_step(level.number, self._retraining, *self._lengths)
        given = self._level_callbacks
        callbacks = given(level.number) if callable(given) else given
        check_callbacks("level_callbacks", callbacks, self._model)
        last = last_step(first, *self._lengths)
        if level.number:
            self._rates.begin_level()
        with self._rates.set_by_level():
            self.running = LevelInFit(level, self._model, callbacks, self._params, first, last)
        self._carried.begin(level.number, () if callable(given) else callbacks)
        self._save_at_rewind_step(self.running)

    def _save_at_rewind_step(self, running: LevelInFit) -> None:
        if running.level.number == 0 and running.iteration == self._rewind_step:
            running.level.save_rewind_state(self.search.state())

    def _end_level(self, running: LevelInFit, logs: Any, *, within_epoch: bool = False) -> None:
        running.end(logs)
        if not averages_weights(self._model):
            check_pruned_weights(self._model)
        self._carried.end(running.callbacks)
        weights_at, metrics = (running.iteration, logs or {}) if within_epoch else running.kept()
        level = running.level
        if level.number == 0:
            self.search.check_metrics(metrics)
            check_rewind_step_reached(
                running.iteration, self._rewind_step, kept=level.rewind_state_kept, stopped=True
            )
        try:
            level.record = self.search.record(
                level.number,
                metrics,
                self._first_bad_step,
                iterations=running.iteration,
                stopped_early=running.iteration < running.last,
                weights_at=weights_at,
            )
        except TrainingDivergedError as error:
            raise TrainingDivergedError(
                f"{error}. Look for NaN in the data, which a callback does not see, or try a lower "
                "learning rate. Build the model anew to train again."
            ) from error
        if self._params.get("verbose"):
            # Below the progress bar of Keras, which ends without a new line.
            tell(f"\n{self.search.history.levels[-1]}")
        self._begin_level()
