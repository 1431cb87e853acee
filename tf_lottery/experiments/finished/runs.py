"""What can be said of an experiment from its run folder alone, without TensorFlow."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from tf_lottery.config.arguments import expanded
from tf_lottery.config.experiment import ExperimentConfig, has_renamed_files
from tf_lottery.config.flags import flags_text
from tf_lottery.config.matching import tolerance_of
from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.finished.results import print_results, show_results, title_of
from tf_lottery.experiments.own_network import look_for_network_of
from tf_lottery.experiments.refusals.begun_without import as_begun, defaults_of
from tf_lottery.experiments.refusals.damage_checks import check_own_damage
from tf_lottery.experiments.refusals.late_flags import tell_of_idle_flags, tell_of_late_flags
from tf_lottery.messages import tell
from tf_lottery.models.registry import check_model_name
from tf_lottery.pruning.score import find_method
from tf_lottery.report.formats import format_numbers
from tf_lottery.report.report_folder import is_run
from tf_lottery.store.needed_plugins import plugins_named
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.stopping import early_end
from tf_lottery.store.training_rules import made_by_older_version

# What may differ from before: earlier levels do not depend on how many there will be.
OPEN_ENDED = ("levels",)


def refuse_early(config: ExperimentConfig) -> None:
    """Refuses what can be refused before TensorFlow is imported and the data are read.

    Raises:
      ValueError: if the model or the score is unknown, the run folder holds another experiment,
        another process works in it, or it is damaged.
    """
    with plugins_named(config.run_path):
        look_for_network_of(config.run_path)
        check_model_name(config.model.model, config.model.dropout)
        find_method(config.pruning.score)
    _refuse_workdir_in_run(config)
    if of_several_workers(config):
        return  # All of them have to be told by the one that opens the folder.
    # What the system refuses is told where the folder is written to.
    with suppress(OSError):
        config = as_begun(config)
        defaults = defaults_of(config)
        RunFolder.refuse(config.run_path, config.identity(), defaults, OPEN_ENDED)
        if (config.run_path / "config.json").exists():
            check_own_damage(RunFolder.read(config.run_path), tell=False)


def _refuse_workdir_in_run(config: ExperimentConfig) -> None:
    if config.run_path.exists():
        return  # An earlier version has begun it there.
    workdir = expanded("--workdir", config.run.workdir).resolve()
    for place in (workdir, *workdir.parents):
        if is_run(place):
            raise ValueError(
                f"--workdir={config.run.workdir} is in the run folder {place}, where no list finds "
                "its runs; name a folder outside of it."
            )


def is_finished(config: ExperimentConfig, overwrite: bool = False) -> bool:
    """Whether nothing is left to do but to show the results; after `refuse_early`.

    Args:
      config: the experiment.
      overwrite: whether a damaged export gives way, as of `run_experiment`.
    """
    if overwrite or config.run.export_dir or of_several_workers(config):
        return False
    with suppress(OSError):
        if not (config.run_path / "config.json").exists():
            return False
        run = RunFolder.read(config.run_path)
        if has_renamed_files(run.identity, config.identity()):
            return False  # Whether they are the same is told by what is in them.
        last, ticket = _last_level(config, run), _ticket_level(config, run)
        if last is None or ticket is None:
            return False
        if config.run.export_ticket and not run.saved_model(ticket).exists():
            return False
        return set(range(last + 1)) <= set(run.complete_levels())
    return False


def show_finished(config: ExperimentConfig, matching_tolerance: float) -> None:
    """Shows the results of a finished run, as `run_experiment` does.

    Args:
      config: the experiment.
      matching_tolerance: as of `run_experiment`.

    Raises:
      ValueError: as `run_experiment`.
    """
    tolerance = tolerance_of(matching_tolerance)
    config = as_begun(config)
    path, defaults = config.run_path, defaults_of(config)
    # Before it is opened, which repairs some of it.
    damages = check_own_damage(RunFolder.read(path))
    repaired = [damage for damage in damages if damage.repaired]
    with RunFolder.open(
        path, config.identity(), None, flags_text(config), defaults, OPEN_ENDED
    ) as run:
        if sentence := made_by_older_version(run):
            tell(f"Note: {sentence}")
        run.remember(replace(run.details, stop_below=config.run.stop_below or None))
        tell_of_late_flags(config, run)
        tell_of_idle_flags(config.run, run)
        tell(f"{levels_text(run.complete_levels())} complete already")
        results = show_results(run, title_of(config), anew=bool(repaired))
        print_results(run, results.summaries, tolerance)
        level = _ticket_level(config, run)
        if config.run.export_ticket and level is not None:
            ticket = run.saved_model(level)
            # Of a damaged one is told already.
            if not any(damage.error.path.is_relative_to(ticket.absolute()) for damage in damages):
                tell(f"SavedModel: {ticket}")
        results.refuse_failure()


def _last_level(config: ExperimentConfig, run: RunFolder) -> int | None:
    """The last level that the run is to have; None if its network has to say that."""
    if config.run.experiment == "train":
        return 0
    if (end := early_end(run, config.run.stop_below)) is not None:
        return end.level
    if config.pruning.target_density is not None:
        return run.details.levels or None
    return config.pruning.levels


def _ticket_level(config: ExperimentConfig, run: RunFolder) -> int | None:
    """The level whose ticket the run exports; None if its network has to say that."""
    end = early_end(run, config.run.stop_below)
    return _last_level(config, run) if end is None else end.ticket


def levels_text(levels: Sequence[int]) -> str:
    """Writes levels with their verb, such as "levels 0 to 2 are"."""
    if len(levels) == 1:
        return f"level {levels[0]} is"
    if list(levels) == list(range(levels[0], levels[-1] + 1)):
        return f"levels {levels[0]} to {levels[-1]} are"
    return f"levels {format_numbers(levels)} are"


def takes_all_devices(run: RunConfig) -> bool:
    """Whether a training has all devices for itself, so that no two go on side by side."""
    alone = run.distribution in ("auto", "one_device") and run.num_virtual_devices is None
    return not alone or run.tpu is not None or "TF_CONFIG" in os.environ


def of_several_workers(config: ExperimentConfig) -> bool:
    """Whether other processes take part, all of which have to be told the same."""
    return is_of_several_workers(config.run)


def is_of_several_workers(run: RunConfig) -> bool:
    """As `of_several_workers`, of where an experiment runs."""
    where = run.distribution
    return where in ("multi_worker", "tpu") or (where == "auto" and "TF_CONFIG" in os.environ)
