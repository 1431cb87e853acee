"""What main.py is asked to do: from flags to commands."""

from pathlib import Path

import pytest

from tests.command_line import command_alone, experiments
from tests.command_line import command_of as command
from tf_lottery.cli.commands import (
    Analyze,
    ListRuns,
    RunBranches,
    RunExperiments,
    WriteReport,
)
from tf_lottery.config.experiment import ExperimentConfig, config_from_values
from tf_lottery.config.flags import flags_text


def test_without_flags_the_default_experiment_is_run():
    assert command_alone() == RunExperiments((ExperimentConfig(),))


@pytest.mark.parametrize("kind", ["lottery", "train"])
def test_an_experiment_is_what_its_flags_say(kind: str):
    flags_given = (f"--experiment={kind}", "--levels=3", "--replicate=2", "--rewind_step=5%")
    expected = {"experiment": kind, "levels": 3, "replicate": 2, "rewind_step": "5%"}
    assert experiments(*flags_given) == (config_from_values(expected),)


def test_replicates_differ_in_nothing_but_their_number():
    configs = experiments("--replicates=4,1-2", "--levels=3", "--replicate=7")
    expected = [config_from_values({"levels": 3, "replicate": number}) for number in (1, 2, 4)]
    assert list(configs) == expected


def test_the_flag_file_of_a_run_replays_it_and_may_be_changed(tmp_path: Path):
    config = config_from_values(
        {"workdir": str(tmp_path), "levels": 3, "target_density": 0.1, "structure": "units",
         "score": "snip", "retraining": "fine_tune", "prune_from": "dense", "replicate": 2,
         "first_layer_pruning_rate": 0.0, "score_examples": 10}
    )  # fmt: skip
    path = tmp_path / "flags.cfg"
    path.write_text(flags_text(config))
    assert command_alone(f"--flagfile={path}") == RunExperiments((config,))
    changed = experiments(f"--flagfile={path}", "--sweep=score:random", "--replicates=3")
    values = {"score": "random", "name": f"{config.name}_score_random", "replicate": 3}
    given = {name: value for name, value in config.identity().items() if name not in values}
    assert changed == (config_from_values({"workdir": str(tmp_path), **given, **values}),)


def test_the_flag_file_of_rates_of_levels_replays_them(tmp_path: Path):
    config = config_from_values({"workdir": str(tmp_path), "pruning_rates": "0.5, 0.25"})
    path = tmp_path / "flags.cfg"
    path.write_text(flags_text(config))
    assert experiments(f"--flagfile={path}") == (config,)


def test_branches_take_runs_levels_and_replicates():
    asked = command_alone(
        *("--experiment=branch", "--run=~/a", "--run=b/replicate_1", "--levels=4,0-2"),
        *("--branch=retrain, one_shot", "--replicates=3,1", "--train_steps=5it", "--branch_seed=2"),
    )
    assert asked == RunBranches(
        runs=(Path.home() / "a", Path("b/replicate_1")),
        replicates=(1, 3),
        branches=("retrain", "one_shot"),
        levels=(0, 1, 2, 4),
        changes={"train_steps": "5it", "branch_seed": 2},
    )


def test_branches_take_all_levels_and_replicates_unless_told():
    needed = ("--experiment=branch", "--run=a", "--branch=retrain")
    assert command_alone(*needed) == RunBranches((Path("a"),), None, ("retrain",), None, {})
    one = command_alone(*needed, "--levels=3", "--replicate=2")
    assert one == RunBranches((Path("a"),), (2,), ("retrain",), (3,), {})


def test_reports_take_runs_and_a_folder():
    needed = ("--experiment=report", "--run=a", "--run=~/b")
    runs = (Path("a"), Path.home() / "b")
    assert command(*needed) == WriteReport(runs, None)
    more = command(*needed, "--report_dir=~/page")
    assert more == WriteReport(runs, Path.home() / "page")


