"""The SGD noise of an epoch: the order of its examples, and the seeds of all else that is drawn."""

import enum
from typing import NamedTuple

import numpy as np


class Epoch(NamedTuple):
    """Names the SGD noise of one epoch: equal epochs have the same noise, others their own.

    Attributes:
      data_seed: seed of the SGD noise, at least 0.
      level: number of prunings so far, at least 0.
      number: number of epochs before this one in the level, at least 0.
    """

    data_seed: int
    level: int
    number: int


class Noise(enum.IntEnum):
    """What is drawn in an epoch besides the order of its examples."""

    AUGMENTATION = 1
    FILE_ORDER = 2
    SHUFFLE_BUFFER = 3
    CROPS = 4
    LAYERS = 5


def noise_seed(epoch: Epoch, noise: Noise | None = None) -> np.random.SeedSequence:
    """Returns the seed of one kind of noise in one epoch, independent of all others.

    Args:
      epoch: the epoch.
      noise: what is drawn; None for the order of the examples.

    Returns:
      The seed.

    Raises:
      ValueError: if a seed, level or number is negative.
    """
    for argument, value in zip(("--data_seed", "level", "epoch"), epoch, strict=True):
        if value < 0:
            raise ValueError(f"{argument}={value} must be at least 0.")
    # A spawn key keeps the parts apart: in one list, a large seed would spill into the level.
    spawn_key = (epoch.level, epoch.number) if noise is None else (*epoch[1:], int(noise))
    return np.random.SeedSequence(epoch.data_seed, spawn_key=spawn_key)


def epoch_order(epoch: Epoch, examples: int) -> np.ndarray:
    """Draws the order of one epoch.

    It depends on the arguments alone, so that a resumed run goes on in the same order, and every
    level, being trained anew, draws its own.

    Args:
      epoch: the epoch.
      examples: number of training examples, at least 1.

    Returns:
      A permutation of `0 … examples - 1`, int32, `[examples]`.

    Raises:
      ValueError: if a seed, level or epoch is negative, or if there are no examples.
    """
    if examples < 1:
        raise ValueError(f"examples={examples} must be at least 1.")
    generator = np.random.Generator(np.random.Philox(noise_seed(epoch)))
    return generator.permutation(np.arange(examples, dtype=np.int32))


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Counts the full batches of an epoch.

    The examples that do not fill a last batch are left out of the epoch. They are the last of
    the epoch's order, so they differ from epoch to epoch.

    Args:
      examples: number of training examples.
      batch_size: examples per iteration.

    Returns:
      Iterations per epoch.

    Raises:
      ValueError: if not even one batch can be filled, or if `batch_size` is less than 1.
    """
    if not 1 <= batch_size <= examples:
        raise ValueError(
            f"--batch_size={batch_size} must be between 1 and {examples}, the number of training "
            "examples."
        )
    return examples // batch_size
