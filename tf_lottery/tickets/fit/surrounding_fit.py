"""What the `model.fit` around a callback was given, of which Keras tells callbacks little."""

import inspect
from collections.abc import Mapping
from typing import Any

from tf_lottery.tickets.fit.carried_state import warn_of_one_training
from tf_lottery.tickets.fit.data import check_ends
from tf_lottery.tickets.fit.labels import check_fit_labels


def check_surrounding_fit(model: Any, levels: int) -> None:
    """Checks the `fit` that is running; nothing where it is not that of Keras.

    Args:
      model: that is trained.
      levels: number of prunings.

    Raises:
      ValueError: as `check_fit_labels` and `check_ends`.
    """
    given = _arguments_of_fit(model)
    check_ends(given)
    check_fit_labels(model, given.get("y"), given)
    # Keras has made a list of its own of what it was given.
    warn_of_one_training(getattr(given.get("callbacks"), "callbacks", []), levels)


def _arguments_of_fit(model: Any) -> Mapping[str, Any]:
    frame = inspect.currentframe()
    while frame is not None:
        given = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if given.get("self") is model and "callbacks" in given:
            return given
        frame = frame.f_back
    return {}
