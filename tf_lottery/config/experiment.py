"""The one description of an experiment: frozen dataclasses whose fields are the flags."""

import dataclasses
import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tf_lottery.config.arguments import check_mapping, is_number
from tf_lottery.config.ranges import check_ranges


def option(default: Any, text: str, *, choices: tuple[str, ...] = (), path: bool = False) -> Any:
    """A field of a configuration that is a flag too: its default, help, choices, kind."""
    return field(default=default, metadata={"help": text, "choices": choices, "path": path})


@dataclass(frozen=True)
class DataConfig:
    """Which examples are trained on."""

    dataset: str = option(
        "digits", "'digits' (embedded), or an image-classification set of tensorflow-datasets."
    )
    validation_examples: int = option(
        200, "Examples held out of the training split to find the step of lowest validation loss."
    )
    split_seed: int = option(0, "Seed that chooses the held-out examples.")
    image_size: int | None = option(
        None,
        "Side of the images that the network sees; unset: as stored. Smaller images in memory are "
        "padded with black; streamed images are cropped and resized.",
    )
    shift_crop: int = option(0, "Augmentation: shift images by up to so many pixels each way.")
    random_flip: bool = option(False, "Augmentation: mirror half of the images left to right.")
    cutout: int = option(0, "Augmentation: side of a square that is blanked out; 0: none.")
    streaming: str = option(
        "auto",
        "Read examples from the disk while training; auto: where images differ in size.",
        choices=("auto", "on", "off"),
    )
    shuffle_buffer: int = option(10_000, "Streamed examples among which the next is drawn.")
    smallest_crop: float = option(
        0.08, "Smallest area of a random training crop of streamed images; 1: the central crop."
    )


@dataclass(frozen=True)
class ModelConfig:
    """Which network is trained."""

    model: str = option(
        "lenet_300_100",
        "lenet_300_100 or any lenet_N_M_...; conv2, conv4, conv6; for CIFAR resnet20 (32, 44, 56, "
        "110; resnet20_w2: twice as wide), vgg16 (11, 13, 19), wideresnet_16_8, wideresnet_28_10; "
        "for ImageNet resnet50 (18, 34, 101), inception_v3, mobilenet_v2; applications.NAME: any "
        "network of tf_keras.applications.",
    )
    initializer: str = option(
        "glorot_normal",
        "Distribution of the initial kernels.",
        choices=("glorot_normal", "glorot_uniform", "he_normal", "he_uniform"),
    )
    batch_norm: str = option(
        "per_replica",
        "Statistics of batch normalization in training: each replica's own, or of all of them.",
        choices=("per_replica", "synchronized"),
    )


@dataclass(frozen=True)
class TrainingConfig:
    """How one network is trained from one state to another."""

    batch_size: int = option(60, "Examples in a training step.")
    train_steps: str = option("1000it", "Length of training, such as 50000it or 12ep.")
    optimizer: str = option("adam", "Optimizer.", choices=("sgd", "adam", "adamw"))
    learning_rate: float = option(1.2e-3, "Learning rate, the highest that is reached.")
    lr_schedule: str = option(
        "constant",
        "How the learning rate falls: not; by --lr_decay at --lr_milestones; along a line or a "
        "half cosine to --final_learning_rate at the end of training.",
        choices=("constant", "step", "linear", "cosine"),
    )
    lr_milestones: str = option("", "Points of --lr_schedule=step: 32000it,48000it or 30ep,60ep.")
    lr_decay: float = option(0.1, "Factor of the learning rate at each milestone.")
    final_learning_rate: float = option(0.0, "Where --lr_schedule=linear or cosine ends.")
    fine_tune_learning_rate: float | None = option(
        None,
        "Learning rate of --retraining=fine_tune and --branch=fine_tune; unset: the last one of "
        "training, if the schedule does not end near 0.",
    )
    warmup_steps: str = option("0it", "Length of a linear rise of the learning rate from 0.")
    momentum: float = option(0.0, "Momentum of sgd.")
    nesterov: bool = option(False, "Nesterov's form of the momentum.")
    weight_decay: float = option(
        0.0, "Factor w of the weight decay of kernels; biases and normalization are exempt."
    )
    weight_decay_mode: str = option(
        "auto",
        "l2: the gradient of the penalty w/2 * |kernel|^2; decoupled: kernels shrink by the "
        "learning rate times w; auto: decoupled for adamw, else l2.",
        choices=("auto", "l2", "decoupled"),
    )
    label_smoothing: float = option(
        0.0, "Share of the training target that is spread evenly over all classes."
    )
    clip_norm: float | None = option(
        None, "Largest norm of a step's gradient over all weights that remain; unset: any."
    )
    evaluate_every: str = option(
        "1ep", "Steps between evaluations, which are also the points from which a run resumes."
    )
    validate_every: str = option(
        "",
        "Steps between looks at the validation loss, to find the step of early stopping more "
        "exactly than --evaluate_every does; unset: no such looks. They cost little in networks "
        "that overfit.",
    )
    same_data_order: bool = option(
        False, "Give every level the same data order; by default each draws its own."
    )
    mixed_precision: str = option(
        "auto",
        "Compute in bfloat16 with float32 weights; auto: on TPUs and on GPUs that have it.",
        choices=("auto", "on", "off"),
    )
    jit_compile: str = option(
        "auto",
        "Compile training with XLA; auto: except for convolutions on a CPU, where XLA is slow.",
        choices=("auto", "on", "off"),
    )

    @property
    def decouples_weight_decay(self) -> bool:
        """Whether the optimizer, not the loss, decays the weights."""
        mode = self.weight_decay_mode
        return mode == "decoupled" or (mode == "auto" and self.optimizer == "adamw")


