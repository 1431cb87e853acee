"""Flags that are given beside --run: those that a command has no use for are refused or told.

The flag file of a run may be given with any command on it: a flag that has the run's own value says
nothing new, and is taken as not given.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from absl import flags

from tf_lottery.cli.flag_uses import as_given
from tf_lottery.config.analyses import analysis_names
from tf_lottery.config.arguments import expanded
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.flags import read_flag_file
from tf_lottery.config.options import names_of
from tf_lottery.config.run import RunConfig
from tf_lottery.messages import tell
from tf_lottery.store.replicates import replicate_folders
from tf_lottery.store.run_folder import BRANCHES_FOLDER, RunFolder

_REPLICATE = re.compile(r"replicate_\d+")
_DATA = ("data_dir", "manual_dir", "plugin")
_COMPUTING = ("threads", "in_memory", "steps_per_execution", "log_to")
USED_BY_ANALYSES = (*_DATA, *_COMPUTING)
_DEVICES = ("distribution", "num_virtual_devices", "tpu")
# Which runs are meant.
_PLACES = ("experiment", "workdir", "name")


def settle_flags_of_runs(
    experiment: str, flag_values: flags.FlagValues, runs: Sequence[Path]
) -> None:
    """Refuses or tells of flags of experiments that a command on runs has no use for.

    Those that are told, or say what the runs do, are not given any more afterwards.

    Args:
      experiment: the value of --experiment; none that trains an experiment.
      flag_values: the parsed flags.
      runs: those that --run names, which need not exist; none where it names none.

    Raises:
      ValueError: if --name or --workdir is not that of the runs.
    """
    _refuse_other_places(flag_values, runs)
    idle = {*names_of(RunConfig)} - {*_PLACES, *_used(experiment)}
    if not runs:
        # All runs of --workdir are meant, whatever they were made with.
        idle |= {"name", *ExperimentConfig().identity()} - {"levels"}
    given = [flag_values[name] for name in sorted(idle) if flag_values[name].present]
    own = _own_values(runs) if given else []
    told = [flag for flag in given if not _is_of_all(flag, own)]
    if told:
        verb = "has" if len(told) == 1 else "have"
        texts = ", ".join(map(as_given, told))
        tell(f"Note: {texts} {verb} no effect: {_reason(experiment, runs)}.")
    for flag in (*given, *((flag_values["name"], flag_values["workdir"]) if runs else ())):
        flag.unparse()


def _used(experiment: str) -> Collection[str]:
    if experiment == "branch":
        return (*_DATA, *_COMPUTING, *_DEVICES)
    if experiment == "export":
        return (*_DATA, "export_dir")
    if experiment in analysis_names():
        return USED_BY_ANALYSES
    return ("plugin",)


def _reason(experiment: str, runs: Sequence[Path]) -> str:
    if not runs:
        return f"--experiment={experiment} takes all runs of --workdir as they are"
    if experiment in ("report", "verify"):
        return f"--experiment={experiment} reads what the runs have left, and computes nothing"
    if experiment == "branch":
        return "--experiment=branch trains no dense network, and exports nothing"
    return f"--experiment={experiment} computes on one device what the runs hold"


def _own_values(runs: Iterable[Path]) -> list[Mapping[str, Any]]:
    """The values in the flag files of the runs; without one, all are at their defaults."""
    found = []
    for run in runs:
        folders = [run]
        with suppress(ValueError, OSError):
            folders = replicate_folders(run)
        for folder in folders:
            values: Mapping[str, Any] = {}
            with suppress(ValueError, OSError):
                values = read_flag_file(RunFolder.read(folder).home / "flags.cfg")
            found.append(values)
    return found or [{}]


def _is_of_all(flag: flags.Flag, own: Sequence[Mapping[str, Any]]) -> bool:
    return all(values.get(flag.name, flag.default) == flag.value for values in own)


def _refuse_other_places(flag_values: flags.FlagValues, runs: Sequence[Path]) -> None:
    for name, is_right, what in (
        ("name", _has_name, "different runs"),
        ("workdir", _lies_in, "different folders of runs"),
    ):
        flag = flag_values[name]
        others = [run for run in runs if not is_right(run, flag.value)]
        if flag.present and flag.value is not None and others:
            raise ValueError(
                f"{as_given(flag)} and --run={others[0]} name {what}; give one of the two."
            )


def _has_name(run: Path, name: str | None) -> bool:
    """Whether a run, its folder of replicates or one of its branches has a name."""
    place = run.absolute()
    if place.parent.name == BRANCHES_FOLDER:
        place = place.parents[1]
    return name == (place.parent if _REPLICATE.fullmatch(place.name) else place).name


def _lies_in(run: Path, workdir: str) -> bool:
    folder = expanded("--workdir", workdir)
    return run.absolute().is_relative_to(folder.absolute()) or run.resolve().is_relative_to(
        folder.resolve()
    )
