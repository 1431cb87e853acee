"""Flags that nobody should give: each is answered before training, by its name and what is right.

In this process, up to where training would begin.
"""

from contextlib import suppress

import pytest
from absl import flags

import tf_lottery
from tests.command_line import command_of as command
from tests.edited_config import edit_config
from tests.experiments.refused_flags import BAD_FLAGS
from tf_lottery.experiments.dispatch import run_command
from tf_lottery.experiments.running.lottery import check_experiment
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


def is_named(flag: str, value: str, message: str) -> bool:
    """Whether a message has a flag, or what it sets or stands for, and its value."""
    if flag == "--sweep" and flag not in message:
        flag, value = value.split(":")
    written = {value}
    with suppress(ValueError):
        written.add(str(float(value)))
    name = flag.removeprefix("--").removeprefix("first_layer_").removesuffix("s")
    return name in message and any(text in message for text in written)


@pytest.mark.parametrize("given", BAD_FLAGS)
def test_a_bad_flag_is_named_before_anything_is_built(given, tmp_path):
    with pytest.raises((ValueError, flags.Error)) as refused:
        check(f"--workdir={tmp_path}", *given.split(" "))
    message = str(refused.value)
    assert (
        any(part in message for part in BAD_FLAGS[given].split("|")) or BAD_FLAGS[given] in message
    )
    assert any(is_named(*part.split("=", 1), message) for part in given.split(" "))
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
    monkeypatch.setattr("tf_lottery.experiments.running.needs.available_disk", lambda path: 10**6)
    with pytest.raises(ValueError, match=r"3 levels of 1,6\d\d parameters, and 1 MB of the disk"):
        run_tiny(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_memory_that_is_too_small_is_told_before_the_network_is_built(
    run_tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("tf_lottery.experiments.running.needs.available_memory", lambda: 1000)
    monkeypatch.setattr(build, "assemble", None)
    with pytest.raises(ValueError, match=r"--model=lenet_20_10: training its 1,6\d\d parameters"):
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
    assert "of memory besides" in capsys.readouterr().out
    run_tiny(tmp_path, levels=0)
    assert "of memory besides" not in capsys.readouterr().out


def test_flags_of_no_use_for_the_network_or_the_data_are_said(run_tiny, tmp_path, capsys):
    given = {"conv_pruning_rate": 0.1, "smallest_crop": 0.5, "lr_decay": 0.5, "score_examples": 7}
    given["batch_norm_init"] = "uniform"
    run_tiny(tmp_path, levels=0, **given, pruning_rates="0.2,0.3")
    output = capsys.readouterr().out
    assert (
        "--pruning_rates=0.2,0.3: there are 2 rates for --levels=0; those of later levels have no"
        in output
    )
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
    with pytest.raises(ValueError, match=r"^--name=other and --run=.*name different runs; give"):
        command(*asked, "--name=other")
    with pytest.raises(ValueError, match=r"^--workdir=other and .*different folders of runs;"):
        command(*asked, "--workdir=other")
    # As the flag file of the run has it.
    command(*asked, "--name=tiny")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("instability --copies=100000000", "--copies=100000000 is out of range: use 2 to 1000"),
        (
            "instability --stable_below=inf",
            "--stable_below=inf is out of range: use a number that float32",
        ),
        ("robustness --directions=5000", "--directions=5000 is out of range: use 1 to 1000"),
        ("interpolate --points=1000000000", "--points=1000000000 is out of range: use 3 to 10000"),
        ("curvature --loss_rise=inf", "--loss_rise=inf is out of range: use a number that flo"),
        ("branch", "--experiment=branch needs --branch: .* such as random_mask"),
    ],
)
def test_flags_of_what_follows_from_runs(asked, message, finished_run):
    with pytest.raises(ValueError, match=message):
        command(f"--run={finished_run}", *f"--experiment={asked}".split(" "))


@pytest.mark.parametrize("kind", ["report", "verify"])
def test_levels_where_all_are_taken_are_said_to_have_no_effect(kind, finished_run, capsys):
    command(f"--experiment={kind}", f"--run={finished_run}", "--levels=1")
    assert f"--levels=1 has no effect: --experiment={kind}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "options", "problem"),
    [
        (("interpolate",), {"solutions": "level_0,/etc"}, r"--solutions.*there is no /etc in"),
        (("magnitude",), {}, r"--experiment=magnitude.*magnitudes"),
        (("magnitudes", 1), {}, r"levels=1: use a list of levels"),
        (("magnitudes", [9]), {}, "level 9"),
        (("magnitudes",), {"points": 3}, "magnitudes takes no points; it takes none"),
        (("curvature",), {"points": 3}, "curvature takes no points; it takes .*eigenvalues"),
        (("compare",), {"other_run": "x"}, r"^other_run: give it as here=\{'other_run': 'x'\}"),
        (("compare",), {"here": {"other_run": 5}}, r"^--other_run=5: give a path, as text"),
        (("magnitudes",), {"here": ["data_dir"]}, r"^here=\['data_dir'\]: use a mapping, such as"),
        (
            ("magnitudes",),
            {"here": {"data": 5}},
            "^here: data is no flag that .* Did you mean data_dir or dataset",
        ),
        (("magnitudes",), {"here": {"levels": 5}}, "^here: levels is no flag that says where a"),
        (("magnitudes",), {"expected": {"lvls": 5}}, "^expected: lvls is no .* Did you mean level"),
        (("magnitudes",), {"dataset": "digits"}, "^dataset='digits': make one by tf_lottery.from_"),
        (
            ("interpolate",),
            {"solutions": ["level_0", "rewind"]},
            r"^--solutions=\['level_0', 'rewind'\]: use a text, such as 'level_0,rewind'",
        ),
    ],
)
def test_analyses_in_python_are_refused_by_their_arguments(
    finished_run, arguments: tuple, options: dict, problem: str
):
    with pytest.raises(ValueError, match=problem):
        tf_lottery.run_analysis(finished_run, *arguments, **options)


def test_an_analysis_of_no_run_names_the_argument(tmp_path):
    with pytest.raises(ValueError, match="run=3: give a path"):
        tf_lottery.run_analysis(3, "magnitudes")
    with pytest.raises(ValueError, match="none"):
        tf_lottery.run_analysis(str(tmp_path / "none"), "magnitudes")


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
    from tf_lottery.experiments.running.branching import run_branch

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