@dataclass(frozen=True)
class PruningConfig:
    """How much is pruned, where, and what the survivors return to."""

    levels: int = option(
        10,
        "Number of prunings; level 0 is the dense network. With --run: the levels to take, such as "
        "0-5,8; unset: all that are finished.",
    )
    target_density: float | None = option(
        None,
        "In place of --levels: prune until this fraction of the weights remains, the last time "
        "only as much as it takes.",
    )
    pruning_rate: float | Literal["auto"] = option(
        0.2,
        "Fraction of the remaining weights removed at each level; auto: as many as the training "
        "loss allows.",
    )
    auto_loss_rise: float = option(
        0.1,
        "With --pruning_rate=auto: by how much a pruning may raise the loss of --score_examples "
        "training examples, in nats, before the network is trained again.",
    )
    auto_least_rate: float = option(
        0.05, "With --pruning_rate=auto: fraction that is removed in any case."
    )
    auto_most_rate: float = option(
        0.9, "With --pruning_rate=auto: fraction that is removed at most."
    )
    pruning_rates: str = option(
        "",
        "In place of --pruning_rate: those of level 1, 2, ..., such as 0.5,0.3,0.2; the last one "
        "holds for all that follow.",
    )
    conv_pruning_rate: float | None = option(
        None,
        "Rate for convolutions; unset: as --pruning_rate. 0 leaves them dense. With auto, a rate r "
        "of layers means log(1 - r) / log(1 - 0.2) times as far as the others.",
    )
    first_layer_pruning_rate: float | None = option(
        None, "Rate for the first layer; unset: as its kind. 0 leaves it dense."
    )
    output_pruning_rate: float | None = option(
        None, "Rate for the output layer; unset: as --pruning_rate. 0 leaves it dense."
    )
    score: str = option(
        "magnitude",
        "What the weights are judged by, the lowest being pruned: magnitude, random, "
        "magnitude_at_rewind, movement, taylor, snip, grasp, synflow.",
    )
    score_examples: int = option(
        1000,
        "Training examples from which taylor, snip and grasp take their gradients, and "
        "--pruning_rate=auto its losses.",
    )
    structure: str = option(
        "weights",
        "What is removed: single weights; units: whole units and filters; 2:4: two of every four "
        "weights in a row, once; 1x4: blocks of four consecutive inputs of a unit of Dense layers.",
        choices=("weights", "units", "2:4", "1x4"),
    )
    prune_from: str = option(
        "previous_level",
        "The network that is judged and pruned: the one that the level before trained "
        "(iterative); dense: the one that level 0 trained, straight to the level's density "
        "(one-shot); rewind_step: the one at the rewind step, before training.",
        choices=("previous_level", "dense", "rewind_step"),
    )
    pruning_scope: str = option(
        "global",
        "global: weights of all layers compete (layers of another rate among themselves); "
        "layerwise: within each layer.",
        choices=("global", "layerwise"),
    )
    rewind_step: str = option(
        "0it", "The survivors return to their values at this step: 0it, 500it, 2ep, 1% ..."
    )
    rewind_optimizer: bool = option(
        False,
        "Rewind the optimizer as well, its slots and its step count; by default it starts afresh.",
    )
    retraining: str = option(
        "rewind_weights",
        "How a pruned network is trained: from the weights and the learning rate of the rewind "
        "step; rewind_learning_rate: from its trained weights, with the learning rate of the "
        "rewind step; fine_tune: from its trained weights, with --fine_tune_learning_rate.",
        choices=("rewind_weights", "rewind_learning_rate", "fine_tune"),
    )

    @property
    def adaptive(self) -> bool:
        """Whether each level's pruning rate is chosen when it is pruned."""
        return self.pruning_rate == "auto"

    @property
    def rates(self) -> float | tuple[float, ...]:
        """The pruning rate of layers that have none of their own, or those of level 1, 2, ...

        If it is chosen: the papers' rate, to which those of other layers are in proportion.
        """
        if self.adaptive:
            return 0.2
        if not self.pruning_rates:
            return self.pruning_rate
        return tuple(float(text) for text in self.pruning_rates.split(","))


