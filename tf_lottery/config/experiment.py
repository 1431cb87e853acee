"""The one description of an experiment: frozen dataclasses whose fields are the flags."""

import dataclasses
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from tf_lottery.config.arguments import check_mapping, expanded, is_number
from tf_lottery.config.branches import BRANCHES, branch_options, branches_with, is_fine_tuned
from tf_lottery.config.controls import BranchConfig, SeedConfig
from tf_lottery.config.data import DataConfig
from tf_lottery.config.data_files import dataset_name, dataset_reading, short_name
from tf_lottery.config.network import ModelConfig
from tf_lottery.config.options import names_of, options_of, refuse_together
from tf_lottery.config.pruning import PruningConfig
from tf_lottery.config.run import RunConfig
from tf_lottery.config.steps import is_same_point
from tf_lottery.config.training import TrainingConfig
from tf_lottery.registry import likely_names


@dataclass(frozen=True)
class ExperimentConfig:
    """One experiment; `identity` is what its results depend on."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pruning: PruningConfig = field(default_factory=PruningConfig)
    seeds: SeedConfig = field(default_factory=SeedConfig)
    branch: BranchConfig = field(default_factory=BranchConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self):
        devices, batch = self.run.num_virtual_devices, self.training.batch_size
        refuse_together(
            devices is not None and devices > batch,
            *("num_virtual_devices", devices, "batch_size", batch),
            f"the devices share the examples of a batch; use at most {batch} of them",
        )
        rate = self.training.fine_tune_learning_rate
        refuse_together(
            rate is not None and not self.fine_tunes,
            *("fine_tune_learning_rate", rate, "retraining", self.pruning.retraining),
            "it is for --retraining=fine_tune and for branches that fine-tune, such as "
            "--branch=fine_tune",
        )

    @property
    def fine_tunes(self) -> bool:
        """Whether levels are trained on from their trained weights, after the end of training."""
        return is_fine_tuned(self.pruning.retraining, self.branch.branch)

    @property
    def init_seed(self) -> int:
        """Seed of the initial weights."""
        return self.seeds.replicate if self.seeds.init_seed is None else self.seeds.init_seed

    @property
    def data_seed(self) -> int:
        """Seed of the data order."""
        return self.seeds.replicate if self.seeds.data_seed is None else self.seeds.data_seed

    @property
    def name(self) -> str:
        """Name of the run, a plain folder name."""
        if self.run.name:
            return self.run.name
        ticket = "" if self.model.ticket is None else f"_{self.model.name_of_ticket}"
        # Earlier versions had the version of a data set in it, and their runs go on.
        former, default = (
            re.sub(r"[^A-Za-z0-9._-]", "_", f"{dataset}_{self.model.model}{ticket}")
            for dataset in (self.data.dataset, short_name(self.data.dataset))
        )
        workdir = expanded("--workdir", self.run.workdir)
        return former if (workdir / former).is_dir() else default

    @property
    def run_path(self) -> Path:
        """WORKDIR/NAME/replicate_R."""
        workdir = expanded("--workdir", self.run.workdir)
        return workdir / self.name / f"replicate_{self.seeds.replicate}"

    def identity(self) -> dict[str, Any]:
        """Flag values that the results depend on, keyed by flag name."""
        sections = (self.data, self.model, self.training, self.pruning, self.seeds)
        found = {
            name: identity_value(name, getattr(one, name))
            for one in sections
            for name in names_of(one)
        }
        return found if self.branch.branch is None else found | self.branch.values()


# Flags that also say where something is, which may be elsewhere later, or how it is read.
LOCATED = ("dataset", "initial_weights", "ticket", "skip_unreadable")


def identity_value(name: str, value: Any) -> Any:
    """What of a flag's value a run folder keeps: not where files are.

    Args:
      name: of the flag.
      value: of the flag.
    """
    if name == "initial_weights" and value is not None:
        return Path(value).name
    if name == "ticket" and value is not None:
        # NAME/replicate_R
        return "/".join(expanded("--ticket", value).absolute().parts[-2:])
    return dataset_name(value) if name == "dataset" and isinstance(value, str) else value


# Points in training that results depend on, or how often it is looked at.
POINTS = ("rewind_step", "train_steps", "warmup_steps", "evaluate_every", "validate_every")


def is_respelt(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a flag are one, written in two ways, such as "60" and "60it"."""
    if one == other:
        return True
    option = config_options().get(name)
    reads = None if option is None else option.metadata["reads"]
    if not (isinstance(one, str) and isinstance(other, str)):
        return False
    if name in (*POINTS, "lr_milestones"):
        points, others = one.split(","), other.split(",")
        return len(points) == len(others) and all(map(is_same_point, points, others))
    with suppress(ValueError):
        return reads is not None and reads(f"--{name}", one) == reads(f"--{name}", other)
    return False


