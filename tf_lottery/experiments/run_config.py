"""The configuration of a run folder, to do something else with what it holds."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.config.arguments import check_path, expanded
from tf_lottery.config.controls import BranchConfig
from tf_lottery.config.experiment import LOCATED, ExperimentConfig, config_from_values
from tf_lottery.config.flags import read_flag_file
from tf_lottery.config.network import ModelConfig
from tf_lottery.config.options import names_of, options_of
from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.own_network import look_for_network_of
from tf_lottery.store.former_flags import flags_in_effect
from tf_lottery.store.run_folder import RunFolder


def config_of_run(
    run: RunFolder, here: Mapping[str, Any], changes: Mapping[str, Any] | None = None
) -> ExperimentConfig:
    """The configuration that a run was made with, to be run here.

    Args:
      run: a run folder, or the folder of a branch, which has its data where its run has them.
      here: options of `RunConfig` and those of `LOCATED` that take the place of the run's: where
        its data are, on which devices it runs.
      changes: other options that differ from the run's.

    Raises:
      ValueError: if its flag file is damaged, or a value is out of range.
    """
    look_for_network_of(run.home)
    flag_file, where, kept = run.home / "flags.cfg", names_of(RunConfig), {}
    if flag_file.exists():
        RunFolder.read(run.home).check_flags()
        kept = read_flag_file(flag_file)
    located = {name for name in LOCATED if run.identity.agrees(name, kept.get(name))}
    return config_from_values(
        {
            **flags_in_effect(run.identity),
            **{name: value for name, value in kept.items() if name in {*where, *located}},
            # In iterations: changes of the batch or the length of training do not move it.
            "rewind_step": f"{run.details.rewind_step}it",
            **_absolute(changes or {}),
            **_absolute(here),
            "export_dir": None,
            "export_ticket": False,
        }
    )


def _absolute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with absolute paths, which mean the same wherever a branch is replayed."""
    paths = {
        option.name
        for section in (RunConfig, BranchConfig, ModelConfig)
        for option in options_of(section)
        if option.metadata["path"]
    }
    given = {name: value for name, value in values.items() if name in paths and value}
    for name, value in given.items():
        check_path(f"--{name}", value)
    absolute = {name: str(expanded(f"--{name}", given[name]).absolute()) for name in given}
    return {**values, **absolute}
