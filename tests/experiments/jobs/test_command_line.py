"""Commands as flags: read back, they are the same commands."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from absl import flags

from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags
from tf_lottery.config.analyses import ANALYSES, analysis_names
from tf_lottery.config.branches import branch_options
from tf_lottery.config.experiment import ExperimentConfig, config_from_values, config_options
from tf_lottery.config.launching import Launcher
from tf_lottery.config.options import choices_of, options_of
from tf_lottery.experiments.commands import (
    Analyze,
    Command,
    ListRuns,
    RunBranches,
    RunExperiments,
)
from tf_lottery.experiments.jobs.command_line import command_line

ODD = "a b/c,d 'e' \"f\" $g\\h=ü--i"
NOT_OF_EXPERIMENTS = {"branch", "branch_seed", "other_run"}
HOW = {
    "jobs": 3,
    "launcher": Launcher(
        "submitit",
        {"partition": "gpu,cpu", "mem_gb": 1.5, "setup": ["module load a, b", "x"], "ok": True},
    ),
}


def read(arguments: list[str]) -> Command:
    values = flags.FlagValues()
    define_flags(values)
    values(["main.py", *arguments])
    return command_from_flags(values)


def candidates(option):
    yield from ((not option.default,) if isinstance(option.default, bool) else ())
    yield from choices_of(option.type)
    yield from (3, 1.5, 0.9, 0.1, 1e-07, 0.30000000000000004, 2)
    yield from ("n-1", "5it,9it", "50%", "0.5,0.25", "1it", "a*:0.1,b:0", "2pt", "mlflow", ODD)


# What some options are refused without.
COMPANIONS = (
    {},
    {"retraining": "fine_tune"},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9},
    {"lr_schedule": "step"},
    {"lr_schedule": "cosine", "learning_rate": 2.0},
    {"pruning_rate": "auto"},
    {"structure": "units"},
    {"initializer": "normal"},
    {"init_stddev": 0.1},
    {"initial_weights": "x.weights.h5"},
    {"ticket": "x", "ticket_level": 1},
)


def with_other_value(option):
    """A configuration in which an option is not at its default."""
    for value in candidates(option):
        for companions in COMPANIONS:
            with suppress(ValueError):
                config = config_from_values({**companions, option.name: value})
                if value != option.default:
                    return config
    raise AssertionError(f"no other value of {option.name}")


def of_experiments():
    options = {n: o for n, o in config_options().items() if n not in NOT_OF_EXPERIMENTS}
    assert set(options.pop("experiment").type.__args__) > {"lottery", "train"}
    return options.values()


@pytest.mark.parametrize("option", of_experiments(), ids=lambda option: option.name)
def test_an_experiment_whatever_its_options_are(option):
    command = RunExperiments((with_other_value(option),), jobs=1)
    assert read(command_line(command)) == command


def test_the_dense_network_alone():
    command = RunExperiments((config_from_values({"experiment": "train"}),), jobs=1)
    assert command_line(command) == ["--experiment=train", "--jobs=1"]
    assert read(command_line(command)) == command


def test_an_experiment_with_all_that_goes_with_it():
    config = config_from_values(
        {"workdir": ODD, "data_dir": "~/x", "export_ticket": True, "learning_rate": 1e-05}
    )
    command = RunExperiments(
        (config,),
        ("random_mask", "retrain"),
        (1, 2, 5),
        matching_tolerance=0.25,
        overwrite=True,
        report=True,
        **HOW,
    )
    assert read(command_line(command)) == command
    assert read(command_line(replace(command, jobs=None))) == replace(command, jobs=None)


def test_the_default_experiment_takes_no_flags():
    assert command_line(RunExperiments((ExperimentConfig(),), jobs=None)) == []


def test_branches():
    changes = {
        "learning_rate": 0.1,
        "rewind_optimizer": False,
        "branch_seed": 4,
        "data_dir": ODD,
        "other_run": "~/x",
        "threads": 2,
        **{name: option.default for name, option in branch_options().items()},
    }
    command = RunBranches(
        (Path(ODD), Path("x/y"), Path("[1]")),
        (1, 3),
        ("random_mask", "retrain"),
        (0, 2),
        changes,
        matching_tolerance=1.5,
        for_analysis=True,
        **HOW,
    )
    with pytest.raises(ValueError, match="fits no run"):
        read(command_line(command))
    command = replace(command, runs=command.runs[:2])
    assert read(command_line(command)) == command
    plain = RunBranches((Path("r"),), None, ("random_mask",), None, {}, jobs=None)
    assert command_line(plain) == ["--experiment=branch", "--run=r", "--branch=random_mask"]
    assert read(command_line(plain)) == plain


@pytest.mark.parametrize("name", analysis_names())
def test_analyses(name):
    analysis = ANALYSES.find(name)
    options = dict(analysis.defaults)
    command = Analyze(name, (Path(ODD),), None, None, options, {}, jobs=None)
    assert command_line(command) == [f"--experiment={name}", f"--run={ODD}"]
    assert read(command_line(command)) == command
    for option in options_of(analysis.parameters):
        for value in candidates(option):
            try:
                options = analysis.checked({option.name: value})
            except ValueError:
                continue
            here, expected = {"data_dir": "x y", "threads": 3}, {"model": "lenet_9"}
            command = Analyze(name, (Path("a"),), (2,), (0, 3), options, here, expected, **HOW)
            try:
                again = read(command_line(command))
            except flags.Error:
                continue  # The types of some texts are told by their flags alone.
            assert again == command


def test_what_no_other_process_does_has_no_flags():
    with pytest.raises(ValueError, match="ListRuns"):
        command_line(ListRuns(Path("x")))
    with pytest.raises(ValueError, match="2 experiments"):
        command_line(RunExperiments((ExperimentConfig(),) * 2))
