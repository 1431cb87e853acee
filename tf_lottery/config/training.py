"""Options of training."""

from dataclasses import dataclass
from typing import Any, Literal

from tf_lottery.config.options import (
    AutoOnOff,
    at_least,
    below_one,
    check_options,
    fraction,
    option,
    positive,
    positive_or_zero,
    refuse_together,
)
from tf_lottery.config.steps import parse_steps

Optimizer = Literal["sgd", "adam", "adamw"]
LearningRateSchedule = Literal["constant", "step", "linear", "cosine"]
WeightDecayMode = Literal["auto", "l2", "decoupled"]


def read_length(flag: str, text: Any) -> int:
    """Checks that a length of training can be read; how long an epoch is does not matter here."""
    return parse_steps(text, steps_per_epoch=1, argument=flag)


def read_point(flag: str, text: Any) -> int:
    """Checks that a point in training can be read, which may be a share of its length."""
    return parse_steps(text, steps_per_epoch=1, total_steps=1, argument=flag)


def read_points(flag: str, text: Any) -> tuple[str, ...]:
    """The points in training that a text names, as they are written, if they can be read."""
    points = tuple(point.strip() for point in text.split(",")) if text else ()
    for point in points:
        read_point(flag, point)
    return points


def _read_point_if_given(flag: str, text: Any) -> int | None:
    return read_point(flag, text) if text else None


@dataclass(frozen=True)
class TrainingConfig:
    """How one network is trained from one state to another."""

    batch_size: int = option(60, "Examples in a training step.", within=at_least(1))
    train_steps: str = option(
        "1000it",
        "Length of training, such as 50000it or 12ep; a bare number is one of iterations.",
        reads=read_length,
    )
    optimizer: Optimizer = option("adam", "Optimizer.")
    learning_rate: float = option(
        1.2e-3, "Learning rate, the highest that is reached.", within=positive()
    )
    lr_schedule: LearningRateSchedule = option(
        "constant",
        "How the learning rate falls: not; by --lr_decay at --lr_milestones; along a line or a "
        "half cosine to --final_learning_rate at the end of training.",
    )
    lr_milestones: str = option("", "Points of --lr_schedule=step: 32000it,48000it or 30ep,60ep.")
    lr_decay: float = option(
        0.1, "Factor of the learning rate at each milestone.", within=fraction("use 0 < factor < 1")
    )
    final_learning_rate: float = option(
        0.0, "Where --lr_schedule=linear or cosine ends.", within=positive_or_zero()
    )
    fine_tune_learning_rate: float | None = option(
        None,
        "Learning rate of --retraining=fine_tune and --branch=fine_tune; unset: the last one of "
        "training, if the schedule does not end near 0.",
        within=positive("use a positive number, or leave it out"),
    )
    warmup_steps: str = option(
        "0it", "Length of a linear rise of the learning rate from 0.", reads=read_point
    )
    momentum: float = option(0.0, "Momentum of sgd.", within=below_one("momentum"))
    nesterov: bool = option(False, "Nesterov's form of the momentum.")
    weight_decay: float = option(
        0.0,
        "Factor w of the weight decay of kernels; biases and normalization are exempt.",
        within=positive_or_zero(),
    )
    weight_decay_mode: WeightDecayMode = option(
        "auto",
        "l2: the gradient of the penalty w/2 * |kernel|^2; decoupled: kernels shrink by the "
        "learning rate times w; auto: decoupled for adamw, else l2.",
    )
    label_smoothing: float = option(
        0.0,
        "Share of the training target that is spread evenly over all classes.",
        within=below_one("share"),
    )
    clip_norm: float | None = option(
        None,
        "Largest norm of a step's gradient over all weights that remain; unset: any.",
        within=positive("use a positive number, or leave it out"),
    )
    evaluate_every: str = option(
        "1ep",
        "Steps between evaluations, which are also the points from which a run resumes.",
        reads=read_point,
    )
    validate_every: str = option(
        "",
        "Steps between looks at the validation loss, to find the step of early stopping more "
        "exactly than --evaluate_every does; unset: no such looks. They cost little in networks "
        "that overfit.",
        reads=_read_point_if_given,
    )
    same_data_order: bool = option(
        False, "Give every level the same data order; by default each draws its own."
    )
    mixed_precision: AutoOnOff = option(
        "auto", "Compute in bfloat16 with float32 weights; auto: on TPUs and on GPUs that have it."
    )
    jit_compile: AutoOnOff = option(
        "auto",
        "Compile training with XLA; auto: except for convolutions on a CPU, where XLA is slow.",
    )

    def __post_init__(self):
        check_options(self)
        _check_momentum(self)
        _check_learning_rate(self)
        refuse_together(
            self.optimizer == "adamw" and self.weight_decay_mode == "l2",
            *("weight_decay_mode", self.weight_decay_mode, "optimizer", self.optimizer),
            "adamw is Adam with decoupled weight decay; use --optimizer=adam for l2",
        )

    def order_of(self, level: int) -> int:
        """The level in whose data order a level is trained."""
        return 0 if self.same_data_order else level

    @property
    def decouples_weight_decay(self) -> bool:
        """Whether the optimizer, not the loss, decays the weights."""
        mode = self.weight_decay_mode
        return mode == "decoupled" or (mode == "auto" and self.optimizer == "adamw")


def _check_momentum(training: TrainingConfig) -> None:
    refuse_together(
        bool(training.momentum) and training.optimizer != "sgd",
        *("momentum", training.momentum, "optimizer", training.optimizer),
        "only --optimizer=sgd has momentum",
    )
    refuse_together(
        training.nesterov and not training.momentum,
        *("nesterov", training.nesterov, "momentum", training.momentum),
        "it is a form of momentum; give a --momentum above 0",
    )


def _check_learning_rate(training: TrainingConfig) -> None:
    schedule, milestones = training.lr_schedule, training.lr_milestones
    refuse_together(
        bool(milestones.strip()) and schedule != "step",
        *("lr_milestones", milestones, "lr_schedule", schedule),
        "only --lr_schedule=step has milestones",
    )
    refuse_together(
        not milestones.strip() and schedule == "step",
        *("lr_schedule", schedule, "lr_milestones", milestones),
        "give the points at which the rate falls, such as --lr_milestones=32000it,48000it",
    )
    final, rate = training.final_learning_rate, training.learning_rate
    refuse_together(
        final > 0 and schedule not in ("linear", "cosine"),
        *("final_learning_rate", final, "lr_schedule", schedule),
        "only --lr_schedule=linear or cosine ends at it",
    )
    refuse_together(
        final >= rate,
        *("final_learning_rate", final, "learning_rate", rate),
        "the rate falls to it; use a lower one",
    )
