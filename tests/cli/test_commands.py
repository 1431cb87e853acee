"""What main.py is asked to do: from flags to commands."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from absl import flags

from tests.command_line import command_of as command
from tf_lottery.cli.commands import (
    Analyze,
    Command,
    ExportTickets,
    ListRuns,
    RunBranches,
    RunExperiments,
    WriteReport,
)
from tf_lottery.config.analyses import ANALYSES, analysis_names
from tf_lottery.config.experiment import ExperimentConfig, config_from_values
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.flags import flags_text
from tf_lottery.config.trained_copies import Copies


def command_alone(*arguments: str) -> Command:
    """What is asked for, whatever number of jobs it is done with."""
    asked = command(*arguments)
    return replace(asked, jobs=1) if hasattr(asked, "jobs") else asked


def experiments(*arguments: str) -> tuple[ExperimentConfig, ...]:
    asked = command(*arguments)
    assert isinstance(asked, RunExperiments)
    return asked.configs


def names(*arguments: str) -> list[str]:
    return [config.name for config in experiments(*arguments)]


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


def test_a_sweep_runs_each_value_under_a_name_of_its_own():
    configs = experiments("--sweep=rewind_step:0it,30it", "--name=study", "--levels=3")
    assert list(configs) == [
        config_from_values({"name": f"study_rewind_step_{step}", "rewind_step": step, "levels": 3})
        for step in ("0it", "30it")
    ]


def test_a_swept_value_comes_before_one_that_is_given_alone():
    assert [c.pruning.levels for c in experiments("--levels=7", "--sweep=levels:1,2")] == [1, 2]


def test_swept_values_have_the_types_of_their_flags():
    configs = experiments("--sweep=rewind_optimizer:true,false", "--sweep=learning_rate:1e-3,1")
    found = [(c.pruning.rewind_optimizer, c.training.learning_rate) for c in configs]
    assert found == [(True, 1e-3), (True, 1.0), (False, 1e-3), (False, 1.0)]
    assert all(isinstance(rate, float) for _, rate in found)


def test_several_sweeps_give_all_combinations_each_with_all_replicates():
    configs = experiments(
        "--name=s", "--sweep=levels:1,2", "--sweep= --score : random, snip ", "--replicates=1-2"
    )
    found = [(c.name, c.pruning.levels, c.pruning.score, c.seeds.replicate) for c in configs]
    assert found == [
        (f"s_levels_{levels}_score_{score}", levels, score, replicate)
        for levels in (1, 2)
        for score in ("random", "snip")
        for replicate in (1, 2)
    ]
    assert len({config.run_path for config in configs}) == 8


def test_quotes_hold_a_value_with_commas_together():
    configs = experiments('--sweep=pruning_rates:"0.5,0.25", 0.2,"0.4, 0.3"', "--name=a")
    assert [c.pruning.pruning_rates for c in configs] == ["0.5,0.25", "0.2", "0.4, 0.3"]
    assert [c.pruning.rates for c in configs] == [(0.5, 0.25), (0.2,), (0.4, 0.3)]
    assert [c.name for c in configs] == [
        "a_pruning_rates_0.5_0.25", "a_pruning_rates_0.2", "a_pruning_rates_0.4__0.3"
    ]  # fmt: skip


def test_an_empty_value_in_quotes_is_the_default_of_a_text():
    configs = experiments('--sweep=pruning_rates:"",0.5')
    assert [config.pruning.rates for config in configs] == [0.2, (0.5,)]


@pytest.mark.parametrize(
    ("sweep", "endings"),
    [
        ("rewind_step:1%,2ep", ["rewind_step_1_", "rewind_step_2ep"]),
        ("structure:weights,units", ["structure_weights", "structure_units"]),
        ("learning_rate:1e-3,+1", ["learning_rate_1e-3", "learning_rate__1"]),
        ("dataset:cifar10:3.0.2,mnist", ["dataset_cifar10_3.0.2", "dataset_mnist"]),
        ("dataset:../a b/ü", ["dataset_.._a_b__"]),
    ],
)
def test_names_of_sweeps_are_names_of_folders(sweep: str, endings: list[str], tmp_path: Path):
    configs = experiments(f"--sweep={sweep}", "--name=run", f"--workdir={tmp_path}")
    assert [config.name for config in configs] == [f"run_{ending}" for ending in endings]
    for config in configs:
        assert config.run_path.resolve().parent.parent == tmp_path.resolve()


def test_a_sweep_of_a_run_without_a_name_begins_with_its_data_and_network():
    assert names("--model=lenet_9", "--sweep=levels:1") == ["digits_lenet_9_levels_1"]


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        (["levels"], r"--sweep=levels: write FLAG:VALUE,VALUE"),
        (["levels:"], r"--sweep=levels:: write FLAG"),
        (["levels: "], r"--sweep=levels: : write FLAG"),
        ([""], r"--sweep=: write FLAG"),
        (["learning_rat:1"], r"there is no flag --learning_rat. Did you mean .*--learning_rate"),
        (["xyzzy:1"], r"--sweep=xyzzy:1: there is no flag --xyzzy. What may be swept is .*score"),
        (["workdir:a,b"], r"--sweep=workdir:a,b: .*would be copies .*give --workdir=a for all"),
        (["threads:1,2"], r"--sweep=threads:1,2: --threads says where and how .*--threads=1 for"),
        (["in_memory:on,off"], r"--in_memory says .*What may be swept is .*rewind_step"),
        (["distribution:mirrored"], r"--distribution says where .*--distribution=mirrored for all"),
        (["name:a,b"], r"--sweep=name:a,b: .*are named after their values; give one --name"),
        (["replicate:1,2"], r"--sweep=replicate:1,2: .*give --replicates=1,2\. What may be"),
        (["replicates:1,2"], r"--sweep=replicates:1,2: .*give --replicates=1,2"),
        (["branch_seed:1,2"], r"--branch_seed is not for the training of runs; give --branch_seed"),
        (["formats:keras"], r"--sweep=formats:keras: --formats is not for the training of runs"),
        (["tolerance:1,2"], r"--sweep=tolerance:1,2: --tolerance is for the whole command"),
        (["jobs:1,2"], r"--sweep=jobs:1,2: --jobs is for the whole command, .*--jobs=1 once"),
        (["levels:1,,2"], r"--sweep=levels:1,,2: flag --levels=: "),
        (["levels:1,many"], r"--sweep=levels:1,many: flag --levels=many: "),
        (["levels:0-5,8"], r"--sweep=levels:0-5,8: 0-5 is not a number of prunings"),
        (["pruning_rate:0.2,fast"], r"--sweep=pruning_rate:0.2,fast: flag --pruning_rate=fast"),
        (["optimizer:adam,lion"], r"--sweep=optimizer:adam,lion: .*lion: .*sgd, adam, adamw"),
        (["rewind_optimizer:maybe"], r"--sweep=rewind_optimizer:maybe: .*rewind_optimizer=maybe"),
        (["pruning_rate:0.2,2"], r"--pruning_rate=2\.0 is out of range: use a fraction"),
        (["target_density:0.5,0"], r"--target_density=0\.0 is out of range"),
        (['pruning_rates:"0.5,0.2'], r'--sweep=pruning_rates:"0\.5,0\.2: .*double quotes'),
        (["levels:1", "levels:2"], r"--sweep=levels:2: another --sweep has --levels"),
        (["levels:1", "--levels:2"], r"--sweep=--levels:2: another --sweep has --levels"),
        (["levels:1,2,1"], r"--sweep=levels:1,2,1: 1 is there twice; leave one out"),
        (
            ["dataset:a/b,a_b"],
            r"--sweep=dataset:a/b,a_b: two of the runs would be named \w+_dataset_a_b;",
        ),
    ],
    ids=str,
)
def test_sweeps_that_make_no_sense_are_refused(sweeps: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        command(*(f"--sweep={sweep}" for sweep in sweeps))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--replicates=0-2"], r"^--replicates=0-2: replicates are numbered from 1"),
        (["--replicates=two"], r"^--replicates=two: 'two' is neither a number nor a range"),
        (["--replicates="], r"^--replicates=: '' is neither"),
        (["--replicates=3-1"], r"^--replicates=3-1: the range '3-1' ends before"),
        (
            ["--levels=0-3"],
            r"^--levels=0-3: here it is the number .*ranges are for --experiment=branch\.",
        ),
        (["--pruning_rate=2"], r"^--pruning_rate=2\.0 is out of range"),
        (["--export_dir=x", "--replicates=1-2"], r"^--export_dir=x takes one ticket, .* 2 runs"),
        (["--overwrite"], r"^--overwrite is for exports: give --export_ticket or --export_dir"),
        (["--export_dir=x", "--sweep=levels:1,2,3"], r"^--export_dir=x takes one ticket, .* 3"),
        (["--experiment=branch", "--branch=retrain"], r"^--experiment=branch needs --run=WORKDIR"),
        (["--experiment=report"], r"^--experiment=report needs --run=WORKDIR/NAME"),
        (["--experiment=branch", "--run=a"], r"--experiment=branch needs --branch"),
        (["--experiment=branch", "--run=a", "--branch=a,,b"], r"^--branch=a,,b: name the branches"),
        (
            ["--experiment=branch", "--run=a", "--branch=retrain", "--replicates=x"],
            r"^--replicates=x: 'x' is neither",
        ),
        (["--experiment=curvature"], r"^--experiment=curvature needs --run=WORKDIR/NAME"),
        (["--experiment=curvature", "--run=a", "--replicates=x"], r"^--replicates=x: 'x' is neit"),
        (
            ["--experiment=instability", "--run=a", "--baselines=random_mask,masks"],
            r"^--baselines=random_mask,masks is out of range: use random_mask or random_reinit",
        ),
        (
            ["--experiment=interpolate", "--run=a", "--points=2"],
            r"^--points=2 .*: use 3 to 10000, both ends",
        ),
        (["--experiment=curvature", "--run=a", "--eigenvalues=0"], r"^--eigenvalues=0 .*1 to 100"),
        (["--experiment=curvature", "--run=a", "--eigenvalues=101"], r"^--eigenvalues=101 is out"),
        (["--experiment=curvature", "--run=a", "--curvature_examples=0"], r"_examples=0 .*1 or mo"),
        (["--experiment=curvature", "--run=a", "--loss_rise=0"], r"^--loss_rise=0\.0 .*positive"),
        (["--experiment=curvature", "--run=a", "--loss_rise=nan"], r"^--loss_rise=nan .*positive"),
        (["--experiment=curvature", "--run=a", "--curvature_seed=-1"], r"_seed=-1 .*use 0 or more"),
        (
            ["--experiment=successive_levels", "--run=a", "--matching_tolerance=nan"],
            r"^--matching_tolerance=nan is out of range: use 0 to 100 points",
        ),
        (["--matching_tolerance=101"], r"^--matching_tolerance=101.0 .*0 to 100"),
        (["--experiment=train", "--matching_tolerance=-1"], r"^--matching_tolerance=-1.0 .*0 to"),
        (
            ["--experiment=branch", "--run=a", "--branch=retrain", "--matching_tolerance=nan"],
            r"^--matching_tolerance=nan .*0 to 100",
        ),
        (
            ["--experiment=report", "--run=a", "--tolerance=101"],
            r"^--matching_tolerance=101.0 is out of range: use 0 to 100 points",
        ),
    ],
    ids=" ".join,
)
def test_values_of_no_sense_are_refused(arguments: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        command(*arguments)


@pytest.mark.parametrize("kind", ["instability", "stability", "lottery", "report"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--norandom_masks", "--baselines="),
        ("--random_masks=false", "--baselines="),
        ("--random_masks", "--baselines=random_mask"),
    ],
)
def test_flags_of_earlier_versions_are_refused_with_what_to_write_now(kind, old, new):
    with pytest.raises(ValueError, match=f"^--(no)?random_masks is .*; write {new} in its place"):
        command(f"--experiment={kind}", "--run=a", old)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("random_reinitialization, random_mask", ("random_mask", "random_reinitialization")),
        ("random_reinitialization", ("random_reinitialization",)),
        ("", ()),
    ],
)
def test_baselines_are_chosen_by_their_names(text, chosen):
    needed = ("--experiment=stability", "--run=a")
    options = command(*needed, f"--baselines={text}").options
    assert Copies(**options).chosen_baselines == chosen
    both = ("random_mask", "random_reinitialization")
    assert Copies(**command(*needed).options).chosen_baselines == both


@pytest.mark.parametrize("levels", ["many", "1-", "3-1", "1,,2", "-1-2"])
def test_levels_that_are_neither_a_number_nor_ranges_are_errors_of_absl(levels: str):
    with pytest.raises(flags.Error, match=f"--levels={levels}"):
        command(f"--levels={levels}")


@pytest.mark.parametrize(
    ("flag", "kinds"),
    [
        ("--run=a", ["lottery", "train", "list"]),
        ("--branch=retrain", ["lottery", "train", "report", "list"]),
        ("--branch_seed=1", ["lottery", "train", "report", "list"]),
        ("--other_run=a", ["lottery", "train", "report", "list"]),
        ("--replicates=1-2", ["report", "list"]),
        ("--sweep=levels:1,2", ["branch", "report", "list"]),
        ("--report_dir=a", ["lottery", "train", "branch", "list"]),
        ("--tolerance=1", ["list", "export", "interpolate"]),
        ("--formats=keras", ["lottery", "train", "branch", "report", "list", "curvature"]),
        ("--compact=on", ["lottery", "report", *analysis_names()]),
        ("--nomeasure", ["train", "branch", "list", "magnitudes"]),
        ("--overwrite", ["branch", "report", "list", "interpolate"]),
        ("--branch=retrain", ["export"]),
        ("--report_dir=a", ["export"]),
        ("--sweep=levels:1,2", ["export"]),
        ("--points=5", ["export"]),
        ("--branch=retrain", analysis_names()),
        ("--sweep=levels:1,2", analysis_names()),
        ("--points=5", ["lottery", "branch", "report", "list", "curvature", "magnitudes"]),
        ("--line_mask=first", ["train", "report", "curvature", "magnitudes"]),
        ("--align=weights", ["train", "list", "instability", "successive_levels", "curvature"]),
        ("--solutions=a,b", ["lottery", "report", "successive_levels", "curvature", "magnitudes"]),
        (
            "--matching_tolerance=1",
            ["list", "export", *(name for name in analysis_names() if name != "successive_levels")],
        ),
        ("--perturbations=1", ["lottery", "branch", "report", "instability", "curvature"]),
        ("--directions=2", ["train", "list", "interpolate", "successive_levels"]),
        ("--sgd_noise=same", ["lottery", "branch", "report", "instability", "stability"]),
        ("--baselines=random_mask", ["lottery", "branch", "report", "robustness", "same_region"]),
        ("--eigenvalues=3", ["lottery", "list", "interpolate", "successive_levels", "magnitudes"]),
    ],
)
def test_flags_of_no_use_are_refused(flag: str, kinds: list[str]):
    for kind in kinds:
        needed = {other: ["--run=b"] for other in ("report", "export", *analysis_names())}
        needed["branch"] = ["--run=b", "--branch=retrain"]
        given = (
            flag if "=" not in flag or flag.startswith("--run") else flag.partition("=")[0] + "="
        )
        with pytest.raises(ValueError, match=f"^{given}.* is for --experiment=") as error:
            command(f"--experiment={kind}", *needed.get(kind, []), flag)
        assert f"but --experiment={kind} was given" in str(error.value)
        assert "['" not in str(error.value)


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


@pytest.mark.parametrize("analysis", analysis_names())
def test_analyses_take_all_levels_and_replicates_of_their_runs_unless_told(analysis: str):
    needed = (f"--experiment={analysis}", "--run=~/a", "--run=b/replicate_1")
    runs = (Path.home() / "a", Path("b/replicate_1"))
    options = ANALYSES.find(analysis).defaults
    assert command_alone(*needed) == Analyze(analysis, runs, None, None, options, {})
    chosen = command_alone(*needed, "--levels=4,0-2", "--replicates=3,1")
    assert chosen == Analyze(analysis, runs, (1, 3), (0, 1, 2, 4), options, {})
    one = command_alone(*needed, "--levels=3", "--replicate=2")
    assert one == Analyze(analysis, runs, (2,), (3,), options, {})


@pytest.mark.parametrize(
    ("analysis", "options"),
    [
        (
            "interpolate",
            {"solutions": "level_0,../replicate_2/level_1", "points": 3, "line_mask": "first"},
        ),
        ("interpolate", {"line_statistics": "interpolated", "line_split": "both"}),
        ("same_region", {"points": 5, "align": "weights"}),
        ("successive_levels", {"points": 4, "line_split": "train", "matching_tolerance": 1.5}),
        (
            "curvature",
            {"curvature_examples": 5, "eigenvalues": 2, "loss_rise": 0.2, "curvature_seed": 3},
        ),
    ],
)
def test_options_of_analyses_are_flags(analysis: str, options: dict):
    given = [f"--{name}={value}" for name, value in options.items()]
    asked = command_alone(f"--experiment={analysis}", "--run=a", *given)
    defaults = ANALYSES.find(analysis).defaults
    assert asked == Analyze(analysis, (Path("a"),), None, None, {**defaults, **options}, {})
    assert asked.options != defaults


def test_analyses_take_where_the_data_are_and_nothing_else_of_an_experiment():
    where = {"data_dir": "sets", "manual_dir": "archives"}
    given = [f"--{name}={value}" for name, value in where.items()]
    asked = command("--experiment=curvature", "--run=a", *given, "--learning_rate=1")
    assert asked.here == where


@pytest.mark.parametrize("flag", ["line_mask", "line_statistics", "line_split", "align"])
def test_options_of_analyses_that_are_not_known_are_errors_of_absl(flag: str):
    with pytest.raises(flags.Error, match=f"--{flag}=some"):
        command("--experiment=interpolate", "--run=a", f"--{flag}=some")
    with pytest.raises(ValueError, match=rf"^--{flag}=some is out of range: use one of "):
        ANALYSES.find("interpolate").checked({flag: "some"})


def test_exports_take_one_level_and_where_the_data_are():
    needed = ("--experiment=export", "--run=~/a", "--run=b/replicate_1")
    runs = (Path.home() / "a", Path("b/replicate_1"))
    assert command(*needed) == ExportTickets(runs, None, None, None, ExportConfig(), {}, {})
    asked = command(
        *(*needed, "--levels=4", "--replicates=1-2", "--export_dir=~/out", "--overwrite"),
        *("--formats=tflite, keras", "--compact=off", "--nomeasure", "--data_dir=sets"),
        "--learning_rate=1",
    )
    options = ExportConfig(formats="tflite, keras", compact="off", measure=False, overwrite=True)
    here = {"data_dir": "sets", "export_dir": "~/out"}
    folder = Path.home() / "out"
    assert asked == ExportTickets(runs, (1, 2), 4, folder, options, here, {"learning_rate": 1.0})
    assert (options.format_names, options.compacts) == (("tflite", "keras"), False)
    assert (ExportConfig().format_names, ExportConfig().compacts) == (None, None)
    assert ExportConfig(compact="on").compacts is True
    assert command(*needed, "--levels=0").level == 0


def test_exports_of_several_levels_or_no_run_are_refused():
    with pytest.raises(
        ValueError, match=r"^--levels=1-3 names 3 levels, but one ticket .*name one"
    ):
        command("--experiment=export", "--run=a", "--levels=1-3")
    with pytest.raises(ValueError, match=r"^--experiment=export needs --run=WORKDIR/NAME"):
        command("--experiment=export")
    with pytest.raises(flags.Error, match="--compact=maybe"):
        command("--experiment=export", "--run=a", "--compact=maybe")


def test_a_folder_for_the_export_still_ends_an_experiment():
    (config,) = experiments("--export_dir=out", "--levels=3")
    assert config.run.export_dir == "out"
    assert command("--export_dir=out").overwrite is False
    assert command("--export_ticket", "--replicates=1-2", "--overwrite").overwrite is True


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


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_other_jobs_are_refused(text):
    with pytest.raises(ValueError, match=f"^--jobs={text}: use auto, or how many trainings run"):
        command(f"--jobs={text}")


def test_controls_of_an_experiment():
    asked = command("--controls=random_mask, retrain", "--control_levels=1,3-4")
    assert (asked.controls, asked.control_levels) == (("random_mask", "retrain"), (1, 3, 4))
    assert (command().controls, command().control_levels) == ((), None)


@pytest.mark.parametrize(
    ("flags_given", "said"),
    [
        (
            ("--controls=random",),
            "--controls=random is not a known branch. Did you mean",
        ),
        (("--controls=random_mask,one_shot+",), "--controls=one_shot+: + puts the mask of one"),
        (("--controls=mask_of_replicate",), "run it by --experiment=branch --branch=mask_of"),
        (("--control_levels=3",), "--control_levels=3 is for --controls; give both, or neither"),
        (("--controls=retrain", "--experiment=train"), "--controls=retrain is for --experiment="),
        (("--jobs=2", "--experiment=list"), "--jobs=2 is for --experiment="),
    ],
)
def test_controls_and_jobs_that_are_refused(flags_given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        command(*flags_given)
