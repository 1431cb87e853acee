"""Every flag of experiments, given to every command on runs: the run's own, another, none."""

from pathlib import Path
from typing import Any

import pytest
from absl import flags

from tests.report.runs_on_disk import write_branch, write_run
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import (
    Analyze,
    Command,
    ExportTickets,
    RunBranches,
    command_from_flags,
)
from tf_lottery.cli.flag_files import with_content
from tf_lottery.config.data import DataConfig
from tf_lottery.config.experiment import config_from_values, config_options, sections
from tf_lottery.config.flags import flags_text
from tf_lottery.config.options import choices_of, names_of
from tf_lottery.config.run import RunConfig
from tf_lottery.config.training import TrainingConfig
from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.dispatch import run_command
from tf_lottery.experiments.refusals.flags_of_run import check_flags_of_run, check_flags_of_runs
from tf_lottery.store.run_folder import RunFolder

KINDS = ("branch", "export", "curvature", "report", "verify")
NOT_OF_RUNS = {"experiment", "branch", "branch_seed", "other_run"}
OPTIONS = {name: o for name, o in config_options().items() if name not in NOT_OF_RUNS}

# What is done with a flag that is not the run's: "changed" in a branch, "used", or "chosen" among
# the run's levels; "refused" as another run's, or "said" to have no effect.
_COMPUTING = dict.fromkeys(("threads", "in_memory", "steps_per_execution", "log_to"), "used")
_DEVICES = dict.fromkeys(("distribution", "num_virtual_devices", "tpu"), "used")
_EXPORTED = {"export_dir": "said", "export_ticket": "said"}
_SAID = dict.fromkeys(names_of(RunConfig), "said")
_PLACES = {"name": "refused", "workdir": "refused", "plugin": "used"}
_DATA = {"data_dir": "used", "manual_dir": "used", "skip_unreadable": "used"}
_SEEN_IN_TRAINING = {"shift_crop", "random_flip", "cutout", "smallest_crop"}
_CHANGED = {
    *(*names_of(TrainingConfig), "score", "score_examples", "pruning_scope"),
    *("rewind_step", "data_seed", *_SEEN_IN_TRAINING),
}
# one_shot takes them where it prunes by examples, decays the learning rate, and so on.
OF_OTHER_BRANCHES = ("fine_tune_learning_rate", "score_examples", "lr_decay", "weight_decay_mode")
OF_RUN = {
    "branch": {**_SAID, **_PLACES, **_DATA, **_COMPUTING, **_DEVICES},
    "export": {**_SAID, **_PLACES, **_DATA, "export_dir": "used"},
    "curvature": {**_SAID, **_PLACES, **_DATA, **_COMPUTING},
    "report": {**_SAID, **_PLACES},
    "verify": {**_SAID, **_PLACES},
}


# To define all of them takes longer than all else here.
FLAGS = flags.FlagValues()
define_flags(FLAGS)


def command_of(*arguments: str) -> Command:
    FLAGS.unparse_flags()
    FLAGS(with_content(["main.py", *arguments]))
    return command_from_flags(FLAGS)


def what_becomes_of(kind: str, flag: str) -> str:
    if flag in OF_RUN[kind]:
        return OF_RUN[kind][flag]
    if flag in OF_OTHER_BRANCHES and kind == "branch":
        return "said"
    if flag == "levels":
        return "said" if kind in ("report", "verify") else "chosen"
    if flag == "replicate" and kind not in ("report", "verify"):
        return "chosen"
    return "changed" if kind == "branch" and flag in _CHANGED else "refused"


