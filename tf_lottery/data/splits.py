"""Holding validation examples out of the training examples."""

import dataclasses

import numpy as np

from tf_lottery.data.dataset import Dataset, Split
from tf_lottery.data.shared_memory import shareable_rows


def check_held_out(training_examples: int, examples: int, seed: int) -> None:
    """Checks that so many examples can be held out.

    Args:
      training_examples: how many there are to divide.
      examples: how many of them to hold out.
      seed: draws which ones.

    Raises:
      ValueError: if `examples` or `seed` is negative, or if no example would remain.
    """
    largest = training_examples - 1
    if not 0 <= examples <= largest:
        raise ValueError(
            f"--validation_examples={examples} must be between 0 and {largest}: they are held out "
            f"of {training_examples} training examples, of which at least 1 must remain."
        )
    if seed < 0:
        raise ValueError(f"--split_seed={seed} must be at least 0.")


def divided(training_examples: int, examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws which examples are held out, each as likely as any other.

    Args:
      training_examples: how many there are to divide.
      examples: how many of them to hold out; at least one must remain.
      seed: draws which ones, at least 0.

    Returns:
      The places of the remaining and of the held-out examples, in ascending order.

    Raises:
      ValueError: as `check_held_out`.
    """
    check_held_out(training_examples, examples, seed)
    order = np.random.Generator(np.random.Philox(seed)).permutation(training_examples)
    return np.sort(order[examples:]), np.sort(order[:examples])


def hold_out(split: Split, examples: int, seed: int) -> tuple[Split, Split]:
    """Divides a split at random, by seed.

    Args:
      split: the examples to divide.
      examples: how many of them to hold out; at least one must remain.
      seed: draws which ones, at least 0.

    Returns:
      The remaining and the held-out examples, each in the order they had in `split`.

    Raises:
      ValueError: if `examples` or `seed` is negative, or if no example would remain.
    """
    remaining, held_out = divided(len(split), examples, seed)
    return (
        Split(shareable_rows(split.images, remaining), split.labels[remaining]),
        Split(shareable_rows(split.images, held_out), split.labels[held_out]),
    )


def with_validation(dataset: Dataset, examples: int, seed: int) -> Dataset:
    """Returns the data set with a validation split held out of its training split.

    Args:
      dataset: a data set without validation examples.
      examples: how many training examples to hold out; 0 holds out none.
      seed: draws which ones, at least 0.

    Returns:
      The divided data set, or `dataset` itself for 0 examples.

    Raises:
      ValueError: if `examples` or `seed` is negative, or if no training example would remain.
    """
    if examples == 0:
        return dataset
    train, validation = hold_out(dataset.train, examples, seed)
    return dataclasses.replace(dataset, train=train, validation=validation)
