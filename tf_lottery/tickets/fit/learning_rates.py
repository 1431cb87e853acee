"""Learning rates with which the levels begin that are trained within one `model.fit`."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
        if not self._right:
            yield
            return
        before = rate_without_schedule(self._optimizer)
        yield
        after = rate_without_schedule(self._optimizer)
        if after is not None and after != before:
            self._right.append(after)

    def check(self, level: int) -> None:
        """Looks once at the rate of a level: when its first epoch begins, callbacks having set it.

        Args:
          level: the level.
        """
        right, self._right = self._right, []
        rate = rate_without_schedule(self._optimizer) if right else None
        if rate is None or self._warned:
            return
        if self._at_rewind_step is None:
            # Level 0 was trained by another process: all others begin as the first of this one.
            self._at_rewind_step = rate
            return
        if any(math.isclose(rate, each, rel_tol=1e-5) for each in (*right, self._at_rewind_step)):
            return
        self._warned = True
        warnings.warn(
            f"level {level} begins with the learning rate {rate:.3g}, but level 0 had "
            f"{self._at_rewind_step:.3g} at the rewind step, and the optimizer is configured with "
            f"{self._configured:.3g}: a callback beside PruneAndRewind, such as "
            "LearningRateScheduler, counts its epochs on over all levels, which makes tickets look "
            "worse than they are. Put it into PruneAndRewind(level_callbacks=[...]), where it "
            "begins anew with each level, or give the optimizer a learning-rate schedule.",
            stacklevel=2,
        )
