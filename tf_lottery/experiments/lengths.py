"""How long an experiment trains, and where it rewinds and evaluates, in iterations."""

from dataclasses import dataclass

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.steps import parse_steps, refuse_no_state
from tf_lottery.data import steps_per_epoch
from tf_lottery.tickets.variants import last_step


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


def resolve_lengths(config: ExperimentConfig, examples: int) -> Lengths:
    """Converts the flags to iterations.

    Args:
      config: the experiment.
      examples: number of training examples.

    Raises:
      ValueError: if they do not fit each other; names the flag.
    """
    training, rewinding = config.training, config.pruning.rewind_step
    epoch = steps_per_epoch(examples, training.batch_size)
    total = parse_steps(training.train_steps, steps_per_epoch=epoch, argument="--train_steps")

    def in_steps(flag: str, text: str) -> int:
        return parse_steps(text, steps_per_epoch=epoch, total_steps=total, argument=f"--{flag}")

    rewind = in_steps("rewind_step", rewinding)
    evaluate = in_steps("evaluate_every", training.evaluate_every)
    if total < 1:
        raise ValueError(f"--train_steps={training.train_steps} is no training; use 1it or more.")
    if rewind >= total:
        raise ValueError(
            f"--rewind_step={rewinding} is iteration {rewind}, but training ends at {total} "
            f"(--train_steps={training.train_steps}); rewind to an earlier one."
        )
    if evaluate < 1:
        raise ValueError(f"--evaluate_every={training.evaluate_every}: use 1it or more.")
    kept = {point: in_steps("keep_states", point) for point in config.run.points_kept}
    for point, step in kept.items():
        refuse_no_state(f"--keep_states={config.run.keep_states}", point, step, total)
    states = tuple(sorted(set(kept.values()) - {rewind}))
    if not training.validate_every:
        return Lengths(epoch, total, rewind, evaluate, None, states)
    validate = in_steps("validate_every", training.validate_every)
    if not 1 <= validate <= evaluate:
        raise ValueError(
            f"--validate_every={training.validate_every} is {validate} iterations; use 1it or "
            f"more, and at most --evaluate_every={training.evaluate_every}."
        )
    return Lengths(epoch, total, rewind, evaluate, validate, states)
