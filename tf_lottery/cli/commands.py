"""What `main.py` is asked to do, from its flags: experiments, what follows from runs, or a list."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from absl import flags

from tf_lottery.cli.flag_uses import (
    check_paths,
    refuse_replaced_flags,
    refuse_useless_flags,
    tell_of_flags_taken_over,
    tell_of_useless_levels,
    unset_empty_paths,
)
from tf_lottery.cli.flags_of_runs import settle_flags_of_runs
from tf_lottery.cli.sweeps import combinations
from tf_lottery.config.analyses import ANALYSES
from tf_lottery.config.arguments import check_path, expanded
from tf_lottery.config.branches import BRANCHES
from tf_lottery.config.experiment import LOCATED, ExperimentConfig, config_from_values
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.flags import all_options, given_values
from tf_lottery.config.launching import Launcher, read_launcher
from tf_lottery.config.matching import tolerance_of
from tf_lottery.config.number_ranges import parse_ranges
from tf_lottery.config.options import names_of
from tf_lottery.config.run import LONGEST_NAME, RunConfig
from tf_lottery.experiments.commands import (
    Analyze,
    Command,
    ExportTickets,
    ListRuns,
    RunBranches,
    RunExperiments,
    VerifyRuns,
    WriteReport,
)
from tf_lottery.store.run_patterns import named_runs
from tf_lottery.training.tf_config import is_chief


def command_from_flags(flag_values: flags.FlagValues = flags.FLAGS) -> Command:
    """Reads the parsed flags.

    Raises:
      ValueError: if a value is out of range, missing, or of no use here; names the flag.
    """
    kind = flag_values["experiment"].value
    unset_empty_paths(flag_values)
    refuse_replaced_flags(flag_values)
    refuse_useless_flags(kind, flag_values)
    check_paths(flag_values)
    tell_of_flags_taken_over(flag_values)
    tell_of_useless_levels(kind, flag_values)
    if kind not in ("lottery", "train"):
        return _of_runs(kind, flag_values)
    configs = tuple(_experiments(flag_values))
    export_dir = flag_values["export_dir"].value
    if export_dir and len(configs) > 1:
        raise ValueError(
            f"--export_dir={export_dir} takes one ticket, but these are {len(configs)} runs; leave "
            "it out, for --export_ticket, which exports each into its own run folder."
        )
    overwrite = flag_values["overwrite"].value
    if overwrite and not (export_dir or flag_values["export_ticket"].value):
        raise ValueError(
            "--overwrite is for exports: give --export_ticket or --export_dir as well, or leave it "
            "out."
        )
    controls, levels = _controls(flag_values)
    return RunExperiments(
        configs,
        controls,
        levels,
        matching_tolerance=_matching_tolerance(flag_values),
        overwrite=overwrite,
        report=flag_values["report"].value,
        jobs=_jobs(flag_values),
        launcher=_launcher(flag_values),
    )


def _of_runs(kind: str, flag_values: flags.FlagValues) -> Command:
    """A command on runs that there are."""
    workdir = expanded("--workdir", flag_values["workdir"].value)
    if kind == "list":
        settle_flags_of_runs(kind, flag_values, ())
        return ListRuns(workdir)
    runs = _runs(flag_values, needed=kind != "verify")
    settle_flags_of_runs(kind, flag_values, runs)
    if kind == "verify":
        return VerifyRuns(workdir, runs, _expected(flag_values))
    if kind == "report":
        return WriteReport(
            runs,
            _path(flag_values, "report_dir"),
            _expected(flag_values),
            matching_tolerance=_matching_tolerance(flag_values),
        )
    if kind == "branch":
        return _branches(flag_values, runs)
    if kind == "export":
        return _export(flag_values, runs)
    return _analysis(flag_values, runs)


def _jobs(flag_values: flags.FlagValues) -> int | None:
    text = flag_values["jobs"].value
    if text == "auto":
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise ValueError(f"--jobs={text}: use auto, or how many trainings run at once, 1 to 9999.")
    return int(text)


def _launcher(flag_values: flags.FlagValues) -> Launcher:
    return read_launcher(flag_values["launcher"].value, flag_values["launcher_options"].value)


def _controls(flag_values: flags.FlagValues) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    text, levels = flag_values["controls"].value, flag_values["control_levels"].value
    names = tuple(dict.fromkeys(name.strip() for name in text.split(","))) if text.strip() else ()
    if not all(names):
        raise ValueError(
            f"--controls={text}: name the branches to run, such as random_mask,one_shot, or leave "
            "the flag out."
        )
    for name in names:
        try:
            branch = BRANCHES.find(name)
        except ValueError as error:
            raise ValueError(str(error).replace("--branch", "--controls")) from error
        if branch.needs_other_run:
            raise ValueError(
                f"--controls={text}: {name} takes something of another run; run it by "
                f"--experiment=branch --branch={name} --other_run=RUN."
            )
    if levels is not None and not names:
        raise ValueError(f"--control_levels={levels} is for --controls; give both, or neither.")
    return names, None if levels is None else tuple(parse_ranges(levels, "--control_levels"))


def _matching_tolerance(flag_values: flags.FlagValues) -> float:
    points = flag_values["matching_tolerance"].value
    tolerance_of(points)
    return points


def _runs(flag_values: flags.FlagValues, *, needed: bool = True) -> tuple[Path, ...]:
    runs = flag_values["run"].value
    for run in runs:
        check_path("--run", run)
    if needed and not runs:
        raise ValueError(
            f"--experiment={flag_values['experiment'].value} needs --run=WORKDIR/NAME, or "
            "--run=WORKDIR/NAME/replicate_R."
        )
    return tuple(path for run in runs for path in _named(run))


def _named(run: str) -> list[Path]:
    try:
        return named_runs(run)
    except ValueError:
        if is_chief(RunConfig()):
            raise
        # Of several workers, the chief has the run folders, and says who needs them too.
        return [expanded("--run", run)]


def _path(flag_values: flags.FlagValues, flag: str) -> Path | None:
    folder = flag_values[flag].value
    if folder is None:
        return None
    return expanded(f"--{flag}", folder)


def _branches(flag_values: flags.FlagValues, runs: tuple[Path, ...]) -> RunBranches:
    if flag_values["branch"].value is None:
        raise ValueError(
            "--experiment=branch needs --branch: the controls to run, such as random_mask, or "
            "several separated by commas."
        )
    names = [name.strip() for name in flag_values["branch"].value.split(",")]
    if not all(names):
        raise ValueError(
            f"--branch={flag_values['branch'].value}: name the branches to run, such as "
            "random_mask,one_shot."
        )
    asked = {"experiment", "branch", "levels", "replicate"}
    return RunBranches(
        runs,
        _chosen_replicates(flag_values),
        tuple(names),
        _chosen_levels(flag_values),
        {name: value for name, value in given_values(flag_values).items() if name not in asked},
        matching_tolerance=_matching_tolerance(flag_values),
        for_analysis=flag_values["for_analysis"].value,
        jobs=_jobs(flag_values),
        launcher=_launcher(flag_values),
    )


def _analysis(flag_values: flags.FlagValues, runs: tuple[Path, ...]) -> Analyze:
    analysis = ANALYSES.find(flag_values["experiment"].value)
    own = names_of(analysis.parameters)
    # Of experiments too, which have another default.
    shared = set(own) & all_options().keys()
    given = {
        name: flag_values[name].value
        for name in own
        if name not in shared or flag_values[name].present
    }
    return Analyze(
        analysis.name,
        runs,
        _chosen_replicates(flag_values),
        _chosen_levels(flag_values),
        analysis.checked(given),
        _here(flag_values, {"other_run"}),
        _expected(flag_values, {"other_run", "replicate", *shared}),
        jobs=_jobs(flag_values),
        launcher=_launcher(flag_values),
    )


def _export(flag_values: flags.FlagValues, runs: tuple[Path, ...]) -> ExportTickets:
    levels = _chosen_levels(flag_values)
    if levels is not None and len(levels) > 1:
        raise ValueError(
            f"--levels={flag_values['levels'].value} names {len(levels)} levels, but one ticket of "
            "a run is exported at a time; name one."
        )
    return ExportTickets(
        runs,
        _chosen_replicates(flag_values),
        levels[0] if levels else None,
        _path(flag_values, "export_dir"),
        ExportConfig(**{name: flag_values[name].value for name in names_of(ExportConfig)}),
        _here(flag_values, set()),
        _expected(flag_values, {"replicate"}),
    )


def _here(flag_values: flags.FlagValues, more: set[str]) -> dict[str, Any]:
    """Given flags that say where something is, `more` among them."""
    here = set(names_of(RunConfig)) - {"experiment"} | more
    return {
        name: value
        for name, value in given_values(flag_values).items()
        if name in {*here, *LOCATED}
    }


def _expected(flag_values: flags.FlagValues, others: Collection[str] = ()) -> dict[str, Any]:
    """Given flags that the runs should have been made with: all of experiments but `others`."""
    others = {*names_of(RunConfig), "levels", *others}
    return {name: value for name, value in given_values(flag_values).items() if name not in others}


def _chosen_levels(flag_values: flags.FlagValues) -> tuple[int, ...] | None:
    if not flag_values["levels"].present:
        return None
    return tuple(parse_ranges(str(flag_values["levels"].value), "--levels"))


def _chosen_replicates(flag_values: flags.FlagValues) -> tuple[int, ...] | None:
    replicates = flag_values["replicates"].value
    if replicates is None and flag_values["replicate"].present:
        replicates = str(flag_values["replicate"].value)
    return None if replicates is None else tuple(parse_ranges(replicates, "--replicates"))


def _experiments(flag_values: flags.FlagValues) -> Iterator[ExperimentConfig]:
    values = {name: flag_values[name].value for name in all_options()}
    if not isinstance(values["levels"], int):
        raise ValueError(
            f"--levels={values['levels']}: here it is the number of prunings, such as 3; ranges "
            "are for --experiment=branch."
        )
    replicates = _wanted_replicates(flag_values)
    names = set()
    given = " --sweep=".join(flag_values["sweep"].value)
    for changes in combinations(flag_values["sweep"].value, list(flag_values)):
        swept = {flag: value for flag, (_, value) in changes.items()}
        if changes:
            swept["name"] = name = _name_of(values, changes)
            if len(name) > LONGEST_NAME:
                raise ValueError(
                    f"--sweep={given}: the runs of this --sweep would have names longer than "
                    f"{LONGEST_NAME} characters; give a shorter --name."
                )
            if name in names:
                raise ValueError(
                    f"--sweep={given}: two of the runs would be named {name}; leave one out."
                )
            names.add(name)
        for replicate in replicates:
            yield config_from_values({**values, **swept, "replicate": replicate})


def _name_of(values: Mapping[str, Any], changes: Mapping[str, tuple[str, Any]]) -> str:
    """The name of a run of a sweep, which begins with that of the flags that are not swept."""
    # No other flag, as those that are swept may go together with their values alone.
    named = {flag: values[flag] for flag in ("name", "workdir", "dataset", "model", "ticket")}
    if values["ticket"] is not None:
        swept = changes.get("ticket_level", ("", None))[1]
        given = values["ticket_level"]
        named["ticket_level"] = swept if given is None else given
    name = config_from_values(named).name
    name = "_".join([name, *(f"{flag}_{text}" for flag, (text, _) in changes.items())])
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _wanted_replicates(flag_values: flags.FlagValues) -> list[int]:
    text = flag_values["replicates"].value
    if text is None:
        return [flag_values["replicate"].value]
    replicates = parse_ranges(text, "--replicates")
    if replicates[0] < 1:
        raise ValueError(f"--replicates={text}: replicates are numbered from 1.")
    return replicates
