"""Which flags are for which experiments."""

from pathlib import Path

from absl import flags

from tf_lottery.config.analyses import (
    analyses,
    analyses_with,
    analysis_names,
    analysis_options,
)
from tf_lottery.config.branches import branch_options
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.matching import Matching
from tf_lottery.config.options import names_of
from tf_lottery.messages import tell

_OF_ALL_LEVELS = ("report", "list", "verify")

# Flags of earlier versions, and what is written now for each of their values.
_REPLACED = {"random_masks": {True: "--baselines=random_mask", False: "--baselines="}}


def define_replaced_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of earlier versions, so that they can be refused with what to write now."""
    for name in _REPLACED:
        flags.DEFINE_bool(name, None, "Of an earlier version.", flag_values=flag_values)


def refuse_replaced_flags(flag_values: flags.FlagValues) -> None:
    """Refuses flags of earlier versions.

    Args:
      flag_values: the parsed flags.

    Raises:
      ValueError: names the first one, and what to write now.
    """
    for name, replacements in _REPLACED.items():
        flag = flag_values[name]
        if flag.present:
            raise ValueError(
                f"{_as_given(flag)} is of an earlier version; write {replacements[flag.value]} in "
                "its place."
            )


def _only_for() -> dict[str, tuple[str, ...]]:
    """The experiments of each flag that is not for all."""
    names = analysis_names()
    of_matching = ("lottery", "train", "branch", "report", *analyses_with("matching_tolerance"))
    comparing = (analysis.name for analysis in analyses() if analysis.takes_other_run)
    return {
        "run": ("branch", "report", "verify", "export", *names),
        "branch": ("branch",),
        "branch_seed": ("branch",),
        **dict.fromkeys(branch_options(), ("branch",)),
        "other_run": ("branch", *comparing),
        "replicates": ("lottery", "train", "branch", "export", *names),
        "sweep": ("lottery", "train"),
        "controls": ("lottery",),
        "control_levels": ("lottery",),
        **dict.fromkeys(
            ("jobs", "launcher", "launcher_options"), ("lottery", "train", "branch", *names)
        ),
        "for_analysis": ("branch",),
        "report": ("lottery", "train"),
        "report_dir": ("report",),
        "tolerance": of_matching,
        **dict.fromkeys(names_of(ExportConfig), ("export",)),
        "overwrite": ("lottery", "train", "export"),
        **{name: analyses_with(name) for name in analysis_options()},
        **dict.fromkeys(names_of(Matching), of_matching),
    }


def is_of_use(name: str, experiment: str) -> bool:
    """Whether a flag is not for other experiments alone."""
    return experiment in _only_for().get(name, (experiment,))


def refuse_useless_flags(experiment: str, flag_values: flags.FlagValues) -> None:
    """Refuses flags that were given and are of no use.

    Args:
      experiment: the value of --experiment.
      flag_values: the parsed flags.

    Raises:
      ValueError: names the first one, and the experiments that it is for.
    """
    for name, experiments in _only_for().items():
        flag = flag_values[name]
        given = flag.present and flag.value != flag.default
        if given and experiment not in experiments:
            raise ValueError(
                f"{_as_given(flag)} is for --experiment={' or '.join(experiments)}, but "
                f"--experiment={experiment} was given."
            )


def refuse_other_names(experiment: str, flag_values: flags.FlagValues) -> None:
    """Refuses a --name that is not that of the runs, where --run says which they are.

    Flag files of experiments, which have their names, may be given with --run.

    Args:
      experiment: the value of --experiment.
      flag_values: the parsed flags.

    Raises:
      ValueError: if it is another name.
    """
    name, runs = flag_values["name"], flag_values["run"].value
    if experiment in ("lottery", "train") or not name.present or name.value is None:
        return
    others = [run for run in runs if name.value not in Path(run).expanduser().absolute().parts[-2:]]
    if others:
        raise ValueError(
            f"--name={name.value} has no use with --experiment={experiment}: --run={others[0]} "
            "says which run is meant; leave it out."
        )


# Flags that others take the place of.
_TAKEN_OVER = {
    "replicate": "replicates",
    "levels": "target_density",
    "pruning_rate": "pruning_rates",
}


def tell_of_flags_taken_over(flag_values: flags.FlagValues) -> None:
    """Says so if a flag takes the place of another that is given too, as a flag file may do."""
    for name, by in _TAKEN_OVER.items():
        flag, other = flag_values[name], flag_values[by]
        if other.present and other.value and flag.present and flag.value != flag.default:
            tell(f"Note: {_as_given(flag)} has no effect: {_as_given(other)} takes its place.")


def tell_of_useless_levels(experiment: str, flag_values: flags.FlagValues) -> None:
    """Says so if --levels is given where all levels are taken; a flag file may give it too."""
    levels = flag_values["levels"]
    if experiment in _OF_ALL_LEVELS and levels.present and levels.value != levels.default:
        tell(
            f"Note: --levels={levels.value} has no effect: --experiment={experiment} takes all "
            "levels."
        )


def tell_of_useless_states(experiment: str, flag_values: flags.FlagValues) -> None:
    """Says so if flags about the dense network are given where none is trained.

    The flag file of a run, which may be given with --run, may have them too.
    """
    for name in () if experiment in ("lottery", "train") else ("keep_states", "dense_from"):
        flag = flag_values[name]
        if flag.present and flag.value:
            tell(
                f"Note: {_as_given(flag)} has no effect: --experiment={experiment} trains no dense "
                "network."
            )


def _as_given(flag: flags.Flag) -> str:
    if flag.boolean:
        return f"--{flag.name}" if flag.value else f"--no{flag.name}"
    values = flag.value if isinstance(flag.value, list) else [flag.value]
    return " ".join(f"--{flag.name}={value}" for value in values)
