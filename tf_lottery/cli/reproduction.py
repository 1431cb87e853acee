"""The commands that make a figure of a paper, at its full length or at a share of it."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from math import ceil
from pathlib import Path

from absl import flags

from tf_lottery.cli import shipped_configs
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags
from tf_lottery.cli.flag_uses import as_given, refuse_useless_flags
from tf_lottery.cli.flags_of_runs import USED_BY_ANALYSES
from tf_lottery.cli.paper_figures import PAPER_FIGURES, PaperFigure
from tf_lottery.config.flags import all_options, read_flag_file
from tf_lottery.config.options import names_of
from tf_lottery.config.run import RunConfig
from tf_lottery.config.steps import parse_steps, scaled_point
from tf_lottery.experiments.commands import Command
from tf_lottery.experiments.dispatch import run_command
from tf_lottery.messages import tell

# The validation loss is looked at as often as in the paper, or with every evaluation.
_POINTS = ("train_steps", "lr_milestones", "warmup_steps", "rewind_step", "evaluate_every")
_NAMED_BY_THE_FIGURE = ("experiment", "name", "export_dir", "dense_from")
# Flags of runs that change neither what is trained nor what the figure shows, but how often one
# looks, and how it is computed.
_OF_RUNS = ("evaluate_every", "validate_every", "jit_compile", "mixed_precision")
# What may be said besides the figure: where and how it is computed, and how much of it.
TAKEN = (
    *_OF_RUNS,
    *(name for name in names_of(RunConfig) if name not in _NAMED_BY_THE_FIGURE),
    *("replicates", "levels", "control_levels", "jobs", "launcher", "launcher_options"),
    "report_dir",
)
_OF_ANALYSES = (*USED_BY_ANALYSES, "jobs", "launcher", "launcher_options")


def reproduce(flag_values: flags.FlagValues) -> int:
    """Makes a figure: runs its experiments with their controls, analyses them, reports.

    Args:
      flag_values: the parsed flags.

    Returns:
      The exit code: 1 if something is damaged, else 0.

    Raises:
      ValueError: as of `reproduction`, or if a command cannot be carried out.
    """
    experiments, followers = reproduction(flag_values)
    # What is wrong with a later experiment is told before the first is trained.
    commands = [_command_of(line) for line in experiments]
    tell(f"{PAPER_FIGURES[flag_values['figure'].value].title}. The commands:")
    for line in (*experiments, *followers):
        tell(f"  {text_of(line)}")
    status = 0
    for command in commands:
        status |= run_command(command)
    for line in followers:
        status |= run_command(_command_of(line))
    return status


def reproduction(flag_values: flags.FlagValues) -> tuple[list[list[str]], list[list[str]]]:
    """The command lines that make a figure, in their order.

    Args:
      flag_values: the parsed flags.

    Returns:
      The arguments of each experiment, and of each command that follows from their runs; done
      again, a command goes on where it stopped.

    Raises:
      ValueError: if no figure is named, or flags are given that a figure leaves no choice of.
    """
    name, fraction = flag_values["figure"].value, flag_values["fraction"].value
    if name is None:
        raise ValueError(
            f"--experiment=reproduce needs --figure: one of {', '.join(PAPER_FIGURES)}."
        )
    if not 0 < fraction <= 1:
        raise ValueError(f"--fraction={fraction} is out of range: use 0 < fraction <= 1.")
    _refuse_other_flags(flag_values)
    figure = PAPER_FIGURES[name]
    given = {flag: flag_values[flag] for flag in TAKEN if flag_values[flag].present}
    if "control_levels" in given and not figure.controls:
        raise ValueError(
            f"{as_given(given['control_levels'])}: --figure={name} has no controls; leave "
            "--control_levels out."
        )
    workdir = Path(flag_values["workdir"].value)
    names = [_run_name(file, part, fraction) for file, part in figure.experiments]
    folders = [workdir / each for each in names]
    experiments = [
        _experiments(file, part, fraction, each, given)
        for (file, part), each in zip(figure.experiments, names, strict=True)
    ]
    runs = [f"--run={folder}" for folder in folders]
    here = list(_written(given, _OF_ANALYSES))
    analyses = [[f"--experiment={each}", *runs, *here] for each in figure.analyses]
    named = given["report_dir"].value if "report_dir" in given else None
    folder = named or workdir / f"reproduction_{name.replace(':', '_')}{_of_length(fraction)}"
    report = ["--experiment=report", *runs, f"--report_dir={folder}"]
    return experiments, [*analyses, report]


def _command_of(line: Sequence[str]) -> Command:
    values = flags.FlagValues()
    define_flags(values)
    flags.DEFINE_multi_string("flagfile", [], "", flag_values=values)
    values(["main.py", *line])
    return command_from_flags(values)


def text_of(line: Sequence[str]) -> str:
    """A command line as it would be typed."""
    return f"python main.py {shlex.join(line)}"


def _refuse_other_flags(flag_values: flags.FlagValues) -> None:
    refuse_useless_flags("reproduce", flag_values)
    for name in all_options():
        flag = flag_values[name]
        if flag.present and name not in ("experiment", *TAKEN):
            instead = f"; give --replicates={flag.value}" if name == "replicate" else ""
            also = "also takes" if instead else "takes --replicates,"
            raise ValueError(
                f"--experiment=reproduce takes no --{name}{instead}. It {also} --levels, "
                f"--{', --'.join(_OF_RUNS)}. To change anything else, run the printed commands "
                "yourself with another --name."
            )


def _experiments(
    file: str, figure: PaperFigure, fraction: float, name: str, given: dict[str, flags.Flag]
) -> list[str]:
    path = Path(shipped_configs.find(f"paper/{file}.cfg"))
    values = read_flag_file(path)
    shortened = {} if fraction == 1 else _shortened(values, fraction)
    shortened |= _validations({**values, **shortened}, given)
    line = [f"--flagfile={path}", f"--name={name}", *figure.changed]
    if file in figure.learning_rates:
        line.append(f"--learning_rate={figure.learning_rates[file]}")
    line += [f"--{flag}={value}" for flag, value in shortened.items()]
    if figure.controls:
        line.append(f"--controls={','.join(figure.controls)}")
    if "replicates" not in given:
        line.append(f"--replicates={figure.replicates}")
    return [*line, *_written(given, [flag for flag in TAKEN if flag != "report_dir"])]


def _shortened(values: dict[str, str], fraction: float) -> dict[str, str]:
    _check_apart(values, fraction)
    return {
        flag: ",".join(scaled_point(point, fraction) for point in values[flag].split(","))
        for flag in _POINTS
        if values.get(flag)
    }


def _check_apart(values: dict[str, str], fraction: float) -> None:
    """Refuses a share in which different points become the same iteration.

    Raises:
      ValueError: says which, and what share is enough.
    """
    points = {0: "the start"} | {
        _iterations(point): f"--{flag}={values[flag]}"
        for flag in _POINTS
        for point in values.get(flag, "").split(",")
        # How many iterations epochs have is not known here.
        if flag != "evaluate_every" and point.endswith("it") and point != "0it"
    }
    for (early, one), (late, other) in pairwise(sorted(points.items())):
        if (same := round(early * fraction)) == round(late * fraction):
            gap = min(second - first for first, second in pairwise(sorted(points)))
            of = ", ".join(dict.fromkeys([one, other]))
            raise ValueError(
                f"--fraction={fraction:g}: iterations {early:,} and {late:,} ({of}) would both be "
                f"iteration {same}; use {ceil(1e5 / gap) / 1e5:g} or more."
            )


def _validations(values: dict[str, str], given: dict[str, flags.Flag]) -> dict[str, str]:
    """--validate_every, where evaluations have become more frequent than it is."""
    look = values.get("validate_every")
    evaluation = given["evaluate_every"].value if "evaluate_every" in given else None
    evaluation = evaluation or values["evaluate_every"]
    with suppress(ValueError):  # Epochs, whose iterations are not known here.
        if look and _iterations(look) > _iterations(evaluation):
            return {"validate_every": evaluation}
    return {}


def _iterations(point: str) -> int:
    return parse_steps(point, steps_per_epoch=None, argument="a point in training")


def _written(given: dict[str, flags.Flag], names: Sequence[str]) -> Iterator[str]:
    return (given[name].serialize() for name in names if name in given)


def _run_name(file: str, figure: PaperFigure, fraction: float) -> str:
    return f"{file}{figure.suffix}{_of_length(fraction)}"


def _of_length(fraction: float) -> str:
    return "" if fraction == 1 else f"_x{fraction:g}"
