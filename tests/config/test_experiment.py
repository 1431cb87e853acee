"""The one description of an experiment."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from tf_lottery.config.branches import branch_options
from tf_lottery.config.experiment import ExperimentConfig, config_from_values, sections
from tf_lottery.config.options import options_of


def test_defaults_are_valid_and_every_option_has_help():
    ExperimentConfig()
    options = [option for section in sections().values() for option in options_of(section)]
    options += branch_options().values()
    assert len({option.name for option in options}) == len(options)
    assert all(option.metadata["help"].endswith(".") for option in options)


def test_values_find_their_sections():
    config = config_from_values(
        {"model": "conv4", "levels": 3, "learning_rate": 0.5, "optimizer": "sgd", "replicate": 7}
    )
    assert config.model.model == "conv4"
    assert config.pruning.levels == 3
    assert config.training.learning_rate == 0.5
    assert config.data == ExperimentConfig().data
    assert config_from_values({}) == ExperimentConfig()


def test_unknown_values_are_refused():
    message = "learning_rte, lvls. Did you mean learning_rate .*or levels"
    with pytest.raises(ValueError, match=message):
        config_from_values({"lvls": 3, "learning_rte": 0.1})


def test_configurations_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ExperimentConfig().pruning.levels = 3


def test_a_rate_of_nothing_is_told_how_some_layers_are_pruned_alone():
    with pytest.raises(
        ValueError, match=r"such as conv1, give --pruning_rates_by_layer=\*:0,conv1"
    ):
        config_from_values({"pruning_rate": 0.0, "pruning_rates_by_layer": "output:0.5"})


@pytest.mark.parametrize(
    "values",
    [
        {"pruning_rate": 0.0}, {"pruning_rate": 1.0}, {"pruning_rate": -0.2},
        {"pruning_rate": float("nan")},
        {"output_pruning_rate": 1.0}, {"conv_pruning_rate": -0.1},
        {"levels": -1}, {"batch_size": 0}, {"validation_examples": -1}, {"split_seed": -1},
        {"learning_rate": 0.0}, {"learning_rate": float("inf")}, {"learning_rate": float("nan")},
        {"momentum": 1.0, "optimizer": "sgd"},
        {"weight_decay": -1e-4}, {"replicate": 0}, {"init_seed": -1}, {"data_seed": -1},
        {"steps_per_execution": 0}, {"optimizer": "rmsprop"}, {"pruning_scope": "local"},
        {"experiment": "report"}, {"jit_compile": "yes"},
        {"target_density": 0.0}, {"target_density": 1.0}, {"pruning_rates": "0.5,1"},
        {"pruning_rates": "half"},
        {"first_layer_pruning_rate": 1.0}, {"score_examples": 0}, {"branch_seed": -1},
        {"structure": "blocks"},
        {"prune_from": "scratch"},
        {"name": "../escape"}, {"name": ".hidden"}, {"name": "a/b"}, {"name": ""},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused_by_flag_and_value(values: dict):
    flag, value = next(iter(values.items()))
    with pytest.raises(ValueError, match=f"^--{flag}=") as error:
        config_from_values(values)
    assert str(value) in str(error.value)


@pytest.mark.parametrize("flag", ["learning_rate", "weight_decay", "levels", "random_flip"])
def test_arrays_are_refused_by_flag_and_value(flag: str):
    with pytest.raises(ValueError, match=rf"^--{flag}=array\(\[1, 2\]\): use "):
        config_from_values({flag: np.array([1, 2])})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"momentum": 0.9},
            "--momentum=0.9 does not go with --optimizer=adam: only --optimizer",
        ),
        ({"optimizer": "sgd", "nesterov": True}, "--nesterov does not go with --momentum=0.0: it"),
        (
            {"optimizer": "adamw", "weight_decay_mode": "l2"},
            "--weight_decay_mode=l2 does not go with --optimizer=adamw: adamw is Adam with",
        ),
        (
            {"lr_milestones": "5it"},
            "--lr_milestones=5it does not go with --lr_schedule=constant: only --lr_schedule=step",
        ),
        (
            {"lr_schedule": "step"},
            "--lr_schedule=step does not go with --lr_milestones=: give the points",
        ),
        (
            {"final_learning_rate": 0.01},
            "--final_learning_rate=0.01 does not go with --lr_schedule=constant: only",
        ),
        (
            {"final_learning_rate": 1.0, "lr_schedule": "cosine"},
            "--final_learning_rate=1.0 does not go with --learning_rate=0.0012: the rate falls",
        ),
        (
            {"fine_tune_learning_rate": 0.1},
            "--fine_tune_learning_rate=0.1 does not go with --retraining=rewind_weights: it is for",
        ),
        (
            {"auto_loss_rise": 0.2},
            "--auto_loss_rise=0.2 does not go with --pruning_rate=0.2: it is for --pruning_rate=a",
        ),
        (
            {"pruning_rate": "auto", "pruning_rates": "0.5"},
            "--pruning_rates=0.5 does not go with --pruning_rate=auto: leave it out",
        ),
        (
            {"pruning_rate": "auto", "structure": "units"},
            "--structure=units does not go with --pruning_rate=auto: use weights",
        ),
        (
            {"pruning_rate": "auto", "auto_most_rate": 0.01},
            "--auto_most_rate=0.01 does not go with --auto_least_rate=0.05: use a fraction from",
        ),
        (
            {"target_density": 0.1, "pruning_rates": "0.5"},
            "--target_density=0.1 does not go with --pruning_rates=0.5: the rates say",
        ),
        (
            {"structure": "2:4", "levels": 2, "pruning_rate": 0.5},
            "--structure=2:4 does not go with --levels=2: it halves the weights once",
        ),
        (
            {"structure": "2:4", "levels": 1},
            "--structure=2:4 does not go with --pruning_rate=0.2: it halves the weights once",
        ),
        (
            {"conv_pruning_rate": 0.2, "structure": "2:4", "levels": 1, "pruning_rate": 0.5},
            "--conv_pruning_rate=0.2 does not go with --structure=2:4: it halves a layer",
        ),
        (
            {"output_pruning_rate": 0.1, "structure": "units"},
            "--output_pruning_rate=0.1 does not go with --structure=units: the output units",
        ),
        (
            {"conv_pruning_rate": 0.2, "structure": "1x4"},
            "--conv_pruning_rate=0.2 does not go with --structure=1x4: it prunes Dense layers",
        ),
        (
            {"retraining": "fine_tune", "prune_from": "rewind_step"},
            "--retraining=fine_tune does not go with --prune_from=rewind_step: an untrained",
        ),
        (
            {"rewind_optimizer": True, "retraining": "rewind_learning_rate"},
            "--rewind_optimizer does not go with --retraining=rewind_learning_rate: the weights",
        ),
        (
            {"num_virtual_devices": 8, "batch_size": 4},
            "--num_virtual_devices=8 does not go with --batch_size=4: the devices share",
        ),
        (
            {"tpu": "local", "distribution": "mirrored"},
            "--tpu=local does not go with --distribution=mirrored: it does not use a TPU",
        ),
    ],
    ids=str,
)
def test_values_that_do_not_go_together_are_refused_as_a_conflict(values: dict, said: str):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        config_from_values(values)


@pytest.mark.parametrize("flag", ["train_steps", "evaluate_every", "warmup_steps", "rewind_step"])
def test_points_that_cannot_be_read_are_refused_before_there_is_data(flag: str):
    with pytest.raises(ValueError, match=f"--{flag}: '10 apples' is not a point in training"):
        config_from_values({flag: "10 apples"})


def test_the_ends_of_the_ranges_are_allowed():
    config_from_values(
        {
            "levels": 0, "output_pruning_rate": 0.0, "conv_pruning_rate": 0.0, "weight_decay": 0.0,
            "validation_examples": 0, "replicate": 1, "batch_size": 1, "steps_per_execution": 1,
            "optimizer": "sgd", "momentum": 0.0, "name": "a.B_c-1", "branch_seed": 0,
            "first_layer_pruning_rate": 0.0, "pruning_rates": "0.5, 0.25", "score_examples": 1,
        }
    )  # fmt: skip
    config_from_values({"structure": "2:4", "levels": 1, "pruning_rate": 0.5})
    config_from_values({"structure": "1x4", "conv_pruning_rate": 0.0, "target_density": 0.1})


def test_rates_of_levels_take_the_place_of_the_rate():
    assert config_from_values({"pruning_rate": 0.3}).pruning.rates == 0.3
    assert config_from_values({"pruning_rates": "0.5, 0.25"}).pruning.rates == (0.5, 0.25)


def test_seeds_follow_the_replicate_unless_given():
    config = config_from_values({"replicate": 4, "data_seed": 0})
    assert (config.init_seed, config.data_seed) == (4, 0)


def test_run_paths(tmp_path: Path):
    config = config_from_values({"workdir": str(tmp_path), "replicate": 2})
    assert config.run_path == tmp_path / "digits_lenet_300_100" / "replicate_2"
    config = config_from_values({"workdir": str(tmp_path), "dataset": "cifar10:3.0.2/x y"})
    assert config.run_path.parent == tmp_path / "cifar10_x_y_lenet_300_100"
    assert config_from_values({"workdir": "~/runs"}).run_path.parts[:2] == Path.home().parts[:2]


def test_identity_is_what_the_results_depend_on():
    base = ExperimentConfig().identity()
    where = {"workdir": "/elsewhere", "name": "other", "data_dir": "/data", "export_dir": "/out",
             "export_ticket": True, "steps_per_execution": 3, "experiment": "train"}  # fmt: skip
    assert config_from_values(where).identity() == base
    for name, value in {
        "model": "conv2", "batch_size": 61, "levels": 11, "rewind_step": "5it", "data_seed": 9,
        "dataset": "mnist", "weight_decay": 0.1, "pruning_scope": "layerwise", "score": "snip",
        "retraining": "fine_tune", "target_density": 0.1, "prune_from": "dense",
    }.items():  # fmt: skip
        changed = config_from_values({name: value}).identity()
        assert {key for key in base if base[key] != changed[key]} == {name}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"initializer": "normal"}, "--initializer=normal needs a standard deviation"),
        ({"init_stddev": 0.05}, "--init_stddev=0.05 is for --initializer=normal, and not for"),
        ({"initializer": "normal", "init_stddev": 0.0}, "--init_stddev=0.0 is out of range"),
    ],
)
def test_the_deviation_belongs_to_gaussian_kernels(values: dict, said: str):
    with pytest.raises(ValueError, match=f"^{said}"):
        config_from_values(values)