@dataclass(frozen=True)
class SeedConfig:
    """Where the randomness comes from."""

    replicate: int = option(1, "Number of this repetition of the experiment, from 1.")
    init_seed: int | None = option(None, "Draws the initial weights; unset: the replicate.")
    data_seed: int | None = option(None, "Draws the data order; unset: the replicate.")


@dataclass(frozen=True)
class BranchConfig:
    """What a branch changes of the level that it starts from."""

    branch: str | None = option(
        None, "Control that starts from levels of --run; several are separated by commas."
    )
    branch_seed: int = option(0, "Draws what a branch draws: other weights, other masks.")
    other_run: str | None = option(
        None,
        "Run folder of the replicate whose masks --branch=mask_of_replicate takes, or whose "
        "solutions --experiment=same_region compares with; unset there: the first other replicate.",
        path=True,
    )
    perturbation: float = option(
        1.0,
        "Length by which --branch=perturbed moves a level's rewind point, in distances between it "
        "and the next level's; 0: not at all.",
    )


@dataclass(frozen=True)
class RunConfig:
    """Where the experiment runs; nothing here changes its results by more than rounding."""

    experiment: str = option(
        "lottery",
        "lottery: iterative magnitude pruning; train: level 0 alone, the dense network; "
        "branch: controls that start from levels of --run.",
        choices=("lottery", "train", "branch"),
    )
    workdir: str = option("runs", "Folder that holds all runs.", path=True)
    name: str | None = option(None, "Name of the run; unset: DATASET_MODEL.")
    data_dir: str | None = option(
        None, "Where tensorflow-datasets keeps prepared data sets.", path=True
    )
    manual_dir: str | None = option(
        None, "Folder with downloaded archives, for machines without internet.", path=True
    )
    export_ticket: bool = option(
        False,
        "Write the last level's ticket as a SavedModel when the run is finished, into the run "
        "folder, as export/level_N_saved_model.",
    )
    export_dir: str | None = option(
        None,
        "Folder for the SavedModel of the last level's ticket, in place of that in the run folder; "
        "it may hold nothing but this very ticket, unless --overwrite is given. With "
        "--experiment=export: the folder of the export; unset: export/level_N in the run folder.",
        path=True,
    )
    distribution: str = option(
        "auto",
        "Where the network is trained: one_device; mirrored: on all GPUs of this machine (or on "
        "its virtual devices); multi_worker: on all machines that TF_CONFIG names; tpu: on --tpu. "
        "auto: tpu if --tpu is given, multi_worker if TF_CONFIG is set, else all GPUs there are.",
        choices=("auto", "one_device", "mirrored", "multi_worker", "tpu"),
    )
    num_virtual_devices: int | None = option(
        None, "Split the CPU into so many devices, to try a distribution without GPUs."
    )
    tpu: str | None = option(None, "Address or name of the TPU; 'local' on a TPU machine.")
    in_memory: str = option(
        "auto",
        "Keep the training images in the device's memory; auto: up to 2 GiB of them. Otherwise "
        "they stay in the host's, and batches are sent.",
        choices=("auto", "on", "off"),
    )
    steps_per_execution: int | None = option(
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
    branch: BranchConfig = field(default_factory=BranchConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self):
        check_ranges(self)

    @property
    def fine_tunes(self) -> bool:
        """Whether levels are trained on from their trained weights, after the end of training."""
        return "fine_tune" in (self.pruning.retraining, self.branch.branch)

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
        sections = [self.data, self.model, self.training, self.pruning, self.seeds]
        if self.branch.branch is not None:
            sections.append(self.branch)
        return {
            name: value
            for section in sections
            for name, value in dataclasses.asdict(section).items()
        }


def _plain(value: Any) -> Any:
    """A value as JSON has it: without NumPy's numbers and pathlib's paths."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if is_number(value) and hasattr(value, "item") else value


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
    sections = {}
    for section in dataclasses.fields(ExperimentConfig):
        names = [option.name for option in dataclasses.fields(section.type)]
        given = {name: remaining.pop(name) for name in names if name in remaining}
        sections[section.name] = section.type(**given)
    if remaining:
        names = [option.name for kind in sections.values() for option in dataclasses.fields(kind)]
        unknown = ", ".join(sorted(map(str, remaining)))
        close = difflib.get_close_matches(str(next(iter(remaining))), names, n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(f"unknown configuration values: {unknown}.{meant}")
    return ExperimentConfig(**sections)
