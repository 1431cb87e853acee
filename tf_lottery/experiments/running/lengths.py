"""How long an experiment trains, and where it rewinds and evaluates, in iterations."""

from dataclasses import dataclass

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.steps import known_steps, parse_steps, refuse_no_state
from tf_lottery.data import steps_per_epoch
from tf_lottery.tickets.variants import last_step
from tf_lottery.training.schedule_points import check_points

# Of one execution, where an epoch has fewer.
_MOST_STEPS = 1000


@dataclass(frozen=True)
class Lengths:
    """Points in training, in iterations."""

    steps_per_epoch: int
    train_steps: int
    rewind_step: int
    evaluate_every: int
    validate_every: int | None
    keep_states: tuple[int, ...] = ()

    def last(self, first: int) -> int:
        """Iteration at which a level that starts at `first` ends."""
        return last_step(first, self.train_steps, self.rewind_step)


def check_lengths(config: ExperimentConfig, epoch: int | None) -> None:
    """Checks that points in training fit each other, as far as their iterations are known.

    Args:
      config: the experiment.
      epoch: iterations in an epoch; None where it is not known yet.

    Raises:
      ValueError: if they do not; names the flag.
    """
    training, rewinding = config.training, config.pruning.rewind_step
    total = known_steps(training.train_steps, steps_per_epoch=epoch, argument="--train_steps")

    def known(flag: str, text: str) -> int | None:
        return known_steps(text, steps_per_epoch=epoch, total_steps=total, argument=f"--{flag}")

    rewind = known("rewind_step", rewinding)
    evaluate = known("evaluate_every", training.evaluate_every)
    if total is not None and total < 1:
        raise ValueError(f"--train_steps={training.train_steps} is no training; use 1it or more.")
    if rewind is not None and total is not None and rewind >= total:
        raise ValueError(
            f"--rewind_step={rewinding} is iteration {rewind}, but training ends at {total} "
            f"(--train_steps={training.train_steps}); rewind to an earlier one."
        )
    if evaluate is not None and evaluate < 1:
        raise ValueError(f"--evaluate_every={training.evaluate_every}: use 1it or more.")
    for point in config.run.points_kept:
        step = known("keep_states", point)
        if step is not None and total is not None:
            refuse_no_state(f"--keep_states={config.run.keep_states}", point, step, total)
    validate = known("validate_every", training.validate_every or "1it")
    if validate is not None and not 1 <= validate <= (validate if evaluate is None else evaluate):
        raise ValueError(
            f"--validate_every={training.validate_every} is {validate} iterations; use 1it or "
            f"more, and at most --evaluate_every={training.evaluate_every}."
        )
    check_points(training, train_steps=total, steps_per_epoch=epoch)


def check_validation(config: ExperimentConfig, is_there: bool) -> None:
    """Checks that there are validation data, if flags need them.

    Raises:
      ValueError: if there are none.
    """
    for name, value in (
        ("validate_every", config.training.validate_every),
        ("stop_below", config.run.stop_below),
    ):
        if value and not is_there:
            raise ValueError(
                f"--{name}={value} needs validation data; --validation_examples holds some out of "
                "the training data."
            )


def check_steps_per_execution(config: ExperimentConfig, epoch: int) -> None:
    """Checks that an execution is not to have more steps than any has.

    Args:
      config: the experiment.
      epoch: iterations in an epoch.

    Raises:
      ValueError: if it is; names the flag.
    """
    asked, most = config.run.steps_per_execution, max(epoch, _MOST_STEPS)
    if asked is not None and asked > most:
        raise ValueError(
            f"--steps_per_execution={asked}: an epoch has {epoch} steps, which no execution goes "
            f"beyond; use at most {most}."
        )


def resolve_lengths(config: ExperimentConfig, examples: int) -> Lengths:
    """Converts the flags to iterations.

    Args:
      config: the experiment.
      examples: number of training examples.

    Raises:
      ValueError: if they do not fit each other; names the flag.
    """
    training = config.training
    epoch = steps_per_epoch(examples, training.batch_size)
    check_lengths(config, epoch)
    total = parse_steps(training.train_steps, steps_per_epoch=epoch, argument="--train_steps")

    def in_steps(flag: str, text: str) -> int:
        return parse_steps(text, steps_per_epoch=epoch, total_steps=total, argument=f"--{flag}")

    rewind = in_steps("rewind_step", config.pruning.rewind_step)
    evaluate = in_steps("evaluate_every", training.evaluate_every)
    kept = {in_steps("keep_states", point) for point in config.run.points_kept}
    validate = training.validate_every
    return Lengths(
        epoch,
        total,
        rewind,
        evaluate,
        in_steps("validate_every", validate) if validate else None,
        tuple(sorted(kept - {rewind})),
    )