def other_than(own: Any, flag: str) -> Any:
    option = OPTIONS[flag]
    if choices := choices_of(option.type):
        return next(choice for choice in choices if choice != own)
    if isinstance(option.default, bool):
        return not own
    if flag in ("fine_tune_learning_rate", "learning_rate", "clip_norm", "init_stddev"):
        return 0.125
    if flag in ("lr_milestones", "keep_states"):
        return "5it"
    if "float" in str(option.type):
        return 0.375
    if "int" in str(option.type):
        return 3
    if flag == "score":
        return "random"
    if flag == "log_to":
        return "mlflow"
    if flag == "stop_below":
        return "2pt"
    if flag == "rewind_step":
        return "0it"  # That is kept, too.
    return "7it" if own in ("0it", "1000it", "1ep", "") else "other"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Of a run that differs from the defaults, so that a default is another value too."""
    values = {"name": "tiny", "workdir": str(tmp_path_factory.mktemp("runs")), "levels": 2}
    values |= {"rewind_step": "20it", "learning_rate": 0.01, "optimizer": "adamw", "init_seed": 4}
    values |= {"keep_states": "1it", "export_ticket": True, "in_memory": "off", "threads": 1}
    values |= {"data_dir": "sets", "num_virtual_devices": 2, "distribution": "mirrored"}
    return config_from_values(values)


@pytest.fixture(scope="module")
def run(config):
    """Its folder; not to be changed."""
    identity, text = config.identity(), flags_text(config)
    details = {"train_steps": 1000, "rewind_step": 20, "steps_per_epoch": 20, "levels": 2}
    path = write_run(
        config.run_path, [0.9, 0.8, 0.7], identity=identity, details=details, flags_text=text
    )
    branch_flags = f"--experiment=branch\n--run={path}\n"
    write_branch(path, "random_mask", {1: 0.5}, flags_text=branch_flags)
    return path


@pytest.fixture
def ask(run):
    """Returns a function that gives a command on the run and checks its flags."""

    def give(kind: str, *flags: str) -> tuple[Command, dict[str, Any]]:
        branch = ("--branch=one_shot",) if kind == "branch" else ()
        command = command_of(f"--experiment={kind}", f"--run={run}", *branch, *flags)
        if isinstance(command, RunBranches):
            return command, plan_branch(run, "one_shot", command.changes).changes
        if kind in ("report", "verify"):
            check_flags_of_runs([run], command.expected)
        else:
            check_flags_of_run(RunFolder.read(run), command.expected)
        return command, {}

    return give


def written(config, flag: str) -> Any:
    """The run's own value."""
    owners = (getattr(config, name) for name in sections())
    return next(getattr(one, flag) for one in owners if flag in names_of(one))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", OPTIONS)
def test_a_flag_of_another_value_is_used_refused_or_said(kind, flag, config, ask, capsys):
    own = written(config, flag)
    value = other_than(own, flag)
    fate, given = what_becomes_of(kind, flag), f"--{flag}={value}"
    if isinstance(value, bool):
        given = f"--{flag}" if value else f"--no{flag}"
    if fate == "refused":
        with pytest.raises(ValueError, match=rf"--{flag}={value}\b") as refused:
            ask(kind, given)
        assert str(own) in str(refused.value) or flag in ("name", "workdir")
        return
    try:
        command, changes = ask(kind, given)
    except ValueError as error:
        # It is taken as a change, and does not go with the run's other flags.
        assert fate in ("changed", "used")
        assert "does not go with" in str(error) or "it is for" in str(error)
        return
    said = capsys.readouterr().out
    assert (given in said) == (fate == "said")
    assert changes == ({flag: value} if fate == "changed" else {})
    if fate == "used" and flag not in ("export_dir", "plugin"):
        here = command.changes if isinstance(command, RunBranches) else command.here
        assert here == {flag: value}


@pytest.mark.parametrize("kind", KINDS)
def test_all_flags_of_a_run_say_nothing_new(kind, run, ask, capsys):
    alone, _ = ask(kind)
    for order in ((), (f"--experiment={kind}",)):
        command, changes = ask(kind, f"--flagfile={run / 'flags.cfg'}", *order)
        assert changes == {}
        assert capsys.readouterr().out == ""
        if isinstance(command, RunBranches):
            assert plan_branch(run, "one_shot", command.changes).label == "one_shot"
        if isinstance(command, RunBranches | ExportTickets | Analyze):
            assert (command.levels if kind != "export" else command.level) is None
            assert command.replicates == (1,)
        assert command.runs == alone.runs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "flag", [*(name for name, option in OPTIONS.items() if option.metadata["path"]), "run"]
)
def test_a_path_without_a_value_is_not_given(kind, flag, ask):
    assert ask(kind, f"--{flag}=") == ask(kind)


