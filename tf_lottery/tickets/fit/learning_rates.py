"""Learning rates at which the levels are trained that are within one `model.fit`."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tf_lottery.messages import warn_user
from tf_lottery.training.schedule_lead import rate_without_schedule


class LearningRates:
    """Warns if a callback that counts its epochs over all levels sets the learning rate.

    A rate that a schedule gives is not looked at: no callback can set it, and it is rewound.
    """

    def __init__(self, optimizer: Any):
        """Takes the rate that is configured; call it when `fit` begins."""
        self._optimizer = optimizer
        self._configured = rate_without_schedule(optimizer)
        self._at_rewind_step: float | None = None
        # Rates with which the level may begin; none once it has begun.
        self._right: list[float] = []
        # That the level has begun with, or was given by its callbacks since.
        self._of_level: float | None = None
        # Iteration to rate of the first level that is trained here, when an epoch begins.
        self._known: dict[int, float] = {}
        self._first_level: int | None = None
        self._warned = False

    def take_at_rewind_step(self) -> None:
        """Takes the rate at which level 0 trains on from the rewind step."""
        self._at_rewind_step = rate_without_schedule(self._optimizer)

    def begin_level(self) -> None:
        """Takes the rate that a level after level 0 was given; callbacks may set another."""
        if self._configured is not None:
            rate = rate_without_schedule(self._optimizer)
            self._right = [each for each in (self._configured, rate) if each is not None]

    @contextmanager
    def set_by_level(self) -> Iterator[None]:
        """Has a rate count as right that callbacks of the level set in the block."""
        before = rate_without_schedule(self._optimizer)
        yield
        after = rate_without_schedule(self._optimizer)
        if after is not None and after != before:
            self._of_level = after
            if self._right:
                self._right.append(after)

    def check(self, level: int, iteration: int, *, sets_within_epochs: bool) -> None:
        """Looks at the rate of a level when an epoch begins, callbacks having set it.

        Args:
          level: the level.
          iteration: at which the epoch begins.
          sets_within_epochs: whether callbacks of the level may have set it in the epoch before.
        """
        right, self._right = self._right, []
        rate = rate_without_schedule(self._optimizer)
        if rate is None or self._warned:
            return
        if self._first_level is None:
            self._first_level = level
        if self._first_level == level:
            self._known[iteration] = rate
        if right:
            self._check_first(level, rate, right)
        elif level != self._first_level and not sets_within_epochs:
            self._check_later(level, iteration, rate)
        self._of_level = rate

    def _check_first(self, level: int, rate: float, right: list[float]) -> None:
        if self._at_rewind_step is None:
            # Level 0 was trained by another process: all others begin as the first of this one.
            self._at_rewind_step = rate
            return
        if not any(_close(rate, each) for each in (*right, self._at_rewind_step)):
            self._warn(
                f"level {level} begins with the learning rate {rate:.3g}, but level 0 had "
                f"{self._at_rewind_step:.3g} at the rewind step, and the optimizer is configured "
                f"with {self._configured:.3g}: a callback beside PruneAndRewind, such as "
                "LearningRateScheduler, counts its epochs on over all levels, which makes tickets "
                "look worse than they are"
            )

    def _check_later(self, level: int, iteration: int, rate: float) -> None:
        known = self._known.get(iteration)
        if self._of_level is None or _close(rate, self._of_level):
            return
        if known is None or not _close(rate, known):
            had = "" if known is None else f", where level {self._first_level} had {known:.3g}"
            self._warn(
                f"level {level} goes on at iteration {iteration} with the learning rate "
                f"{rate:.3g}{had}: a callback beside PruneAndRewind, such as ReduceLROnPlateau, "
                "goes on with what it knows of the levels before"
            )

    def _warn(self, what: str) -> None:
        self._warned = True
        warn_user(
            f"{what}. Put it into PruneAndRewind(level_callbacks=[...]), where it begins anew with "
            "each level, or give the optimizer a learning-rate schedule.",
        )


def _close(rate: float, other: float) -> bool:
    return math.isclose(rate, other, rel_tol=1e-5)
