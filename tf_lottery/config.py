"""The one description of an experiment: frozen dataclasses whose fields are the flags."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _option(default: Any, text: str, *, choices: tuple[str, ...] = (), path: bool = False) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices, "path": path})


@dataclass(frozen=True)
class DataConfig:
    """Which examples are trained on."""

    dataset: str = _option(
        "digits", "'digits' (embedded), or an image-classification set of tensorflow-datasets."
    )
    validation_examples: int = _option(
        200, "Examples held out of the training split to find the step of lowest validation loss."
    )
    split_seed: int = _option(0, "Seed that chooses the held-out examples.")


@dataclass(frozen=True)
class ModelConfig:
    """Which network is trained."""

    model: str = _option(
        "lenet_300_100", "lenet_300_100, any lenet_N_M_..., conv2, conv4 or conv6."
    )


@dataclass(frozen=True)
class TrainingConfig:
    """How one network is trained from one state to another."""

    batch_size: int = _option(60, "Examples in a training step.")
    train_steps: str = _option("1000it", "Length of training, such as 50000it or 12ep.")
    optimizer: str = _option("adam", "Optimizer.", choices=("sgd", "adam"))
    learning_rate: float = _option(1.2e-3, "Learning rate.")
    momentum: float = _option(0.0, "Momentum of sgd.")
    weight_decay: float = _option(
        0.0, "Factor w of the L2 penalty w/2 * |kernel|^2; biases and normalization are exempt."
    )
    evaluate_every: str = _option(
        "1ep", "Steps between evaluations, which are also the points from which a run resumes."
    )
    same_data_order: bool = _option(
        False, "Give every level the same data order; by default each draws its own."
    )
    jit_compile: str = _option(
        "auto",
        "Compile training with XLA; auto: except for convolutions on a CPU, where XLA is slow.",
        choices=("auto", "on", "off"),
    )


@dataclass(frozen=True)
class PruningConfig:
    """How much is pruned, where, and what the survivors return to."""

    levels: int = _option(10, "Number of prunings; level 0 is the dense network.")
    pruning_rate: float = _option(0.2, "Fraction of the remaining weights removed at each level.")
    conv_pruning_rate: float | None = _option(
        None, "Rate for convolutions; unset: as --pruning_rate. 0 leaves them dense."
    )
    output_pruning_rate: float | None = _option(
        None, "Rate for the output layer; unset: as --pruning_rate. 0 leaves it dense."
    )
    pruning_scope: str = _option(
        "global",
        "global: weights of all layers compete (layers of another rate among themselves); "
        "layerwise: within each layer.",
        choices=("global", "layerwise"),
    )
    rewind_step: str = _option(
        "0it", "The survivors return to their values at this step: 0it, 500it, 2ep, 1% ..."
    )
    rewind_optimizer: bool = _option(
        False, "Rewind the optimizer's slots as well; by default they start fresh."
    )


@dataclass(frozen=True)
class SeedConfig:
    """Where the randomness comes from."""

    replicate: int = _option(1, "Number of this repetition of the experiment, from 1.")
    init_seed: int | None = _option(None, "Draws the initial weights; unset: the replicate.")
    data_seed: int | None = _option(None, "Draws the data order; unset: the replicate.")


@dataclass(frozen=True)
class RunConfig:
    """Where the experiment runs; nothing here changes its results."""

    experiment: str = _option(
        "lottery",
        "lottery: iterative magnitude pruning; train: its level 0, the dense network, alone.",
        choices=("lottery", "train"),
    )
    workdir: str = _option("runs", "Folder that holds all runs.", path=True)
    name: str | None = _option(None, "Name of the run; unset: DATASET_MODEL.")
    data_dir: str | None = _option(
        None, "Where tensorflow-datasets keeps prepared data sets.", path=True
    )
    manual_dir: str | None = _option(
        None, "Folder with downloaded archives, for machines without internet.", path=True
    )
    export_dir: str | None = _option(
        None, "Write the last level's ticket there as a SavedModel.", path=True
    )
    in_memory: str = _option(
        "auto",
        "Keep the training images in the device's memory; auto: up to 2 GiB of them. Otherwise "
        "they stay in the host's, and batches are sent.",
        choices=("auto", "on", "off"),
    )
    steps_per_execution: int | None = _option(
        None, "Training steps that one compiled call runs; unset: chosen by device and network."
    )


@dataclass(frozen=True)
class ExperimentConfig:
    """One experiment; `identity` is what its results depend on."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pruning: PruningConfig = field(default_factory=PruningConfig)
    seeds: SeedConfig = field(default_factory=SeedConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self):
        _check(self)

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
        default = f"{self.data.dataset}_{self.model.model}"
        return self.run.name or re.sub(r"[^A-Za-z0-9._-]", "_", default)

    @property
    def run_path(self) -> Path:
        """WORKDIR/NAME/replicate_R."""
        workdir = Path(self.run.workdir).expanduser()
        return workdir / self.name / f"replicate_{self.seeds.replicate}"

    def identity(self) -> dict[str, Any]:
        """Flag values that the results depend on, keyed by flag name."""
        return {
            name: value
            for section in (self.data, self.model, self.training, self.pruning, self.seeds)
            for name, value in dataclasses.asdict(section).items()
        }


