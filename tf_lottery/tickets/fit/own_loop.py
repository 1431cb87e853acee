"""What a search gives to a training loop of the user's."""

from collections.abc import Callable, Iterator


class TrainingSteps(Iterator[int]):
    """The iterations of one level, which a loop goes through: `for step in steps`.

    The step before counts as done when the next one is asked for.
    """

    def __init__(self, first: int, last: int, save_at: int | None, save: Callable[[int], None]):
        """Begins before the first step.

        Args:
          first: iteration at which the level starts.
          last: iteration at which it ends; that many steps are done by then.
          save_at: iteration at which `save` is called with it; None: never.
          save: saves the network's state.
        """
        self._next, self._last, self._save_at, self._save = first, last, save_at, save

    def __next__(self) -> int:
        if self._next == self._save_at:
            self._save(self._next)
        if self._next >= self._last:
            raise StopIteration
        self._next += 1
        return self._next - 1

    def __len__(self) -> int:
        """Number of steps that are left."""
        return self._last - self._next

    def check_end(self) -> None:
        """Checks that the loop has come to the end.

        Raises:
          ValueError: if it has not.
        """
        if self._next < self._last:
            raise ValueError(
                f"the training loop returned at iteration {self._next} of {self._last}; it has to "
                "go through all steps that it is given, and do one iteration for each."
            )
