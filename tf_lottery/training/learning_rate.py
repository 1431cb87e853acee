"""The learning rate as a function of the iteration."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.steps import parse_steps
from tf_lottery.config.training import TrainingConfig
from tf_lottery.training.schedule_points import check_points, milestone_texts

_schedules = keras.optimizers.schedules


@keras.utils.register_keras_serializable(package="tf_lottery")
class LinearWarmup(_schedules.LearningRateSchedule):
    """A linear rise to the peak, then another schedule (arXiv 1706.02677, section 2.2).

    Iteration t, counted from 0, has the rate peak * (t + 1) / warmup_steps; so the first one
    trains already, and the last one of the warmup trains at the peak.
    """

    def __init__(
        self,
        peak: float,
        warmup_steps: int,
        after: _schedules.LearningRateSchedule | None = None,
    ):
        """Describes the rise.

        Args:
          peak: learning rate at its end.
          warmup_steps: its length in iterations, at least 1.
          after: what follows, as a function of the iterations since the end of the rise; None
            stays at the peak.
        """
        self.peak, self.warmup_steps, self.after = peak, warmup_steps, after

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        rising = self.peak * (tf.cast(step + 1, tf.float32) / self.warmup_steps)
        after = self.peak if self.after is None else self.after(step - self.warmup_steps)
        return tf.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        after = None if self.after is None else _schedules.serialize(self.after)
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "after": after}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LinearWarmup":
        after = config["after"]
        return cls(**{**config, "after": None if after is None else _schedules.deserialize(after)})


@keras.utils.register_keras_serializable(package="tf_lottery")
class HeldAtEnd(_schedules.LearningRateSchedule):
    """A schedule that stays where training ended, for fine-tuning (arXiv 2003.02389, section 2)."""

    def __init__(self, schedule: _schedules.LearningRateSchedule, last_step: int):
        """Describes the schedule.

        Args:
          schedule: the learning rate during training.
          last_step: iteration whose rate holds for all that follow.
        """
        self.schedule, self.last_step = schedule, last_step

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self.schedule(tf.minimum(step, tf.cast(self.last_step, step.dtype)))

    def get_config(self) -> dict[str, Any]:
        return {"schedule": _schedules.serialize(self.schedule), "last_step": self.last_step}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "HeldAtEnd":
        return cls(_schedules.deserialize(config["schedule"]), config["last_step"])


@keras.utils.register_keras_serializable(package="tf_lottery")
class ThenConstant(_schedules.LearningRateSchedule):
    """A learning rate for training, then another for fine-tuning."""

    def __init__(
        self, schedule: _schedules.LearningRateSchedule | float, train_steps: int, rate: float
    ):
        """Describes the schedule.

        Args:
          schedule: the learning rate during training.
          train_steps: the first iteration with the other rate.
          rate: that holds from there on.
        """
        self.schedule, self.train_steps, self.rate = schedule, train_steps, rate

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        training = self.schedule(step) if callable(self.schedule) else self.schedule
        return tf.where(step < self.train_steps, training, self.rate)

    def get_config(self) -> dict[str, Any]:
        within = _schedules.serialize(self.schedule) if callable(self.schedule) else self.schedule
        return {"schedule": within, "train_steps": self.train_steps, "rate": self.rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ThenConstant":
        within = config["schedule"]
        schedule = within if isinstance(within, float) else _schedules.deserialize(within)
        return cls(schedule, config["train_steps"], config["rate"])


def fine_tuning_schedule(
    config: TrainingConfig, schedule: float | _schedules.LearningRateSchedule, train_steps: int
) -> float | _schedules.LearningRateSchedule:
    """The learning rate of a training that fine-tuning follows.

    Args:
      config: the flags.
      schedule: what `learning_rate_schedule` returns.
      train_steps: length of training in iterations.
    """
    if config.fine_tune_learning_rate is not None:
        return ThenConstant(schedule, train_steps, float(config.fine_tune_learning_rate))
    return schedule if isinstance(schedule, float) else HeldAtEnd(schedule, train_steps - 1)


def learning_rate_schedule(
    config: TrainingConfig, *, train_steps: int, steps_per_epoch: int
) -> float | _schedules.LearningRateSchedule:
    """The learning rate that the flags describe.

    All points are iterations of the whole training, counted from 0, which is what the optimizer
    counts: a rewound or resumed training finds the rate of the iteration it is at. A milestone is
    the first iteration with the lower rate. The line and the half cosine (arXiv 1608.03983,
    section 3, without restarts) begin at the peak in the first iteration after the warmup and would
    reach the final rate in iteration `train_steps`, the first one that is not trained. Rates are
    computed in float32, to within a millionth of the peak.

    Args:
      config: the flags.
      train_steps: length of training in iterations.
      steps_per_epoch: iterations in an epoch.

    Returns:
      The rate itself if it never changes, else a schedule for a Keras optimizer.

    Raises:
      ValueError: if the warmup or a milestone does not fit the training; names the flag.
    """
    check_points(config, train_steps=train_steps, steps_per_epoch=steps_per_epoch)

    def in_steps(flag: str, text: str) -> int:
        return parse_steps(
            text, steps_per_epoch=steps_per_epoch, total_steps=train_steps, argument=f"--{flag}"
        )

    warmup = in_steps("warmup_steps", config.warmup_steps)
    milestones = []
    if config.lr_schedule == "step":
        milestones = [in_steps("lr_milestones", text) for text in milestone_texts(config)]
    after = _after_warmup(config, train_steps - warmup, [each - warmup for each in milestones])
    peak = float(config.learning_rate)
    if warmup:
        return LinearWarmup(peak, warmup, after)
    return peak if after is None else after


def _after_warmup(
    config: TrainingConfig, length: int, milestones: list[int]
) -> _schedules.LearningRateSchedule | None:
    """What follows the warmup; length and milestones are counted from its end."""
    peak, final = float(config.learning_rate), float(config.final_learning_rate)
    if config.lr_schedule == "linear":
        return _schedules.PolynomialDecay(peak, length, end_learning_rate=final)
    if config.lr_schedule == "cosine":
        return _schedules.CosineDecay(peak, length, alpha=final / peak)
    if config.lr_schedule == "step":
        return _schedules.PiecewiseConstantDecay(
            # Keras's boundaries are the last iterations before the rate falls.
            [milestone - 1 for milestone in milestones],
            [peak * config.lr_decay**count for count in range(len(milestones) + 1)],
        )
    return None
