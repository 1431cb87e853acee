"""Data sets made of a user's own NumPy arrays."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tf_lottery.config.arguments import check_text, check_whole, is_several, refusal
from tf_lottery.data.dataset import Dataset, checked_dataset, checked_labels
from tf_lottery.data.splits import with_validation


def from_arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    validation_examples: int = 0,
    split_seed: int = 0,
    classes: int | None = None,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Makes a data set of arrays.

    Args:
      train: images and labels to train on. Images are raw pixels, `[examples, height, width,
        channels]`, `[examples, height, width]` or flat `[examples, features]`; labels are
        integers, `[examples]` or `[examples, 1]`.
      test: images and labels that are only reported.
      validation_examples: how many training examples to hold out for validation.
      split_seed: draws which ones, at least 0.
      classes: number of classes; without it, as many as `class_names`, or one more than the largest
        training label.
      name: the name of the set, for messages and records.
      class_names: what the classes are called, in the order of their numbers.

    Returns:
      The checked data set.

    Raises:
      ValueError: if the arrays are not a classification task (see `checked_dataset`), if the
        held-out examples leave none to train on, or if the names are not those of the classes.
    """
    for argument, pair in (("train", train), ("test", test)):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise refusal(argument, pair, "give a pair (images, labels) of arrays")
    check_whole("validation_examples", validation_examples)
    check_whole("split_seed", split_seed)
    check_text("name", name, "arrays")
    if classes is not None:
        check_whole("classes", classes, 2, 2**31 - 1, example=10)
    names = None if class_names is None else _checked_names(class_names)
    if names is not None:
        classes = len(names) if classes is None else classes
        if len(names) != classes:
            raise refusal("class_names", class_names, f"name each of the {classes} classes")
    if classes is None:
        train_labels = checked_labels("train", train[1])
        classes = int(train_labels.max()) + 1 if train_labels.size else 0
        if classes < 2:
            raise ValueError(
                f"The train labels name {max(classes, 0)} classes: at least 2 are needed. Pass "
                "classes= if the training labels do not show all of them."
            )
    dataset = replace(checked_dataset(name, classes, train, test), class_names=names)
    return with_validation(dataset, validation_examples, split_seed)


def _checked_names(class_names: Sequence[str]) -> tuple[str, ...]:
    in_order = isinstance(class_names, Sequence | np.ndarray) and is_several(class_names)
    if not in_order or not all(isinstance(name, str) and name.strip() for name in class_names):
        raise refusal("class_names", class_names, 'give a list of names, such as ["cat", "dog"]')
    names = tuple(map(str, class_names))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise refusal("class_names", class_names, f"two classes are called {twice}; rename one")
    return names
