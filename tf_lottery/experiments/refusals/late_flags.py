"""Flags that come too late: what they ask for would have been done before, and cannot be any more.

They are not refused, as the same command may be given again, and may be for other runs too.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.options import options_of
from tf_lottery.config.run import RunConfig
from tf_lottery.config.steps import refuse_no_state
from tf_lottery.messages import tell
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.stopping import early_end

# They say how something is trained.
_OF_TRAINING = (
    *("distribution", "num_virtual_devices", "tpu", "threads", "in_memory"),
    *("steps_per_execution", "log_to"),
)


def tell_of_late_flags(config: ExperimentConfig, run: RunFolder) -> None:
    """Says which flags have no effect, as what they are about is trained already.

    Args:
      config: of the experiment, as it is run now.
      run: its folder, which need not be finished.

    Raises:
      ValueError: if a point of --keep_states is not in the training.
    """
    begun = run.level(0).checkpoints.latest_step() or 0
    past = run.details.train_steps if run.level(0).is_complete() else begun
    if missed := [point for point, step in _points(config, run) if step < past]:
        points = ",".join(missed)
        tell(
            f"Note: --keep_states={points}: the dense network of {run.path} is trained beyond "
            "that already, and its state there was not kept and cannot be had any more. To have "
            f"it, train it again with --experiment=train, another --name, and "
            f"--keep_states={points}."
        )
    end = early_end(run, config.run.stop_below)
    if end is not None and end.level < run.finished_levels()[-1]:
        tell(f"Note: by now, the search would have {end}; later levels are there, and stay.")
    source = config.run.dense_from
    if source is not None and run.level(0).is_complete() and not _is_taken(run, source):
        tell(
            f"Note: --dense_from={source} has no effect: the dense network of {run.path} is "
            "trained already. To take it from there, choose another --name."
        )


def tell_of_idle_flags(given: RunConfig | Mapping[str, Any], run: RunFolder) -> None:
    """Says which flags have no effect, as nothing of a run is left to train.

    Args:
      given: the flags.
      run: the folder of a finished run or branch.
    """
    values = given if isinstance(given, Mapping) else vars(given)
    unset = {option.name: option.default for option in options_of(RunConfig)}
    # What a run was trained with may be given again.
    known = {"threads": None if run.known_details is None else run.known_details.threads}
    idle = [
        f"--{name}={values[name]}"
        for name in _OF_TRAINING
        if values.get(name, unset[name]) not in (unset[name], known.get(name))
    ]
    _tell_of(idle, "nothing is left to train")


def tell_of_useless_jobs(jobs: int | None, why: str) -> None:
    """Says that --jobs has no effect, if it asks for several.

    Args:
      jobs: its value; None: auto.
      why: it has none.
    """
    _tell_of([f"--jobs={jobs}"] if jobs is not None and jobs > 1 else [], why)


def _tell_of(flags: Iterable[str], why: str) -> None:
    if flags := list(flags):
        verb = "has" if len(flags) == 1 else "have"
        tell(f"Note: {', '.join(flags)} {verb} no effect: {why}.")


def _points(config: ExperimentConfig, run: RunFolder) -> list[tuple[str, int]]:
    """Points whose states are to be kept and are not, with their iterations."""
    found, details = [], run.details
    for point in config.run.points_kept:
        step = details.iteration(point, "--keep_states")
        refuse_no_state(f"--keep_states={config.run.keep_states}", point, step, details.train_steps)
        if step not in run.kept_steps():
            found.append((point, step))
    return found


def _is_taken(run: RunFolder, source: str) -> bool:
    """Whether another run's dense network is the same, as it is where it was taken."""
    other = Path(source).expanduser()
    if not (other / "config.json").exists():
        return False
    level = RunFolder.read(other).level(0)
    return level.is_complete() and level.ticket() == run.level(0).ticket()
