"""Flags that nobody should give: each is answered before training, by its name and what is right.

In this process, up to where training would begin.
"""

import re

import pytest
from absl import flags

from tests.command_line import command_of as command
from tests.edited_config import edit_config
from tf_lottery.experiments.dispatch import run_command
from tf_lottery.experiments.lottery import check_experiment
from tf_lottery.models import build
from tf_lottery.store import machine

_TINY = (
    "--name=tiny",
    "--model=lenet_20_10",
    "--train_steps=45it",
    "--evaluate_every=10it",
    "--levels=2",
    "--rewind_step=7it",
    "--jit_compile=off",
)


def check(*arguments: str) -> None:
    for config in command(*_TINY, *arguments).configs:
        check_experiment(config)


_FLAGS = {
    "--num_virtual_devices=100000": "does not go with --batch_size=60",
    "--levels=1000000": "use 0 to 10000",
    "--levels=99999999999999999999": "below 2",
    "--levels=2.5": "levels",
    "--levels=0-5": "several levels",
    "--sweep=levels:1000000": "--levels=1000000",
    "--sweep=levels:1,1": "--sweep",
    "--sweep=train_steps:soon": "--train_steps",
    "--replicates=1-1000000000": "at most 10,000",
    "--replicates=3-1": "--replicates=3-1",
    "--replicates=": "--replicates=",
    "--replicates=0-2": "numbered from 1",
    "--replicate=99999999999999999999": "below 2",
    "--model=lenet_99999999999": "7,499,999,999,935 weights",
    "--model=lenet_99999999999999999999999999": "more weights than can be counted",
    "--model=lenet_1000000_1000000": "of memory",
    "--model=wideresnet_16_99999": "--image_size|--model=wideresnet_16_99999",
    "--model=applications.": "Did you mean",
    "--model=": "--model=",
    "--image_size=1000000": "--image_size=1000000",
    "--image_size=99999999999999999999": "below 2",
    "--image_size=0": "1 or more",
    "--steps_per_execution=99999999": "use at most 1000",
    "--steps_per_execution=-1": "1 or more",
    "--batch_size=99999999999999999999999": "below 2",
    "--batch_size=-3": "1 or more",
    "--split_seed=99999999999999999999999999": "below 2",
    "--init_seed=99999999999999999999999999": "below 2",
    "--data_seed=-5": "0 or more",
    "--score_examples=99999999999999999999": "below 2",
    "--score_examples=0": "1 or more",
    "--shuffle_buffer=0": "1 or more",
    "--train_steps=99999999999999999999it": "at most 1,000,000,000,000",
    "--train_steps=999999999999ep": "at most 1,000,000,000,000",
    "--train_steps=1e3it": "'500it'",
    "--train_steps=": "'500it'",
    "--train_steps=-5it": "'500it'",
    "--evaluate_every=99999999999999it": "at most",
    "--validate_every=30it": "at most --evaluate_every",
    "--rewind_step=1.5it": "whole numbers",
    "--rewind_step=200%": "earlier",
    "--rewind_step=1ep2it": "'500it'",
    "--warmup_steps=-1it": "'500it'",
    "--pruning_rate=1e-12": "prunes none of the 1580 weights",
    "--pruning_rate=0.999999999": "lower pruning rate",
    "--first_layer_pruning_rate=0 --output_pruning_rate=0 --model=lenet_30": "layers' own rates, ",
    "--pruning_rate=20%": "pruning_rate",
    "--pruning_rate=inf": "between 0 and 1",
    "--pruning_rates=1e-9": "prunes none",
    "--pruning_rates=0.5;0.2": "0.5,0.3,0.2",
    "--pruning_rates=,": "0.5,0.3,0.2",
    "--pruning_rates=nan": "0.5,0.3,0.2",
    "--target_density=0": "between 0 and 1",
    "--target_density=1e-9": "at most",
    "--target_density=0.5 --pruning_rate=1e-9": "more than 10000 levels",
    "--pruning_rate=auto --target_density=0.01 --auto_least_rate=1e-12": "--auto_least_rate",
    "--pruning_rate=auto --auto_loss_rise=nan": "positive",
    "--first_layer_pruning_rate=0.999999": "lower pruning rate",
    "--learning_rate=1e-300": "positive",
    "--learning_rate=1e300": "positive",
    "--learning_rate=0": "positive",
    "--learning_rate=nan": "positive",
    "--weight_decay=1e300": "0 or more",
    "--weight_decay=-1": "0 or more",
    "--clip_norm=1e-300": "positive",
    "--label_smoothing=-0.1": "0 <= share < 1",
    "--momentum=1 --optimizer=sgd": "0 <= momentum < 1",
    "--lr_schedule=step --lr_milestones=10it,5it": "later than the one before",
    "--lr_schedule=cosine --final_learning_rate=1": "does not go with --learning_rate",
    "--cutout=99999999999999": "at most 8",
    "--smallest_crop=0": "0 < share <= 1",
    "--validation_examples=99999999999": "between 0 and 1436",
    "--matching_tolerance=nan": "0 to 100",
    "--name=": "letters",
    "--name=" + "n" * 300: "up to 200 letters",
    "--workdir=": "--workdir",
    "--dataset=": "--dataset=",
    "--random_flip=maybe": "random_flip",
    "--in_memory=yes": "auto|on|off",
    "--score=magnitudes": "known score",
    "--structure=2:4": "--levels=1",
}


