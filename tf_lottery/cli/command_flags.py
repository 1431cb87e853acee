"""The flags of the program: those of the configuration, and what is to be done with it."""

from dataclasses import dataclass

from absl import flags

from tf_lottery.cli.flag_uses import define_replaced_flags
from tf_lottery.cli.paper_figures import PAPER_FIGURES, figures_text
from tf_lottery.config.analyses import analysis_options
from tf_lottery.config.branches import BRANCHES
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.flags import (
    all_options,
    define_choice,
    define_config_flags,
    define_options,
)
from tf_lottery.config.launching import LauncherName
from tf_lottery.config.matching import Matching
from tf_lottery.config.options import option, options_of
from tf_lottery.models.registry import model_names
from tf_lottery.pruning.score import known_methods


@dataclass(frozen=True)
class _CommandFlags:
    """What is done with a configuration, beside the flags that may be given several times."""

    replicates: str | None = option(None, "In place of --replicate: several, such as 1-5.")
    jobs: str = option(
        "auto",
        "How many trainings of replicates, sweeps, branches, controls and analyses run at once, "
        "each in a process of its own; auto: as many as there are cores for, or GPUs. The results "
        "are the same.",
    )
    launcher: LauncherName = option(
        "local",
        "What begins those trainings: local: processes of this machine; submitit: jobs of Slurm; "
        "dask: the workers of a dask scheduler, one training at a time on each.",
    )
    launcher_options: str = option(
        "",
        "NAME:VALUE,NAME:VALUE,... of --launcher, such as partition:gpu,timeout_min:600 for "
        "submitit, or scheduler:tcp://HOST:8786 for dask. What has a comma in it is put in double "
        "quotes.",
    )
    # Of the commands that analyses give to --launcher.
    for_analysis: bool = option(False, "Marks a branch as a step of an analysis.")
    controls: str = option(
        "",
        "Branches, separated by commas, that are run of each experiment as soon as the levels that "
        "they start from are finished, such as random_mask,random_reinitialization.",
    )
    control_levels: str | None = option(
        None, "Levels that --controls start from, such as 3,6-8; unset: all."
    )
    fraction: float = option(
        1.0,
        "Of --experiment=reproduce: share of the paper's length of training; milestones, warmup, "
        "rewind step and evaluations are scaled alike; --validate_every stays, but for runs that "
        "are evaluated more often.",
    )
    report: bool = option(
        False,
        "Write the report of the experiment, with its replicates and controls, when all of them "
        "have ended.",
    )
    report_dir: str | None = option(
        None,
        "Folder of --experiment=report; unset: WORKDIR/NAME/report. Of reproduce; unset: "
        "WORKDIR/reproduction_FIGURE.",
        path=True,
    )


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the configuration, and those that say what is to be done with it."""
    define_config_flags(flag_values)
    matching = {option.name: option for option in options_of(Matching)}
    of_analyses = {**analysis_options(), **matching}
    shared = of_analyses.keys() & all_options().keys()
    define_options((of_analyses[name] for name in of_analyses if name not in shared), flag_values)
    for name in shared:
        flag_values[name].help += f" {of_analyses[name].metadata['help']}"
    define_options(options_of(ExportConfig), flag_values)
    define_replaced_flags(flag_values)
    for flag, known in (
        ("score", known_methods()),
        ("model", model_names()),
        ("branch", BRANCHES.all()),
    ):
        flag_values[flag].help += f" Known: {', '.join(known)}."
    flags.DEFINE_multi_string(
        "run",
        [],
        "For branches, reports, exports, analyses and verify: a run folder, "
        "WORKDIR/NAME/replicate_R, or WORKDIR/NAME for all its replicates, or several of them by a "
        "pattern in quotes, such as 'WORKDIR/NAME_rewind_step_*'; may be given several times.",
        flag_values=flag_values,
    )
    flags.DEFINE_multi_string(
        "sweep",
        [],
        "FLAG:VALUE,VALUE,...: runs the experiment with each value, as NAME_FLAG_VALUE; may be "
        "given several times, for all combinations. A value with a comma is put in double quotes.",
        flag_values=flag_values,
    )
    define_options(options_of(_CommandFlags), flag_values)
    define_choice(
        "figure",
        None,
        PAPER_FIGURES,
        f"Of --experiment=reproduce: a figure or table of a paper. {figures_text()}.",
        flag_values,
    )
    # Its name in commands of reports that were written before there was one rule of matching.
    flags.DEFINE_alias("tolerance", "matching_tolerance", flag_values=flag_values)
