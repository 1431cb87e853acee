"""Learning-rate schedules that go on while their optimizer begins afresh.

After rewinding, the papers' code makes a new optimizer, whose own step count begins at 0 as its
slots do; only the learning-rate schedule goes on from the rewind step. Keras has one count for
both, so the schedule is told by how much it leads.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.keras_versions import inner_optimizer, keras_of_optimizer

# At which a schedule is looked at for its peak.
_POINTS = 33
# Takes the place of a schedule while an optimizer is described without it.
_ANY_RATE = 0.5


class _LeadingSchedule:
    """A schedule of either version of Keras that leads the step count of its optimizer."""

    def __init__(self, schedule: Any, lead: tf.Variable | int, held: float = math.nan):
        """Wraps a schedule.

        Args:
          schedule: from an iteration to the learning rate.
          lead: iterations that are over when the optimizer's own count is 0. A variable, so that
            training steps that are compiled see it change.
          held: a rate that takes the place of the schedule's; NaN: none.
        """
        self.schedule = schedule
        given = isinstance(lead, tf.Variable)
        self.lead: tf.Variable = lead if given else _variable(lead, tf.int64)
        self.held = _variable(held, tf.float32)
        self.was_read = False

    def __call__(self, step: Any) -> Any:
        """The learning rate when the optimizer has counted so many steps."""
        self.was_read = True
        step = tf.convert_to_tensor(step)
        rate = tf.convert_to_tensor(self.schedule(step + tf.cast(self.lead, step.dtype)))
        return tf.where(tf.math.is_nan(self.held), rate, tf.cast(self.held, rate.dtype))

    def get_config(self) -> dict[str, Any]:
        """With lead and rate: a model that is saved and loaded trains on at the same rate."""
        config = {"schedule": self._schedules().serialize(self.schedule)}
        config["lead"], held = int(self.lead.numpy()), float(self.held.numpy())
        return config if math.isnan(held) else {**config, "held": held}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{**config, "schedule": cls._schedules().deserialize(config["schedule"])})

    @staticmethod
    def _schedules() -> ModuleType:
        """The schedules of its Keras."""
        raise NotImplementedError


@keras.utils.register_keras_serializable(package="tf_lottery")
class LeadingSchedule(_LeadingSchedule, keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule that leads the step count of its optimizer."""

    @staticmethod
    def _schedules() -> ModuleType:
        return keras.optimizers.schedules


def schedule_lead(optimizer: Any) -> tf.Variable:
    """Lets the learning-rate schedule of an optimizer lead its step count.

    Training steps that were compiled before go on with the schedule as it was.

    Args:
      optimizer: a Keras optimizer of either version, also a legacy or loss-scaling one; the same
        one may be given again. Call it in the strategy's scope that it was made in.

    Returns:
      By how many iterations: a variable, to be set. Without a schedule it changes nothing.

    Raises:
      ValueError: if the optimizer has a decay of its own, which follows its step count.
    """
    inner = inner_optimizer(optimizer)
    if getattr(inner, "_initial_decay", 0.0):
        raise ValueError(
            f"decay={inner._initial_decay} of the legacy {type(inner).__name__} follows the "
            "optimizer's step count, which begins at 0 after rewinding; use learning_rate="
            "InverseTimeDecay(...), which goes on from the rewind step."
        )
    schedule = _schedule_of(inner)
    if isinstance(schedule, _LeadingSchedule):
        return schedule.lead
    lead = _variable(0, tf.int64)
    if schedule is not None:
        _set_schedule(inner, _class_in(keras_of_optimizer(inner))(schedule, lead))
    return lead


def show_learning_rate(optimizer: Any) -> None:
    """Makes what a callback reads as the learning rate that of the next step."""
    inner = inner_optimizer(optimizer)
    shown, schedule = getattr(inner, "_current_learning_rate", None), _schedule_of(inner)
    # Keras 3 computes it when it is read.
    if shown is not None and isinstance(schedule, _LeadingSchedule):
        was_read = schedule.was_read
        shown.assign(schedule(inner.iterations))
        schedule.was_read = was_read


def hold_learning_rate(optimizer: Any, rate: float | None) -> None:
    """Lets an optimizer that has begun afresh train at another rate than its own.

    Args:
      optimizer: one that `schedule_lead` was given.
      rate: that takes the place of its schedule's or of its number; None: its schedule's again.
    """
    inner = inner_optimizer(optimizer)
    schedule = _schedule_of(inner)
    if isinstance(schedule, _LeadingSchedule):
        schedule.held.assign(math.nan if rate is None else rate)
    elif rate is not None:
        inner.learning_rate = rate


def rate_without_schedule(optimizer: Any) -> float | None:
    """The learning rate of an optimizer; None if a schedule or a function gives it."""
    inner = inner_optimizer(optimizer)
    return None if callable(_rate_of(inner)) else _number(inner.learning_rate)