@pytest.mark.parametrize("given", _FLAGS)
def test_a_bad_flag_is_named_before_anything_is_built(given, tmp_path):
    with pytest.raises((ValueError, flags.Error)) as refused:
        check(f"--workdir={tmp_path}", *given.split(" "))
    message = str(refused.value)
    assert any(part in message for part in _FLAGS[given].split("|")) or _FLAGS[given] in message
    parts = given.removeprefix("--sweep=").split(" ")
    names = [re.split("[=:]", part)[0].removeprefix("--") for part in parts]
    names = [name.removeprefix("first_layer_") for name in names]
    assert any(name.removesuffix("s") in message for name in names)
    assert "{{" not in message and len(message) < 900
    assert list(tmp_path.iterdir()) == []


def test_levels_that_leave_nothing_are_named_as_a_flag(tmp_path):
    with pytest.raises(
        ValueError, match=r"^--levels=2: none of the .* at their --pruning_rate of 0\.999"
    ):
        check(f"--workdir={tmp_path}", "--pruning_rate=0.9999", "--levels=2")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("levels", "5"),
        ("levels", 2.0),
        ("levels", True),
        ("learning_rate", "fast"),
        ("learning_rate", None),
        ("random_flip", 1),
        ("model", None),
        ("model", 3),
        ("optimizer", ["sgd"]),
        ("pruning_rate", [0.2, 0.1]),
        ("pruning_rate", "Auto"),
        ("pruning_rates", [0.2, 0.1]),
        ("image_size", "32"),
        ("workdir", 3),
        ("init_seed", 1.5),
        ("train_steps", 1000.5),
        ("rewind_step", None),
        ("dataset", b"digits"),
    ],
)
def test_a_value_of_another_type_is_named(option, value):
    from tf_lottery.config.experiment import config_from_values

    with pytest.raises(ValueError, match=f"--{option}[=:]"):
        config_from_values({option: value})


def test_an_option_that_is_misspelled_is_told_the_right_one():
    from tf_lottery.config.experiment import config_from_values

    with pytest.raises(ValueError, match=r"prunning_rate.*mean pruning_rate"):
        config_from_values({"prunning_rate": 0.2})


