"""Finds out whether one `model.fit` was given a search twice."""

from typing import Any
from weakref import WeakKeyDictionary


class OnePerFit:
    """Each `PruneAndRewind` has one, which refuses to begin beside another in the same `fit`.

    Attributes:
      begun: whether a `fit` has begun and not ended; one that is interrupted does not end.
    """

    def __init__(self):
        """Is given to no model yet."""
        self.begun = False

    def given_to(self, model: Any) -> None:
        """Says that `fit` of this model is about to begin; Keras tells all callbacks before any."""
        self.begun, _GIVEN_LAST[model] = False, self

    def begin(self, model: Any) -> None:
        """Says that it begins.

        Raises:
          ValueError: if it has begun already, or another was given to the same `fit`.
        """
        if self.begun or _GIVEN_LAST.get(model) is not self:
            raise ValueError(
                "callbacks: PruneAndRewind is given twice to one fit, where each would prune and "
                "rewind what the other trains; give one, and the other to the fit of another model."
            )
        self.begun = True

    def end(self) -> None:
        """Says that it has ended."""
        self.begun = False


# What a model maps to must not keep it alive.
_GIVEN_LAST: WeakKeyDictionary[Any, OnePerFit] = WeakKeyDictionary()
