"""Whether fine-tuning has a learning rate that can train."""

from tf_lottery.config.training import TrainingConfig

# Below it no weight moves far in a training of the usual length. Steps of a tenth, as in the
# papers, come to a thousandth.
_LEAST_SHARE_OF_PEAK = 1e-4


def is_least_rate(rate: float, peak: float) -> bool:
    """Whether next to nothing is learnt at a learning rate."""
    return rate < _LEAST_SHARE_OF_PEAK * peak


def check_fine_tuning_rate(
    config: TrainingConfig,
    what: str = "fine-tuning goes on",
    flag: str = "--fine_tune_learning_rate",
) -> None:
    """Checks that the last learning rate of training, if it is that of fine-tuning, can train.

    Args:
      config: the flags.
      what: what trains at it.
      flag: that gives another rate.

    Raises:
      ValueError: if it is near 0; names the flag.
    """
    if config.fine_tune_learning_rate is not None:
        return
    peak, schedule = config.learning_rate, config.lr_schedule
    last = {
        "constant": peak,
        "step": peak * config.lr_decay ** len(config.lr_milestones.split(",")),
    }.get(schedule, config.final_learning_rate)
    if is_least_rate(last, peak):
        raise ValueError(
            f"{what} at the last learning rate of training, but --lr_schedule={schedule} ends at "
            f"{last:g}, where next to nothing is learnt; give {flag}, such as {peak / 10:g} (a "
            "tenth of --learning_rate)."
        )