def test_a_disk_that_is_too_small_for_all_levels_is_told_before_training(
    run_tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("tf_lottery.experiments.needs.available_disk", lambda path: 10**6)
    with pytest.raises(ValueError, match=r"3 levels of 1,6\d\d weights, and 1 MB of the disk"):
        run_tiny(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_memory_that_is_too_small_is_told_before_the_network_is_built(
    run_tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("tf_lottery.experiments.needs.available_memory", lambda: 1000)
    monkeypatch.setattr(build, "assemble", None)
    with pytest.raises(ValueError, match=r"--model=lenet_20_10: training its 1,6\d\d weights"):
        run_tiny(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_counted_without_being_built():
    drawn = build.draw_model("conv2", (30_000, 30_000, 3), 10)
    assert drawn.weights == 3**2 * (3 + 64) * 64 + 2 * 64 + (
        15_000**2 * 64 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10
    )
    small = build.draw_model("wideresnet_10_1", (32, 32, 3), 10)
    built = build.build_model("wideresnet_10_1", (32, 32, 3), 10, 0, ([0.0], [1.0]))
    normalization = sum(weight.shape.num_elements() for weight in built.layers[1].weights)
    assert small.weights == built.count_params() - normalization


def test_a_run_says_what_it_needs(run_tiny, tmp_path, capsys):
    run_tiny(tmp_path, levels=0)
    assert "of memory and" in capsys.readouterr().out
    run_tiny(tmp_path, levels=0)
    assert "of memory and" not in capsys.readouterr().out


def test_flags_of_no_use_for_the_network_or_the_data_are_said(run_tiny, tmp_path, capsys):
    given = {"conv_pruning_rate": 0.1, "smallest_crop": 0.5, "lr_decay": 0.5, "score_examples": 7}
    given["batch_norm_init"] = "uniform"
    run_tiny(tmp_path, levels=0, **given)
    output = capsys.readouterr().out
    for flag, value in given.items():
        assert f"--{flag}={value} has no effect" in output


def test_replicate_beside_replicates_is_said(capsys):
    command("--replicate=7", "--replicates=1-2")
    assert "--replicate=7 has no effect: --replicates=1-2" in capsys.readouterr().out
    command("--replicate=1", "--replicates=1-2")
    assert "no effect" not in capsys.readouterr().out


def test_replicates_of_the_folder_of_one_run_are_refused(finished_run):
    asked = (f"--run={finished_run}", "--experiment=branch", "--branch=random_mask")
    with pytest.raises(ValueError, match=r"--replicates=1,2: .*one run's folder.*--run="):
        run_command(command(*asked, "--replicates=1-2"))


@pytest.mark.parametrize("kind", ["branch", "export", "report", "magnitudes"])
def test_a_name_beside_a_run_is_refused(kind, finished_run):
    branch = ("--branch=random_mask",) if kind == "branch" else ()
    asked = (f"--experiment={kind}", f"--run={finished_run}", *branch)
    with pytest.raises(ValueError, match=rf"--name=other has no use with --experiment={kind}"):
        command(*asked, "--name=other")
    # As the flag file of the run has it.
    command(*asked, "--name=tiny")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("instability --copies=100000000", "--copies=100000000 is out of range: use 2 to 1000"),
        ("instability --stable_below=inf", "--stable_below=inf is out of range: use a positive"),
        ("robustness --directions=5000", "--directions=5000 is out of range: use 1 to 1000"),
        ("interpolate --points=1000000000", "--points=1000000000 is out of range: use 3 to 10000"),
        ("curvature --loss_rise=inf", "--loss_rise=inf is out of range: use a positive number"),
        ("branch", "--experiment=branch needs --branch: .* such as random_mask"),
        ("report --report_dir=", "--report_dir=: give the path of a folder"),
        ("export --export_dir=", "--export_dir=: give the path of a folder"),
        ("verify --run=", "--run=: give the path of a folder"),
    ],
)
def test_flags_of_what_follows_from_runs(asked, message, finished_run):
    with pytest.raises(ValueError, match=message):
        command(f"--run={finished_run}", *f"--experiment={asked}".split(" "))


@pytest.mark.parametrize("kind", ["report", "verify"])
def test_levels_where_all_are_taken_are_said_to_have_no_effect(kind, finished_run, capsys):
    command(f"--experiment={kind}", f"--run={finished_run}", "--levels=1")
    assert f"--levels=1 has no effect: --experiment={kind}" in capsys.readouterr().out


def test_solutions_that_are_none(finished_run):
    from tf_lottery.experiments.measuring.rows import run_analysis

    with pytest.raises(ValueError, match=r"--solutions.*there is no /etc in"):
        run_analysis(finished_run, "interpolate", solutions="level_0,/etc")


@pytest.mark.parametrize(
    ("flag", "value"),
    [("fine_tune_learning_rate", 0.1), ("other_run", "runs/x"), ("perturbation", 2.0)],
)
def test_flags_that_no_branch_takes_are_refused(flag, value, finished_run):
    asked = (f"--run={finished_run}", "--experiment=branch", "--branch=random_mask,one_shot")
    with pytest.raises(ValueError, match=rf"--{flag}=.*random_mask,one_shot does not use it"):
        run_command(command(*asked, f"--{flag}={value}"))


def test_a_flag_that_a_branch_does_not_take_is_said(finished_run, capsys):
    from tf_lottery.experiments.branch_config import plan_branch

    plan = plan_branch(finished_run, "random_mask", {"perturbation": 2.0, "learning_rate": 0.1})
    assert "--perturbation=2.0 has no effect" in capsys.readouterr().out
    assert plan.changes == {"learning_rate": 0.1}


@pytest.mark.parametrize(
    ("option", "value"),
    [("learning_rate", "fast"), ("levels", "two"), ("model", 7), ("score", None)],
)
def test_a_run_whose_config_has_another_type_is_refused(option, value, copied_run):
    from tf_lottery.experiments.branching import run_branch

    edit_config(copied_run, {option: value})
    with pytest.raises(ValueError, match=f"--{option}="):
        run_branch(copied_run, "random_mask")


@pytest.mark.parametrize(
    ("detail", "value"),
    [("input_shape", "abc"), ("classes", None), ("rewind_step", "7"), ("pixel_mean", [None])],
)
def test_a_run_whose_details_have_another_type_is_refused(detail, value, copied_run):
    import tf_lottery

    edit_config(copied_run, details={detail: value})
    with pytest.raises(ValueError, match=rf"config\.json is damaged: {detail}"):
        tf_lottery.load_ticket(copied_run, 0)
    edit_config(copied_run, without=[detail])
    with pytest.raises(ValueError, match=rf"config\.json is damaged: it lacks '{detail}'"):
        # To load is quick, where a branch would be trained before what it lacks is missed.
        tf_lottery.load_ticket(copied_run, 0)
        tf_lottery.run_branch(copied_run, "random_mask")


def test_a_config_of_enormous_images_is_not_believed(copied_run):
    import tf_lottery

    edit_config(copied_run, details={"input_shape": [100_000, 100_000, 1]})
    with pytest.raises(ValueError, match=r"--model=lenet_20_10 has 200,000,000,\d+ weights"):
        tf_lottery.load_ticket(copied_run, 0)


def test_an_empty_record_of_a_level_is_damage(copied_run, run_tiny):
    from tf_lottery.store.seal import seal

    level = copied_run / "level_1"
    files = [path.name for path in level.iterdir() if path.name != "level.json"]
    seal(level, files, {}, "level.json")
    with pytest.raises(ValueError, match=r"level\.json is damaged: it lacks"):
        run_tiny(copied_run.parents[1])


def test_bytes_are_written_for_people():
    written = [machine.bytes_text(number) for number in (0, 1234, 5_600_000, 7.89e12)]
    assert written == ["1 kB", "1 kB", "5.6 MB", "7.89 TB"]