def test_paths_of_commands_without_a_value_are_not_given(run):
    assert command_of("--workdir=", "--dense_from=", "--export_dir=") == command_of()
    report = ("--experiment=report", f"--run={run}")
    assert command_of(*report, "--report_dir=") == command_of(*report)
    region = ("--experiment=same_region", f"--run={run}")
    assert command_of(*region, "--other_run=") == command_of(*region)
    with pytest.raises(ValueError, match=r"^--experiment=report needs --run=WORKDIR"):
        command_of("--experiment=report", "--run=")


@pytest.mark.parametrize(
    ("flag", "same", "other"),
    [
        ("rewind_step", "1ep", "2ep"),
        ("rewind_step", "2%", "3%"),
        ("train_steps", "50ep", "49ep"),
        ("data_seed", "1", "2"),
        ("init_seed", "4", "1"),
    ],
)
def test_values_are_compared_by_what_they_mean(flag, same, other, ask):
    for kind in KINDS:
        assert ask(kind, f"--{flag}={same}")[1] == {}
    with pytest.raises(ValueError, match=f"--{flag}={other}"):
        ask("report", f"--{flag}={other}")


def test_flags_that_a_list_ignores_are_said(run, capsys):
    command_of("--experiment=list", f"--flagfile={run / 'flags.cfg'}", "--model=conv2")
    said = capsys.readouterr().out
    assert said.count("have no effect: --experiment=list takes all runs") == 1
    assert {"--name=tiny", "--model=conv2"} <= set(said.replace(",", "").split())
    command_of("--experiment=list", f"--workdir={run.parents[1]}")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("branch", "flag", "takers"),
    [
        ("retrain", "--score=random", "before_training, before_training_layerwise, one_shot"),
        ("random_mask", "--pruning_scope=layerwise", "one_shot"),
        (
            *("before_training_layerwise", "--pruning_scope=layerwise"),
            "; before_training_layerwise prunes within each layer by itself; the flag is for "
            "before_training, one_shot\\. Leave it out",
        ),
        ("retrain", "--branch_seed=1", "random_mask"),
        ("one_shot", "--branch_seed=1", "random_mask"),
        ("one_shot", "--score_examples=9", "one_shot, with a --score that looks at examples"),
        ("retrain", "--lr_decay=0.5", "--lr_schedule=step"),
        ("retrain", "--weight_decay_mode=decoupled", "a --weight_decay above 0"),
    ],
)
def test_a_branch_is_no_copy_under_another_label(branch, flag, takers, run):
    asked = ("--experiment=branch", f"--run={run}", "--levels=1", f"--branch={branch}")
    with pytest.raises(ValueError, match=rf"^{flag}: --branch={branch} does not use it.*{takers}"):
        run_command(command_of(*asked, flag))


@pytest.fixture
def moved(run, tmp_path) -> Path:
    """The run, moved to another folder and renamed."""
    place = tmp_path / "elsewhere" / "renamed"
    place.parent.mkdir()
    run.parent.rename(place)
    yield place / "replicate_1"
    place.rename(run.parent)


def test_the_flag_file_of_a_moved_run_is_of_where_it_lies_now(moved):
    (config,) = command_of(f"--flagfile={moved / 'flags.cfg'}").configs
    assert config.run_path == moved
    other = command_of(f"--flagfile={moved / 'flags.cfg'}", "--name=b").configs[0]
    assert other.run_path == moved.parents[1] / "b" / "replicate_1"
    # Which run is meant need not be said.
    file = f"--flagfile={moved / 'flags.cfg'}"
    assert command_of("--experiment=branch", "--branch=one_shot", file).runs == (moved,)
    branch = moved / "branches" / "random_mask" / "flags.cfg"
    assert command_of(f"--flagfile={branch}", "--branch=random_mask").runs == (moved,)


