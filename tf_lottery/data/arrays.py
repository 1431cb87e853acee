"""Data sets made of a user's own NumPy arrays."""

import numpy as np

from tf_lottery.config.arguments import check_text, check_whole, refusal
from tf_lottery.data.dataset import Dataset, checked_dataset, checked_labels
from tf_lottery.data.splits import with_validation


def from_arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    validation_examples: int = 0,
    split_seed: int = 0,
    classes: int | None = None,
    name: str = "arrays",
) -> Dataset:
    """Makes a data set of arrays.

    Args:
      train: images and labels to train on. Images are raw pixels, `[examples, height, width,
        channels]`, `[examples, height, width]` or flat `[examples, features]`; labels are
        integers, `[examples]` or `[examples, 1]`.
      test: images and labels that are only reported.
      validation_examples: how many training examples to hold out for validation.
      split_seed: draws which ones, at least 0.
      classes: number of classes; without it, one more than the largest training label.
      name: the name of the set, for messages and records.

    Returns:
      The checked data set.

    Raises:
      ValueError: if the arrays are not a classification task (see `checked_dataset`), or if the
        held-out examples leave none to train on.
    """
    for argument, pair in (("train", train), ("test", test)):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise refusal(argument, pair, "give a pair (images, labels) of arrays")
    check_whole("validation_examples", validation_examples)
    check_whole("split_seed", split_seed)
    check_text("name", name, "arrays")
    if classes is not None:
        check_whole("classes", classes, 2, 2**31 - 1, example=10)
    if classes is None:
        train_labels = checked_labels("train", train[1])
        classes = int(train_labels.max()) + 1 if train_labels.size else 0
        if classes < 2:
            raise ValueError(
                f"The train labels name {max(classes, 0)} classes: at least 2 are needed. Pass "
                "classes= if the training labels do not show all of them."
            )
    dataset = checked_dataset(name, classes, train, test)
    return with_validation(dataset, validation_examples, split_seed)
