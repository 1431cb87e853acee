"""How a level around `model.fit` ended: whether it is as long as planned, and what it keeps."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import GEN_CLOSED, getgeneratorstate, isgenerator
from typing import Any

import numpy as np

from tf_lottery.tickets.fit.callbacks import LevelWatch

# Advice for data that run out, whatever kind they are.
_REPEAT = (
    "Let them last: dataset.repeat() with steps_per_epoch, or a generator that goes on by itself "
    "(`while True:`); or leave steps_per_epoch out and say how many batches an epoch of a data set "
    "has, with dataset.apply(tf.data.experimental.assert_cardinality(number)); or give arrays"
)


@dataclass(frozen=True)
class LevelEnd:
    """The end of a level.

    Attributes:
      metrics: the logs of Keras that belong to the weights that are kept.
      iterations: iteration at which training ended.
      stopped_early: whether a callback ended it, before its planned end.
      weights_at: iteration of the weights that are kept: an earlier one if a callback gave the best
        ones back.
    """

    metrics: dict[str, float]
    iterations: int
    stopped_early: bool
    weights_at: int

    def record(self) -> dict[str, Any]:
        """What goes beside the metrics into the record of a level."""
        return {
            "iterations": self.iterations,
            "stopped_early": self.stopped_early,
            "weights_at": self.weights_at,
        }


def level_end(
    level: int,
    planned: int,
    watch: LevelWatch,
    logs: Mapping[str, Sequence[Any]],
    callbacks: Sequence[Any],
    fit_arguments: Mapping[str, Any],
) -> LevelEnd:
    """Looks at how a call of `fit` ended.

    Args:
      level: the level.
      planned: iteration at which it should have ended.
      watch: the callback that watched the level.
      logs: the history of Keras.
      callbacks: of the user's.
      fit_arguments: further arguments of `fit`.

    Returns:
      The end; without metrics if nothing was left to train of a level that was resumed.

    Raises:
      ValueError: as `check_length`.
    """
    stopped = watch.model.stop_training and watch.iteration < planned
    check_length(level, watch.iteration, planned, stopped)
    if not watch.epochs_seen:
        return LevelEnd({}, watch.iteration, stopped, watch.iteration)
    epoch = kept_epoch(watch.model, callbacks, watch.epochs_seen[-1])
    freq = fit_arguments.get("validation_freq") or 1
    return LevelEnd(
        metrics_of_epoch(logs, watch.epochs_seen, epoch, freq),
        watch.iteration,
        stopped,
        watch.end_of_epoch(epoch),
    )


def check_length(level: int, reached: int, planned: int, stopped: bool) -> None:
    """Checks that a level did as many iterations as planned, unless a callback stopped it.

    Args:
      level: the level.
      reached: iteration at which `fit` ended.
      planned: iteration at which it should have.
      stopped: whether a callback asked it to stop.

    Raises:
      ValueError: if it is shorter or longer; says what to do.
    """
    if reached < planned and not stopped:
        raise _ran_out(level, reached, planned)
    if reached > planned:
        raise ValueError(
            f"level {level} went on to iteration {reached}, but was to end at {planned}: the "
            f"epochs of the data differ in length. Give steps_per_epoch, and data that repeat. "
            "Nothing of this level is recorded."
        )


@contextmanager
def naming_ended_generator(
    x: Any, level: int, first: int, planned: int | None, watch: LevelWatch
) -> Iterator[None]:
    """Has an error of Keras say that the data ran out, if they did before the level began.

    Args:
      x: what is given to `fit` as x.
      level: the level.
      first: iteration at which it begins.
      planned: iteration at which it is to end, where it is known.
      watch: the callback that watches the level.

    Raises:
      ValueError: in place of that error.
    """
    try:
        yield
    except (StopIteration, ValueError) as error:
        ended = isgenerator(x) and getgeneratorstate(x) == GEN_CLOSED
        if ended and planned is not None and not watch.epochs_seen:
            raise _ran_out(level, first, planned) from error
        raise


def check_rewind_step_reached(reached: int, rewind_step: int, *, kept: bool, stopped: bool) -> None:
    """Checks that level 0 came past the rewind step.

    Args:
      reached: iteration at which level 0 ended.
      rewind_step: iteration whose state is kept on the way.
      kept: whether it was, by this training or by one that it resumes.
      stopped: whether a callback ended level 0.

    Raises:
      ValueError: if it was not kept.
    """
    if not kept:
        ended = "a callback stopped level 0" if stopped else "level 0 ended"
        raise ValueError(
            f"{ended} at iteration {reached}, before the rewind step {rewind_step}; rewind to an "
            "earlier step, or let level 0 train longer."
        )


def check_resumed(first: int, rewind_step: int, *, kept: bool) -> None:
    """Checks that a level 0 that a callback resumes has what is needed to go on.

    Args:
      first: iteration at which it is resumed.
      rewind_step: iteration whose state level 0 is to keep.
      kept: whether the journal has the state.

    Raises:
      ValueError: if the rewind step is passed and its state is lost.
    """
    if first > rewind_step and not kept:
        raise ValueError(
            f"level 0 is resumed at iteration {first} (by BackupAndRestore), after the rewind step "
            f"{rewind_step}, whose state was kept in memory alone. Give the search a folder=, "
            "which keeps it, or delete the backup, so that level 0 begins anew."
        )


def kept_epoch(model: Any, callbacks: Iterable[Any], last: int) -> int:
    """The epoch at whose end the model had the weights that it has now.

    Args:
      model: as `fit` left it.
      callbacks: that were given to `fit`.
      last: the last epoch.

    Returns:
      `last`, or the best epoch of a callback such as EarlyStopping that has given its weights back.
    """
    weights = None
    for callback in callbacks:
        best = getattr(callback, "best_weights", None)
        if getattr(callback, "restore_best_weights", False) and best is not None:
            weights = model.get_weights() if weights is None else weights
            if len(best) == len(weights) and all(map(np.array_equal, best, weights)):
                return int(callback.best_epoch)
    return last


def metrics_of_epoch(
    logs: Mapping[str, Sequence[Any]],
    epochs: Sequence[int],
    epoch: int,
    validation_freq: int | Collection[int] = 1,
) -> dict[str, Any]:
    """The logs of one epoch.

    Args:
      logs: name to a value per epoch, as in the history of Keras; per validated epoch for
        validation results.
      epochs: numbers of the epochs.
      epoch: one of them.
      validation_freq: as in `model.fit`.

    Returns:
      Name to the value of that epoch, or of the last validated one before it; what was first
      measured later is not among them.
    """
    if isinstance(validation_freq, Collection):
        validated = [number for number in epochs if number + 1 in validation_freq]
    else:
        validated = [number for number in epochs if (number + 1) % validation_freq == 0]

    def upto(each: Sequence[Any]) -> Sequence[Any]:
        known = epochs if len(each) == len(epochs) else validated
        return each[: sum(number <= epoch for number in known)]

    return {name: upto(each)[-1] for name, each in logs.items() if upto(each)}


def _ran_out(level: int, reached: int, planned: int) -> ValueError:
    return ValueError(
        f"level {level} ended at iteration {reached} of {planned}, as the data ran out. {_REPEAT}. "
        "Nothing of this level is recorded."
    )