def is_same_value(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a flag mean the same, as far as it is told without reading files.

    Data and weights in files may have other names: fingerprints tell whether they are the same.
    """
    return is_respelt(name, one, other) or (
        _value_without_files(name, one) == _value_without_files(name, other)
    )


def has_renamed_files(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether data or weights go by another name, so that only their content can be compared.

    Args:
      stored: flag values of a run.
      given: flag values; those that are missing are as in the run.
    """
    return any(
        identity_value(name, stored.get(name)) != identity_value(name, given[name])
        for name in ("dataset", "initial_weights")
        if name in given
    )


def _value_without_files(name: str, value: Any) -> Any:
    if name == "skip_unreadable":
        return None
    if name == "initial_weights":
        return value is not None
    if name == "dataset" and isinstance(value, str):
        return dataset_reading(value)
    return identity_value(name, value)


def sections() -> dict[str, type]:
    """The sections of the configuration, by name."""
    return get_type_hints(ExperimentConfig)


def config_options() -> dict[str, dataclasses.Field]:
    """The options of the configuration by name, without the parameters of branches."""
    return {each.name: each for section in sections().values() for each in options_of(section)}


def _plain(value: Any) -> Any:
    """A value as JSON has it: without NumPy's numbers and pathlib's paths."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    as_of_python = getattr(value, "item", None)
    return as_of_python() if is_number(value) and as_of_python is not None else value


def config_from_values(values: dict[str, Any]) -> ExperimentConfig:
    """Builds a configuration from flag values; flags that are missing take their defaults.

    ```python
    config = tf_lottery.config_from_values({"name": "small", "levels": 5, "learning_rate": 0.01})
    tf_lottery.run_experiment(config)
    ```

    Args:
      values: flag name to value.

    Raises:
      ValueError: if a name is unknown or a value is out of its range.
    """
    check_mapping("values", values, "{'levels': 5}")
    remaining = {name: _plain(value) for name, value in values.items()}
    found: dict[str, Any] = {}
    for name, section in sections().items():
        found[name] = {n: remaining.pop(n) for n in names_of(section) if n in remaining}
    parameters = {n: remaining.pop(n) for n in branch_options() if n in remaining}
    if remaining:
        unknown = ", ".join(sorted(map(str, remaining)))
        known = [*config_options(), *branch_options()]
        close = [
            name for wrong in sorted(map(str, remaining)) for name in likely_names(wrong, known)
        ]
        meant = f" Did you mean {' or '.join(dict.fromkeys(close))}?" if close else ""
        raise ValueError(f"unknown configuration values: {unknown}.{meant}")
    found["branch"]["parameters"] = _of_branch(found["branch"].get("branch"), parameters)
    made = {name: section(**found[name]) for name, section in sections().items()}
    return ExperimentConfig(**made)


def _of_branch(name: str | None, parameters: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that a branch has; the others must be at their defaults."""
    branch = None if name is None else BRANCHES.find(name)
    defaults = {option.name: option.default for option in branch_options().values()}
    own = {}
    for parameter, value in parameters.items():
        if branch is not None and branch.takes(parameter):
            own[parameter] = value
        elif value != defaults[parameter]:
            takers = " or ".join(f"--branch={taker}" for taker in branches_with(parameter))
            raise ValueError(f"--{parameter}={value} is for {takers}; leave it out.")
    return own