OF_MATCHING = {
    "lottery": ["--levels=2"],
    "train": ["--experiment=train"],
    "branch": ["--experiment=branch", "--run=a", "--branch=retrain"],
    "report": ["--experiment=report", "--run=a"],
    "successive_levels": ["--experiment=successive_levels", "--run=a"],
}


@pytest.mark.parametrize("kind", OF_MATCHING)
# The second is its name in older commands of reports.
@pytest.mark.parametrize("flag", ["matching_tolerance", "tolerance"])
def test_whatever_judges_takes_the_tolerance_of_matching_in_points(kind: str, flag: str):
    for given, points in (([], 0.5), ([f"--{flag}=1.5"], 1.5), ([f"--{flag}=0"], 0.0)):
        asked = command(*OF_MATCHING[kind], *given)
        found = asked.options if isinstance(asked, Analyze) else vars(asked)
        assert found["matching_tolerance"] == points


def test_the_tolerance_of_matching_is_no_part_of_an_experiment(tmp_path: Path):
    plain, other = command("--levels=2"), command("--levels=2", "--matching_tolerance=2")
    assert plain.configs == other.configs
    assert "matching" not in flags_text(other.configs[0])
    assert command(*OF_MATCHING["branch"], "--matching_tolerance=2").changes == {}
    analyzed = command(*OF_MATCHING["successive_levels"], "--matching_tolerance=2")
    assert (analyzed.here, analyzed.expected) == ({}, {})
    assert "matching_tolerance" not in ExperimentConfig().identity()


def test_lists_take_a_folder():
    assert command("--experiment=list") == ListRuns(Path("runs"))
    assert command("--experiment=list", "--workdir=~/w") == ListRuns(Path.home() / "w")


def test_runs_are_named_by_a_pattern(tmp_path):
    for name in ("a_10it", "a_9it"):
        (tmp_path / name / "replicate_1").mkdir(parents=True)
        (tmp_path / name / "replicate_1" / "config.json").touch()
    for kind in ("report", "curvature"):
        asked = command(f"--experiment={kind}", f"--run={tmp_path}/a_*", "--run=b")
        assert asked.runs == (tmp_path / "a_9it", tmp_path / "a_10it", Path("b"))
    with pytest.raises(ValueError, match=r"^--run=.*/c\* fits no run\. In .* are a_9it, a_10it\.$"):
        command("--experiment=report", f"--run={tmp_path}/c*")


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (
            ["--levels=3", "--target_density=0.5"],
            "--levels=3 has no effect: --target_density=0.5 takes its place.",
        ),
        (
            ["--pruning_rates=0.5,0.2", "--pruning_rate=0.3"],
            "--pruning_rate=0.3 has no effect: --pruning_rates=0.5,0.2 takes its place.",
        ),
        (
            ["--num_virtual_devices=2", "--distribution=one_device"],
            "--num_virtual_devices=2 has no effect: --distribution=one_device trains on one of the "
            "devices; mirrored trains on all of them.",
        ),
        (["--num_virtual_devices=2", "--distribution=mirrored"], None),
        (["--levels=3", "--pruning_rate=0.3"], None),
        (["--target_density=0.5"], None),
    ],
)
def test_a_flag_that_another_takes_the_place_of_is_named(given, note, capsys):
    command(*given)
    said = capsys.readouterr().out
    assert said == ("" if note is None else f"Note: {note}\n")


@pytest.mark.parametrize(("text", "jobs"), [("auto", None), ("1", 1), ("12", 12)])
def test_jobs_are_a_number_or_as_many_as_the_machine_is_good_for(text, jobs):
    for needed in (
        ("--replicates=1-3",),
        ("--experiment=branch", "--branch=retrain", "--run=a"),
        ("--experiment=instability", "--run=a"),
    ):
        assert command(f"--jobs={text}", *needed).jobs == jobs


def test_controls_of_an_experiment():
    asked = command("--controls=random_mask, retrain", "--control_levels=1,3-4")
    assert (asked.controls, asked.control_levels) == (("random_mask", "retrain"), (1, 3, 4))
    assert (command().controls, command().control_levels) == ((), None)
