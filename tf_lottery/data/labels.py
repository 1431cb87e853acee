"""Which classes there are examples of."""

from collections.abc import Mapping, Sequence

import numpy as np

from tf_lottery.messages import listed

_MOST_LISTED = 10


def check_class_numbers(labels: np.ndarray) -> None:
    """Checks that training labels number classes, and are not names or codes of them.

    Args:
      labels: of the training examples, `[examples]`.

    Raises:
      ValueError: if there is none, one is negative, or so large that most classes could not have
        an example.
    """
    if not labels.size:
        raise ValueError("The train split is empty: at least 1 example is needed.")
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= labels.size:
        raise ValueError(
            f"the labels of the {labels.size} training examples are {least} to {most}: class "
            "numbers are to begin at 0 and leave none out; of names or codes, "
            "numpy.unique(y, return_inverse=True)[1] makes them, where y has the labels of all "
            "examples, those for test too."
        )


def check_known_classes(
    labels: Mapping[str, np.ndarray], class_names: Sequence[str] | None = None
) -> None:
    """Checks that no class is tested on that is not trained on.

    Args:
      labels: class numbers `[examples]` by split, those of "train" among them.
      class_names: what the classes are called, for the message.

    Raises:
      ValueError: names the first such class and its first example.
    """
    for split, own in labels.items():
        unknown = np.flatnonzero(~np.isin(own, labels["train"]))
        if unknown.size:
            label = int(own[unknown[0]])
            name = label if class_names is None else class_names[label]
            raise ValueError(
                f"the {split} data have the class {name} (example {unknown[0]}), of which there is "
                "no training example; leave such examples out, or train on some."
            )


def classes_text(class_names: Sequence[str]) -> str:
    """The classes with their numbers, such as "the classes are 0: cat, 1: dog"."""
    named = [
        str(number) if name == str(number) else f"{number}: {name}"
        for number, name in enumerate(class_names)
    ]
    more = f", … ({len(named)})" if len(named) > _MOST_LISTED else ""
    return f"the classes are {', '.join(named[:_MOST_LISTED])}{more}"


def note_of_empty_classes(
    labels: np.ndarray, classes: int, class_names: Sequence[str] | None = None
) -> str | None:
    """Says which classes no training example has.

    Args:
      labels: class numbers of the training examples, `[examples]`.
      classes: number of classes.
      class_names: what the classes are called.

    Returns:
      A sentence; None if there are examples of each.
    """
    empty = np.setdiff1d(np.arange(classes), labels)
    if not empty.size:
        return None
    names = [str(label) if class_names is None else class_names[label] for label in map(int, empty)]
    which = f"class {names[0]}" if len(names) == 1 else f"the classes {listed(names)}"
    return (
        f"there is no training example of {which}; the network has an output for each of the "
        f"{classes} classes all the same."
    )
