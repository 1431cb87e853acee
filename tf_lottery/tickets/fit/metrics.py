"""What Keras logs, as numbers."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tf_lottery.messages import warn_user


def numbers_in(logs: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among the logs of an epoch, or of what a training loop returned.

    Args:
      logs: name to value. Metrics such as `F1Score` have a value per class, and callbacks may put
        anything there.

    Returns:
      Name to number; an array of several gives one of each, with its place behind the name:
      `f1_score_0`, `f1_score_1`, ... What is no number is left out.
    """
    found: dict[str, float] = {}
    for name, value in logs.items():
        array = _array(value)
        if array is not None and array.size == 1:
            found[name] = float(array.reshape(()))
        elif array is not None:
            places = np.ndindex(array.shape)
            found |= {"_".join(map(str, (name, *place))): float(array[place]) for place in places}
    return found


def warn_of_unrecorded(logs: Mapping[str, Any], recorded: Iterable[str]) -> None:
    """Warns of logs that are no numbers, and so are in no record.

    Args:
      logs: as of `numbers_in`.
      recorded: names of the numbers that it has found.
    """
    known = set(recorded)
    lost = [name for name, value in logs.items() if name not in known and _array(value) is None]
    if lost:
        warn_user(
            f"{', '.join(lost)} in the logs of training: no number, and not recorded.",
        )


def _array(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return None
