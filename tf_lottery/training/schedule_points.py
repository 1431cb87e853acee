"""Where in training the learning rate changes its course; without TensorFlow, which has no say."""

from tf_lottery.config.steps import known_steps
from tf_lottery.config.training import TrainingConfig


def milestone_texts(config: TrainingConfig) -> list[str]:
    """The milestones, as they are written."""
    return [text.strip() for text in config.lr_milestones.split(",")]


def check_points(
    config: TrainingConfig, *, train_steps: int | None, steps_per_epoch: int | None
) -> None:
    """Checks that warmup and milestones fit the training, as far as their iterations are known.

    Args:
      config: the flags.
      train_steps: length of training in iterations; None where it is not known yet.
      steps_per_epoch: iterations in an epoch; None where it is not known yet.

    Raises:
      ValueError: if the warmup or a milestone does not; names the flag.
    """

    def known(flag: str, text: str) -> int | None:
        return known_steps(
            text, steps_per_epoch=steps_per_epoch, total_steps=train_steps, argument=f"--{flag}"
        )

    warmup = known("warmup_steps", config.warmup_steps)
    if warmup is not None and train_steps is not None and warmup >= train_steps:
        raise ValueError(
            f"--warmup_steps={config.warmup_steps} is {warmup} iterations, but training has "
            f"{train_steps}; use a warmup that is shorter than training."
        )
    if config.lr_schedule != "step":
        return
    milestones = {text: known("lr_milestones", text) for text in milestone_texts(config)}
    for text, milestone in milestones.items():
        if milestone is None:
            continue
        problem = f"--lr_milestones={config.lr_milestones}: {text} is iteration {milestone}, but"
        if train_steps is not None and milestone >= train_steps:
            raise ValueError(f"{problem} training ends at {train_steps}; use an earlier one.")
        if milestone < max(1, warmup or 0):
            raise ValueError(
                f"{problem} the learning rate is at its peak from iteration "
                f"{max(0, (warmup or 0) - 1)} (--warmup_steps={config.warmup_steps}); use a later "
                "one."
            )
    numbers = [number for number in map(milestones.get, milestone_texts(config)) if number]
    if numbers != sorted(set(numbers)):
        raise ValueError(
            f"--lr_milestones={config.lr_milestones}: these are the iterations {numbers}; write "
            "each one later than the one before."
        )
