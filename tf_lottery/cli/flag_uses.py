"""Which flags are for which experiments."""

from absl import flags

from tf_lottery.config.analyses import (
    analyses,
    analyses_with,
    analysis_names,
    analysis_options,
)
from tf_lottery.config.arguments import check_path
from tf_lottery.config.branches import branch_options
from tf_lottery.config.data_files import absolute_dataset
from tf_lottery.config.experiment import config_options
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.flags import all_options
from tf_lottery.config.matching import Matching
from tf_lottery.config.options import names_of, options_of
from tf_lottery.messages import tell

# Where --levels chooses nothing.
_LEVELS_TAKEN = {
    **dict.fromkeys(("report", "list", "verify"), "takes all levels"),
    "train": "trains the dense network alone",
}

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
                f"{as_given(flag)} is of an earlier version; write {replacements[flag.value]} in "
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
        "replicates": ("lottery", "train", "branch", "export", "reproduce", *names),
        "sweep": ("lottery", "train"),
        "controls": ("lottery",),
        "control_levels": ("lottery", "reproduce"),
        **dict.fromkeys(
            ("jobs", "launcher", "launcher_options"),
            ("lottery", "train", "branch", "reproduce", *names),
        ),
        "for_analysis": ("branch",),
        "figure": ("reproduce",),
        "fraction": ("reproduce",),
        "report": ("lottery", "train"),
        "report_dir": ("report", "reproduce"),
        "tolerance": of_matching,
        **dict.fromkeys(names_of(ExportConfig), ("export",)),
        "overwrite": ("lottery", "train", "export"),
        **{n: analyses_with(n) for n in analysis_options() if n not in config_options()},
        **dict.fromkeys(names_of(Matching), of_matching),
    }


def unset_empty_paths(flag_values: flags.FlagValues) -> None:
    """Takes flags of files and folders that are given without a value as not given.

    So is what a script writes as --export_dir=$FOLDER, where it has no such folder.
    """
    for name in ("run", *_paths()):
        flag = flag_values[name]
        values = flag.value if isinstance(flag.value, list) else [flag.value]
        given = [value for value in values if value != ""]
        if flag.present and not given:
            flag.unparse()
        elif isinstance(flag.value, list):
            flag.value = given


def _paths() -> list[str]:
    """The flags that name one file or folder."""
    options = (*all_options().values(), *analysis_options().values(), *options_of(ExportConfig))
    return ["report_dir", *(option.name for option in options if option.metadata["path"])]


def check_paths(flag_values: flags.FlagValues) -> None:
    """Refuses paths that cannot be, before runs are read with them.

    Args:
      flag_values: the parsed flags.

    Raises:
      ValueError: names the first one.
    """
    for name in _paths():
        flag = flag_values[name]
        if flag.present:
            check_path(f"--{name}", flag.value)
    absolute_dataset(flag_values["dataset"].value)


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
            instead = "; start it once with each value" if name == "sweep" else ""
            raise ValueError(
                f"{as_given(flag)} is for --experiment={' or '.join(experiments)}, but "
                f"--experiment={experiment} was given{instead}."
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
            tell(f"Note: {as_given(flag)} has no effect: {as_given(other)} takes its place.")
    devices, distribution = flag_values["num_virtual_devices"], flag_values["distribution"]
    if distribution.value == "one_device" and (devices.value or 1) > 1:
        tell(
            f"Note: {as_given(devices)} has no effect: {as_given(distribution)} trains on one of "
            "the devices; mirrored trains on all of them."
        )


def tell_of_useless_levels(experiment: str, flag_values: flags.FlagValues) -> None:
    """Says so if --levels is given where it is of no use; a flag file may give it too."""
    levels, taken = flag_values["levels"], _LEVELS_TAKEN.get(experiment)
    if taken and levels.present and levels.value != levels.default:
        tell(f"Note: --levels={levels.value} has no effect: --experiment={experiment} {taken}.")


def as_given(flag: flags.Flag) -> str:
    """A flag as it is written on a command line."""
    if flag.boolean:
        return f"--{flag.name}" if flag.value else f"--no{flag.name}"
    values = flag.value if isinstance(flag.value, list) else [flag.value]
    return " ".join(f"--{flag.name}={value}" for value in values)
