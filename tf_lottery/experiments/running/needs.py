"""What a run will take of the machine, judged before anything is built."""

from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.data import Dataset, StreamedDataset
from tf_lottery.models.build import draw_model
from tf_lottery.store.machine import available_disk, available_memory, bytes_text

_FLOAT = 4
# Weights, masks, gradients; what pruning holds besides: the weights at the rewind step, scores.
_COPIES = 5
_SMALL_FILES = 2**20
_PER_LEVEL = 2**14


@dataclass(frozen=True)
class Needs:
    """What a run takes, in bytes.

    Attributes:
      model: name of the network.
      weights: number of its weights, biases and the like included.
      memory: of the machine, besides the data that are loaded already; no more than that, so that
        nothing is refused that would fit.
      state: on the disk, of a network with its optimizer.
      level: on the disk, of a level.
    """

    model: str
    weights: int
    memory: int
    state: int
    level: int

    def disk(self, levels: int) -> int:
        """Bytes on the disk of so many levels, and of what a killed run continues from."""
        # The rewind step; the last checkpoint, and the one that takes its place.
        return levels * (self.level + _PER_LEVEL) + 3 * self.state + _SMALL_FILES

    def check_memory(self) -> None:
        """Checks that the memory is there.

        Raises:
          ValueError: if it is not.
        """
        free = available_memory()
        if self.memory > free:
            raise ValueError(
                f"--model={self.model}: training its {self.weights:,} parameters takes at least "
                f"{bytes_text(self.memory)} of memory, and {bytes_text(free)} are free. Use a "
                "smaller network, smaller images, or a smaller --batch_size or "
                "--steps_per_execution."
            )

    def check_disk(self, path: Path, levels: int) -> str:
        """Checks that the levels that are left to train fit on the disk.

        Args:
          path: the run folder, which need not exist.
          levels: how many are left.

        Returns:
          A sentence about what the run will need.

        Raises:
          ValueError: if they do not fit.
        """
        needed, free = self.disk(levels), available_disk(path)
        if needed > free:
            raise ValueError(
                f"{path} will take about {bytes_text(needed)} for {levels} levels of "
                f"{self.weights:,} parameters, and {bytes_text(free)} of the disk are free. Make "
                "room, choose another --workdir, or use fewer --levels."
            )
        return (
            f"Needs about {bytes_text(self.memory)} of memory besides TensorFlow's own, and "
            f"{bytes_text(needed)} of disk for {levels} level{'s' if levels != 1 else ''} to "
            f"train, of {self.weights:,} parameters."
        )


def needs_of(config: ExperimentConfig, dataset: Dataset | StreamedDataset) -> Needs:
    """Counts what an experiment takes, without building its network.

    Args:
      config: the experiment.
      dataset: its data.

    Raises:
      ValueError: if the network does not fit the data.
    """
    blueprint = draw_model(
        config.model.model, tuple(dataset.input_shape), dataset.classes, config.model.dropout
    )
    training = config.training
    adam = training.optimizer != "sgd"
    slots = 2 if adam else int(training.momentum > 0)
    size = _FLOAT * blueprint.weights
    memory = size * (_COPIES + 2 * slots)
    if not tf.config.list_physical_devices("GPU"):
        batch = training.batch_size
        memory += _FLOAT * batch * blueprint.activations + _bytes_of_batches(config, dataset)
    return Needs(
        config.model.model,
        blueprint.weights,
        memory,
        state=size * (1 + slots),
        level=size + blueprint.weights // 8,
    )


def _bytes_of_batches(config: ExperimentConfig, dataset: Dataset | StreamedDataset) -> int:
    """Bytes of the batches of one compiled call, which takes them from the data as they are."""
    if not isinstance(dataset, Dataset):
        return 0
    example = dataset.train.images[0].nbytes
    steps = config.run.steps_per_execution or 1
    return steps * config.training.batch_size * example