def test_a_run_folder_of_another_name_is_refused(moved, tmp_path):
    moved.rename(moved.with_name("mine"))
    with pytest.raises(ValueError, match=r"--flagfile=.*replicate_1, but lies in .* name mine"):
        command_of(f"--flagfile={moved.with_name('mine') / 'flags.cfg'}")
    moved.with_name("mine").rename(moved)


def test_the_number_of_prunings_in_a_flag_file_chooses_no_levels(run, tmp_path, capsys):
    file = tmp_path / "mine.cfg"
    file.write_text("--levels=2\n--learning_rate=0.01\n")
    asked = ("--experiment=export", f"--run={run}", f"--flagfile={file}")
    assert command_of(*asked).level is None
    assert f"--levels=2 of --flagfile={file} is the number of prunings" in capsys.readouterr().out
    assert command_of(*asked, "--levels=1").level == 1
    file.write_text("--levels=0-1\n")
    branch = ("--experiment=branch", "--branch=one_shot", f"--run={run}", f"--flagfile={file}")
    assert command_of(*branch).levels == (0, 1)
    file.write_text("--experiment=branch\n--levels=2\n")
    assert command_of(*branch).levels == (2,)


def test_a_flag_that_a_flag_file_behind_it_overrides_is_said(tmp_path, capsys):
    file = tmp_path / "mine.cfg"
    file.write_text("--levels=2\n--learning_rate=0.01\n")
    command_of("--levels=5", "--learning_rate=0.01", f"--flagfile={file}")
    assert f"--levels=5 has no effect: --flagfile={file} stands behind" in capsys.readouterr().out
    command_of(f"--flagfile={file}", "--levels=5")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("before", "lines", "said"),
    [
        (("--levels", "5"), "--levels=2", "--levels=5 has no effect: {}, and has --levels=2"),
        (("-levels", "5"), "--levels=2", "--levels=5 has no effect: {}, and has --levels=2"),
        (("--nesterov",), "--nesterov=False", "--nesterov has no effect: {}, and has --nonesterov"),
        (("--nonesterov",), "--nesterov", "--nonesterov has no effect: {}, and has --nesterov"),
        (("--nesterov",), "--nesterov=True", None),
        (("--levels", "5"), "--nesterov\n--levels=5", None),
        (("--sweep", "levels:1"), "--sweep=levels:2", None),
    ],
)
def test_a_flag_is_overridden_however_it_is_written(before, lines, said, tmp_path, capsys):
    file = tmp_path / "mine.cfg"
    file.write_text(f"{lines}\n")
    with_content(["main.py", *before, f"--flagfile={file}"])
    where = f"--flagfile={file} stands behind it"
    expected = said and f"Note: {said.format(where)}. Give the flag behind the file.\n"
    assert capsys.readouterr().out == (expected or "")


@pytest.fixture
def others(run, tmp_path) -> list[Path]:
    """Two replicates of another run."""
    found = []
    for replicate in (1, 2):
        values = {"name": "a", "workdir": str(tmp_path), "replicate": replicate, "levels": 3}
        config = config_from_values({**values, "manual_dir": "archives"})
        found.append(
            write_run(
                config.run_path, [0.9], identity=config.identity(), flags_text=flags_text(config)
            )
        )
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_several_runs_are_named_by_their_flag_files(kind, run, others, capsys):
    asked = [f"--experiment={kind}", *(["--branch=one_shot"] if kind == "branch" else [])]
    files = [f"--flagfile={place / 'flags.cfg'}" for place in (*others, run)]
    command = command_of(*files, *asked)
    assert command.runs == (*others, run)
    if kind in ("report", "verify"):
        check_flags_of_runs(command.runs, command.expected)
    elif isinstance(command, RunBranches):
        assert command.changes == {}
    else:
        assert (command.replicates, command.expected, command.here) == (None, {}, {})
    beside = command_of(*asked, f"--run={run}", files[1])
    assert beside.runs == (run, others[1])
    # Of the replicate alone, whichever of them --run names.
    of_one = command_of(*asked, f"--run={others[0].parent}", files[1])
    assert of_one.runs == (others[0].parent,)
    if kind not in ("report", "verify"):
        assert of_one.replicates == (2,)
    assert capsys.readouterr().out == ""


