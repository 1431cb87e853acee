"""Flags from the configuration, and back through a flag file."""

from pathlib import Path

import pytest
from absl import flags

from tf_lottery.config.experiment import ExperimentConfig, config_from_values
from tf_lottery.config.flags import all_options, config_from_flags, define_config_flags, flags_text


@pytest.fixture
def flag_values() -> flags.FlagValues:
    values = flags.FlagValues()
    define_config_flags(values)
    flags.DEFINE_multi_string("flagfile", [], "", flag_values=values)
    return values


def test_defaults_are_those_of_the_configuration(flag_values: flags.FlagValues):
    flag_values(["main.py"])
    assert config_from_flags(flag_values) == ExperimentConfig()


def test_every_option_is_a_flag_with_its_help(flag_values: flags.FlagValues):
    for name, option in all_options().items():
        assert option.metadata["help"] in flag_values[name].help


def test_values_have_their_types(flag_values: flags.FlagValues):
    flag_values(
        ["main.py", "--levels=3", "--learning_rate=1", "--nosame_data_order", "--init_seed=5",
         "--rewind_optimizer", "--output_pruning_rate=0.1", "--rewind_step=5%"]
    )  # fmt: skip
    config = config_from_flags(flag_values)
    assert config == config_from_values(
        {"levels": 3, "learning_rate": 1.0, "same_data_order": False, "init_seed": 5,
         "rewind_optimizer": True, "output_pruning_rate": 0.1, "rewind_step": "5%"}
    )  # fmt: skip
    assert isinstance(config.training.learning_rate, float)


@pytest.mark.parametrize(
    "flag", ["--levels=many", "--optimizer=lion", "--pruning_rate=fast", "--learning_rat=1"]
)
def test_bad_flags_are_errors_of_absl(flag_values: flags.FlagValues, flag: str):
    with pytest.raises(flags.Error, match=flag.removeprefix("--").split("=")[0]):
        flag_values(["main.py", flag])


def test_values_out_of_range_name_their_flag(flag_values: flags.FlagValues):
    flag_values(["main.py", "--pruning_rate=1.5"])
    with pytest.raises(ValueError, match=r"--pruning_rate=1\.5"):
        config_from_flags(flag_values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "model": "lenet_20", "learning_rate": 1.2e-7, "weight_decay": 1 / 3, "optimizer": "sgd",
            "momentum": 0.9, "same_data_order": True, "rewind_optimizer": True,
            "rewind_step": "12.5%", "init_seed": 0, "data_seed": 3, "replicate": 2,
            "output_pruning_rate": 0.0, "name": "a-b", "experiment": "train", "jit_compile": "off",
            "steps_per_execution": 7, "workdir": "/tmp/with a space", "data_dir": "/data=1",
        },
    ],
    ids=["defaults", "others"],
)  # fmt: skip
def test_a_flag_file_replays_the_experiment(
    flag_values: flags.FlagValues, tmp_path: Path, values: dict
):
    config = config_from_values({"workdir": "/tmp/runs", **values})
    path = tmp_path / "flags.cfg"
    path.write_text(flags_text(config))
    flag_values(["main.py", f"--flagfile={path}"])
    assert config_from_flags(flag_values) == config


def test_flag_files_have_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    text = flags_text(config_from_values({"workdir": "runs", "data_dir": "~/data"}))
    assert f"--workdir={tmp_path}/runs\n" in text
    assert f"--data_dir={Path.home()}/data\n" in text
    assert "export_dir" not in text