def config_from_values(values: dict[str, Any]) -> ExperimentConfig:
    """Builds a configuration from flag values; flags that are missing take their defaults.

    Args:
      values: flag name to value.

    Raises:
      ValueError: if a name is unknown or a value is out of its range.
    """
    remaining = dict(values)
    sections = {}
    for section in dataclasses.fields(ExperimentConfig):
        names = [option.name for option in dataclasses.fields(section.type)]
        given = {name: remaining.pop(name) for name in names if name in remaining}
        sections[section.name] = section.type(**given)
    if remaining:
        raise ValueError(f"unknown configuration values: {', '.join(sorted(remaining))}.")
    return ExperimentConfig(**sections)


def _check(config: ExperimentConfig) -> None:
    def require(holds: bool, flag: str, value: Any, right: str) -> None:
        if not holds:
            raise ValueError(f"--{flag}={value} is out of range: {right}.")

    for section in dataclasses.fields(config):
        for option in dataclasses.fields(section.type):
            value, choices = getattr(getattr(config, section.name), option.name), option.metadata
            if choices["choices"]:
                allowed = ", ".join(choices["choices"])
                require(value in choices["choices"], option.name, value, f"use one of {allowed}")

    training, pruning, run = config.training, config.pruning, config.run
    require(config.data.validation_examples >= 0, "validation_examples",
            config.data.validation_examples, "use 0 or more")  # fmt: skip
    require(training.batch_size >= 1, "batch_size", training.batch_size, "use 1 or more")
    require(0 < training.learning_rate < float("inf"), "learning_rate", training.learning_rate,
            "use a positive number")  # fmt: skip
    require(0 <= training.momentum < 1, "momentum", training.momentum, "use 0 <= momentum < 1")
    require(not (training.momentum and training.optimizer != "sgd"), "momentum",
            training.momentum, "only --optimizer=sgd has momentum")  # fmt: skip
    require(0 <= training.weight_decay < float("inf"), "weight_decay", training.weight_decay,
            "use 0 or more")  # fmt: skip
    require(pruning.levels >= 0, "levels", pruning.levels, "use 0 or more")
    require(0 < pruning.pruning_rate < 1, "pruning_rate", pruning.pruning_rate,
            "use a fraction between 0 and 1, such as 0.2")  # fmt: skip
    for flag in ("conv_pruning_rate", "output_pruning_rate"):
        rate = getattr(pruning, flag)
        require(rate is None or 0 <= rate < 1, flag, rate, "use 0 <= rate < 1")
    require(config.data.split_seed >= 0, "split_seed", config.data.split_seed, "use 0 or more")
    require(config.seeds.replicate >= 1, "replicate", config.seeds.replicate, "use 1 or more")
    for flag in ("init_seed", "data_seed"):
        seed = getattr(config.seeds, flag)
        require(seed is None or seed >= 0, flag, seed, "use 0 or more")
    require(run.steps_per_execution is None or run.steps_per_execution >= 1,
            "steps_per_execution", run.steps_per_execution, "use 1 or more")  # fmt: skip
    require(run.name is None or re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", run.name) is not None,
            "name", run.name, "use letters, digits, '.', '_' and '-', not beginning with '.'",
            )  # fmt: skip