def test_experiments_take_the_last_of_several_flag_files(others):
    (config,) = command_of(*(f"--flagfile={place / 'flags.cfg'}" for place in others)).configs
    assert config.run_path == others[1]


UNKNOWN = "~nobody_of_this_name/a"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--experiment=list", f"--workdir={UNKNOWN}"),
        ("--experiment=verify", f"--workdir={UNKNOWN}"),
        ("--experiment=report", f"--run={UNKNOWN}"),
        ("--experiment=report", "--run=a", f"--workdir={UNKNOWN}"),
        ("--experiment=report", "--run=a", f"--report_dir={UNKNOWN}"),
        ("--experiment=export", "--run=a", f"--export_dir={UNKNOWN}"),
        ("--experiment=export", "--run=a", f"--data_dir={UNKNOWN}"),
        ("--experiment=export", "--run=a", f"--dataset=npz:{UNKNOWN}"),
        ("--experiment=export", "--run=a", f"--initial_weights={UNKNOWN}"),
        ("--experiment=curvature", "--run=a", f"--manual_dir={UNKNOWN}"),
        ("--experiment=same_region", "--run=a", f"--other_run={UNKNOWN}"),
        ("--experiment=branch", "--branch=retrain", "--run=a", f"--other_run={UNKNOWN}"),
        ("--experiment=branch", "--branch=retrain", "--run=a", f"--ticket={UNKNOWN}"),
        (f"--workdir={UNKNOWN}",),
        ("--experiment=train", f"--ticket={UNKNOWN}", "--ticket_level=1"),
        (f"--export_dir={UNKNOWN}",),
        (f"--dataset=csv:a.csv?label=b&test={UNKNOWN}",),
    ],
    ids=" ".join,
)
def test_a_home_folder_that_there_is_not_is_refused(arguments):
    with pytest.raises(ValueError, match="there is no home folder ~nobody_of_this_name") as refused:
        command_of(*arguments)
    assert str(refused.value).startswith(arguments[-1].replace("_level=1", "=" + UNKNOWN))


@pytest.mark.parametrize("flag", ["data_dir", "manual_dir", "other_run"])
def test_so_is_it_in_a_branch_of_the_library(flag, run):
    with pytest.raises(ValueError, match=rf"^--{flag}={UNKNOWN}: there is no home folder"):
        plan_branch(run, "mask_of_replicate", {flag: UNKNOWN})


def test_paths_that_cannot_be_written_into_flag_files_are_refused():
    for given in (("--workdir=\udcff",), ("--experiment=report", "--run=a\udcff")):
        with pytest.raises(ValueError, match=rf"^{given[-1].partition('=')[0]}=.*udcff.*not UTF-8"):
            command_of(*given)
    with pytest.raises(ValueError, match=r"^--dataset='npz:.*udcff.*not UTF-8"):
        command_of("--dataset=npz:\udcff")


@pytest.mark.parametrize("flag", ["workdir", "export_dir", "dataset=npz:", "ticket"])
def test_a_path_that_is_too_long_is_refused(flag):
    given = f"--{flag}{'' if ':' in flag else '='}{'x' * 256}"
    with pytest.raises(ValueError, match=rf"^{given}: it is longer than the system takes; give a"):
        command_of(given, *(["--experiment=train"] if flag == "ticket" else []))


def test_the_flags_of_data_are_known_to_the_table():
    assert set(names_of(DataConfig)) > _SEEN_IN_TRAINING
