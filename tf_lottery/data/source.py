"""Data sets by name."""

from __future__ import annotations

from tf_lottery.data.dataset import Dataset
from tf_lottery.data.digits import load_digits
from tf_lottery.data.splits import with_validation
from tf_lottery.data.tfds_source import load_tfds


def load_dataset(
    name: str,
    *,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    validation_examples: int = 0,
    split_seed: int = 0,
) -> Dataset:
    """Loads an image-classification set into memory.

    Args:
      name: "digits" (embedded in scikit-learn), or a set of tensorflow-datasets: "mnist",
        "mnist_corrupted/fog", "cifar10:3.0.2".
      data_dir: Where tensorflow-datasets keeps prepared sets; its own default without it.
      manual_dir: A folder with the set's downloaded archives, for machines without internet.
      validation_examples: How many training examples to hold out for validation.
      split_seed: Draws which ones, at least 0.

    Returns:
      The checked data set. Where a set has no test split, its validation split is the test set.

    Raises:
      ValueError: If the set is unknown, cannot be downloaded or prepared, is damaged, is not an
        image-classification set of one image size, does not fit the memory, or has too few
        examples for the held-out ones.
    """
    if name == "digits":
        dataset = load_digits()
    else:
        dataset = load_tfds(name, data_dir=data_dir, manual_dir=manual_dir)
    return with_validation(dataset, validation_examples, split_seed)
