"""Commands as the flags of the program, which anyone can give by hand to the same effect."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.config.analyses import ANALYSES
from tf_lottery.config.controls import BranchConfig
from tf_lottery.config.experiment import ExperimentConfig, sections
from tf_lottery.config.launching import Launcher, options_text
from tf_lottery.config.matching import DEFAULT_POINTS
from tf_lottery.config.options import options_of
from tf_lottery.experiments.commands import Analyze, Command, RunBranches, RunExperiments


def command_line(command: Command) -> list[str]:
    """The flags that give a command: the inverse of `command_from_flags`.

    Args:
      command: of those that train or measure; experiments one at a time.

    Returns:
      Arguments of a process; `shlex.join` makes a line for a shell of them.

    Raises:
      ValueError: if there are no flags for it.
    """
    if isinstance(command, RunExperiments):
        return list(_of_experiment(command))
    if isinstance(command, RunBranches):
        return list(_of_branches(command))
    if isinstance(command, Analyze):
        return list(_of_analysis(command))
    raise ValueError(f"{type(command).__name__} is not done by another process.")


def _of_experiment(command: RunExperiments) -> Iterator[str]:
    if len(command.configs) != 1:
        raise ValueError(f"These are {len(command.configs)} experiments; give them one by one.")
    (config,) = command.configs
    yield from _of_config(config)
    if command.controls:
        yield f"--controls={','.join(command.controls)}"
    if command.control_levels is not None:
        yield f"--control_levels={_numbers(command.control_levels)}"
    if command.overwrite:
        yield "--overwrite"
    if command.report:
        yield "--report"
    yield from _tolerance(command.matching_tolerance)
    yield from _how(command.jobs, command.launcher)


def _of_config(config: ExperimentConfig) -> Iterator[str]:
    for name, section in sections().items():
        if section is BranchConfig:
            # Of branches, which are made from those of a run.
            continue
        own = getattr(config, name)
        for option in options_of(own):
            value = getattr(own, option.name)
            if value != option.default:
                yield _flag(option.name, value)


def _of_branches(command: RunBranches) -> Iterator[str]:
    yield "--experiment=branch"
    yield from _runs(command.runs, command.replicates, command.levels)
    yield f"--branch={','.join(command.branches)}"
    yield from _values(command.changes)
    if command.for_analysis:
        yield "--for_analysis"
    yield from _tolerance(command.matching_tolerance)
    yield from _how(command.jobs, command.launcher)


def _of_analysis(command: Analyze) -> Iterator[str]:
    yield f"--experiment={command.analysis}"
    yield from _runs(command.runs, command.replicates, command.levels)
    defaults = ANALYSES.find(command.analysis).defaults
    yield from _values({n: v for n, v in command.options.items() if v != defaults[n]})
    yield from _values({**command.here, **command.expected})
    yield from _how(command.jobs, command.launcher)


def _runs(
    runs: Sequence[Path], replicates: Sequence[int] | None, levels: Sequence[int] | None
) -> Iterator[str]:
    for run in runs:
        yield f"--run={run}"
    if replicates is not None:
        yield f"--replicates={_numbers(replicates)}"
    if levels is not None:
        yield f"--levels={_numbers(levels)}"


def _numbers(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _values(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        # What is unset is not given.
        if value is not None:
            yield _flag(name, value)


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={repr(value) if isinstance(value, float) else value}"


def _tolerance(points: float) -> Iterator[str]:
    if points != DEFAULT_POINTS:
        yield _flag("matching_tolerance", points)


def _how(jobs: int | None, launcher: Launcher) -> Iterator[str]:
    if jobs is not None:
        yield f"--jobs={jobs}"
    if not launcher.is_local:
        yield f"--launcher={launcher.name}"
    if launcher.options:
        yield f"--launcher_options={options_text(launcher)}"