def last_and_highest_rate(optimizer: Any, steps: int) -> tuple[float, float]:
    """The learning rate of the last of a training's iterations, and the highest of some of them.

    Args:
      optimizer: one that `schedule_lead` was given.
      steps: number of iterations.
    """
    inner = inner_optimizer(optimizer)
    schedule = _schedule_of(inner)
    if not isinstance(schedule, _LeadingSchedule):
        rate = _number(inner.learning_rate)
        return rate, rate
    points = np.unique(np.linspace(0, steps - 1, _POINTS).astype(np.int64))
    rates = [float(np.asarray(schedule.schedule(tf.constant(point)))) for point in points]
    return rates[-1], max(rates)


def ignores_lead(optimizer: Any) -> bool:
    """Whether an optimizer has a schedule whose lead no training step has looked at so far."""
    schedule = _schedule_of(inner_optimizer(optimizer))
    return isinstance(schedule, _LeadingSchedule) and not schedule.was_read


def config_without_lead(optimizer: Any) -> dict[str, Any]:
    """The configuration of an optimizer, to make another one of.

    The schedule, or function, that it was made with is in it as it is: those of users need not be
    such that Keras can describe them, nor be registered.
    """
    inner = inner_optimizer(optimizer)
    rate = _rate_as_made(inner)
    if not callable(rate):
        return optimizer.get_config()
    with _with_rate(inner, _ANY_RATE):
        config = optimizer.get_config()
    own = config if inner is optimizer else config["inner_optimizer"]["config"]
    own["learning_rate"] = rate
    return config


def described_without_lead(optimizer: Any) -> dict[str, Any]:
    """The configuration of an optimizer, with a description of its schedule, if there is one.

    Of a schedule that does not describe itself: its class, and the numbers and texts that it has.
    """
    inner = inner_optimizer(optimizer)
    rate = _rate_as_made(inner)
    if not callable(rate):
        return optimizer.get_config()
    try:
        with _with_rate(inner, rate):
            return optimizer.get_config()
    except Exception:  # Any: it is the user's class that fails.
        kind = getattr(rate, "__qualname__", type(rate).__qualname__)
        values = {
            name: value
            for name, value in getattr(rate, "__dict__", {}).items()
            if isinstance(value, bool | int | float | str)
        }
        config = config_without_lead(optimizer)
        own = config if inner is optimizer else config["inner_optimizer"]["config"]
        own["learning_rate"] = {"class_name": kind, "config": values}
        return config


@contextmanager
def _with_rate(optimizer: Any, rate: Any) -> Iterator[None]:
    """Has an optimizer another schedule, function or number for a learning rate meanwhile."""
    before = _rate_of(optimizer)
    _set_schedule(optimizer, rate)
    try:
        yield
    finally:
        _set_schedule(optimizer, before)


def _number(rate: Any) -> float:
    # A variable on several devices is no array by itself.
    return float(np.asarray(tf.convert_to_tensor(rate)))


def _rate_as_made(optimizer: Any) -> Any:
    """The learning rate that an optimizer was made with."""
    rate = _rate_of(optimizer)
    return rate.schedule if isinstance(rate, _LeadingSchedule) else rate


def _rate_of(optimizer: Any) -> Any:
    # Legacy optimizers keep their numbers in a dictionary.
    attributes = {**vars(optimizer), **getattr(optimizer, "_hyper", {})}
    return attributes.get("learning_rate", attributes.get("_learning_rate"))


def _schedule_of(optimizer: Any) -> Any:
    """The schedule of the learning rate; None if that is a number."""
    rate = _rate_of(optimizer)
    schedules = keras_of_optimizer(optimizer).optimizers.schedules
    return rate if isinstance(rate, schedules.LearningRateSchedule) else None


def _set_schedule(optimizer: Any, schedule: Any) -> None:
    if "learning_rate" in getattr(optimizer, "_hyper", {}):
        optimizer._hyper["learning_rate"] = schedule
    else:
        optimizer._learning_rate = schedule


def _variable(value: float, dtype: tf.DType) -> tf.Variable:
    return tf.Variable(
        value,
        dtype=dtype,
        trainable=False,
        name="schedule_lead",
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


@cache
def _class_in(version: ModuleType) -> type[_LeadingSchedule]:
    if version is keras:
        return LeadingSchedule
    schedules = version.optimizers.schedules

    @version.saving.register_keras_serializable(package="tf_lottery", name=LeadingSchedule.__name__)
    class LeadingScheduleOfKeras3(_LeadingSchedule, schedules.LearningRateSchedule):
        @staticmethod
        def _schedules() -> ModuleType:
            return schedules

    return LeadingScheduleOfKeras3
