"""The order in which an epoch goes through the training examples."""

from __future__ import annotations

import numpy as np


def epoch_order(data_seed: int, level: int, epoch: int, examples: int) -> np.ndarray:
    """Draws the order of one epoch.

    It depends on the arguments alone, so that a resumed run goes on in the same order, and every
    level, being trained anew, draws its own.

    Args:
      data_seed: Seed of the SGD noise, at least 0.
      level: Number of prunings so far, at least 0.
      epoch: Number of epochs before this one in the level, at least 0.
      examples: Number of training examples, at least 1.

    Returns:
      A permutation of `0 … examples - 1`, int32, `[examples]`.

    Raises:
      ValueError: If a seed, level or epoch is negative, or if there are no examples.
    """
    for argument, value in (("--data_seed", data_seed), ("level", level), ("epoch", epoch)):
        if value < 0:
            raise ValueError(f"{argument}={value} must be at least 0.")
    if examples < 1:
        raise ValueError(f"examples={examples} must be at least 1.")
    # A spawn key keeps the three apart: in one list, a large seed would spill into the level.
    seed = np.random.SeedSequence(data_seed, spawn_key=(level, epoch))
    generator = np.random.Generator(np.random.Philox(seed))
    return generator.permutation(np.arange(examples, dtype=np.int32))


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Counts the full batches of an epoch.

    The examples that do not fill a last batch are left out of the epoch. They are the last of
    `epoch_order`, so they differ from epoch to epoch.

    Args:
      examples: Number of training examples.
      batch_size: Examples per iteration.

    Returns:
      Iterations per epoch.

    Raises:
      ValueError: If not even one batch can be filled, or if `batch_size` is less than 1.
    """
    if not 1 <= batch_size <= examples:
        raise ValueError(
            f"--batch_size={batch_size} must be between 1 and {examples}, the number of training "
            "examples."
        )
    return examples // batch_size
