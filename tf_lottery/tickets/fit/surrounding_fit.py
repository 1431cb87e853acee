"""What the `model.fit` around a callback was given, of which Keras tells callbacks little."""

import inspect
from collections.abc import Mapping
from typing import Any

from tf_lottery.tickets.fit.carried_state import warn_of_later, warn_of_one_training
from tf_lottery.tickets.fit.data import check_ends
from tf_lottery.tickets.fit.labels import check_fit_labels
from tf_lottery.tickets.fit.stopping import StoppingRule


def check_surrounding_fit(
    model: Any, search: Any, levels: int, epochs: int, stopping: StoppingRule
) -> None:
    """Checks the `fit` that is running; nothing where it is not that of Keras.

    Args:
      model: that is trained.
      search: the callback that the `fit` is around.
      levels: number of prunings.
      epochs: length of level 0.
      stopping: what may end the search.

    Raises:
      ValueError: as `check_fit_labels`, `check_ends` and `StoppingRule.check_fit`.
    """
    given = _arguments_of_fit(model)
    check_ends(given)
    check_fit_labels(model, given.get("y"), given)
    if given:
        stopping.check_fit(given, epochs)
    # Keras has made a list of its own of what it was given.
    callbacks = getattr(given.get("callbacks"), "callbacks", [])
    warn_of_one_training(callbacks, levels)
    warn_of_later(callbacks, search)


def _arguments_of_fit(model: Any) -> Mapping[str, Any]:
    frame = inspect.currentframe()
    while frame is not None:
        given = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if given.get("self") is model and "callbacks" in given:
            return given
        frame = frame.f_back
    return {}
