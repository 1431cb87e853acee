"""What callbacks carry over from one level to the next, so that levels are not trained alike."""

import numbers
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_lottery.masking.keras_versions import is_of_keras, keras_class_names
from tf_lottery.messages import warn_user

_INSTEAD = "give {0}=lambda level: [...]"
# As Keras' own call what they compare epochs with and count: other numbers may be meant to stay.
_COMPARED = re.compile(r"best|wait|cooldown|lowest|highest|stopped")


class CarriedState:
    """Warns of callbacks of the user's that go on with the numbers that a level has left in them.

    Those of Keras begin anew; of the others `warn_of_files` tells.
    """

    def __init__(self, argument: str):
        """Begins before the first level; `argument` is where the callbacks are from."""
        self._argument = argument
        self._first: dict[int, dict[str, Any]] = {}
        self._left: dict[int, dict[str, Any]] = {}
        self._told: set[int] = set()

    def begin(self, level: int, callbacks: Sequence[Any]) -> None:
        """Looks at the callbacks of a level; to be called after their `on_train_begin`."""
        for callback in callbacks:
            key, now = id(callback), _numbers(callback)
            first, left = self._first.setdefault(key, now), self._left.get(key, {})
            carried = [
                f"{name}={value}"
                for name, value in now.items()
                if name in left and _same(value, left[name])
                if not (name in first and _same(value, first[name]))
            ]
            if carried and key not in self._told:
                self._told.add(key)
                warn_user(
                    f"{type(callback).__name__}: level {level} begins with what the level before "
                    f"has left in it ({', '.join(carried)}), which level 0 did not have. Let its "
                    f"on_train_begin, which is called for each level, set it back; or "
                    f"{_INSTEAD.format(self._argument)}, with a new one for each level, or with "
                    "this one, if it is to go on.",
                )

    def end(self, callbacks: Sequence[Any]) -> None:
        """Looks at what a level has left in its callbacks."""
        self._left = {id(callback): _numbers(callback) for callback in callbacks}


def warn_of_files(argument: str, callbacks: Any, levels: int) -> None:
    """Warns of callbacks whose file holds one level alone, though they are given to all.

    Args:
      argument: where they are from.
      callbacks: a list, or a function from level to one, which may name files by level.
      levels: number of prunings.
    """
    if callable(callbacks) or not levels:
        return
    for callback in callbacks:
        if found := _file_of_one_level(callback):
            warn_user(
                f"{type(callback).__name__}{found}. For a file of each level "
                f"{_INSTEAD.format(argument)}, with other names for each.",
            )


def warn_of_one_training(callbacks: Sequence[Any], levels: int) -> None:
    """Warns of callbacks beside `PruneAndRewind` that compare epochs of one level with others'.

    Args:
      callbacks: of the `fit` around it.
      levels: number of prunings.
    """
    for callback in callbacks if levels else ():
        kinds = {"EarlyStopping", "ReduceLROnPlateau"}.intersection(keras_class_names(callback))
        if kinds or getattr(callback, "save_best_only", False):
            warn_user(
                f"{type(callback).__name__} beside PruneAndRewind compares the epochs of a level "
                "with those of the levels before, and waits on where they ended: to it all levels "
                "are one training. Put it into PruneAndRewind(level_callbacks=[...]), where it "
                "begins anew with each level.",
            )


def warn_of_later(callbacks: Sequence[Any], search: Any) -> None:
    """Warns of callbacks behind `PruneAndRewind` that may save or measure what it has rewound.

    Args:
      callbacks: of the `fit` around it, in their order.
      search: the `PruneAndRewind`.
    """
    places = [place for place, callback in enumerate(callbacks) if callback is search]
    for callback in callbacks[places[-1] + 1 :] if places else ():
        if "ModelCheckpoint" in keras_class_names(callback) or _acts_at_epoch_end(callback):
            warn_user(
                f"{type(callback).__name__} behind PruneAndRewind finds the model, at the end of a "
                "level, with the weights that the next level begins with. Put PruneAndRewind last "
                "among the callbacks.",
            )


def _acts_at_epoch_end(callback: Any) -> bool:
    """Whether what a callback does at the end of an epoch is the user's."""
    method = callback.on_epoch_end
    return not is_of_keras(getattr(method, "__func__", method))


def _file_of_one_level(callback: Any) -> str | None:
    """What is lost of a callback's file; None if nothing is."""
    names = keras_class_names(callback)
    if getattr(callback, "save_best_only", False):
        return (
            "(save_best_only=True) is one for all levels, and its file will hold the best of them, "
            "which may be the dense network"
        )
    if "ModelCheckpoint" in names and "{" in str(getattr(callback, "filepath", "")):
        return " is one for all levels: each of them writes over the files of the one before"
    if "CSVLogger" in names and not getattr(callback, "append", True):
        return (
            " begins its file anew with each level, so that it will hold the last one alone; "
            "CSVLogger(..., append=True) keeps all"
        )
    return None


def _numbers(callback: Any) -> dict[str, Any]:
    """What a callback of the user's compares epochs with and counts, by name, as far as known."""
    if is_of_keras(callback):
        return {}
    return {
        name: value
        for name, value in vars(callback).items()
        if _COMPARED.search(name)
        if value is None or isinstance(value, numbers.Number | np.generic)
    }


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other or (value != value))
