"""scikit-learn's embedded handwritten digits: data that needs neither a download nor a folder."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tf_lottery.config.datasets import DataSize, register_dataset
from tf_lottery.data.dataset import Dataset, checked_dataset

_CLASSES = 10
_TEST_IMAGES_PER_CLASS = 36


@register_dataset("digits", DataSize(train=1437, test=360, image_shape=(8, 8, 1)))
def load_digits() -> Dataset:
    """Loads the 1797 images of 8x8x1 pixels, values 0 to 16, of ten digits.

    The set comes undivided. 36 images of every class, evenly spaced in scikit-learn's order, are
    the 360 test images, always the same; the other 1437 are the training images.

    Returns:
      The data set, without validation examples.
    """
    table = _table()
    images = table[:, :-1].reshape(-1, 8, 8).astype(np.uint8)
    labels = table[:, -1].astype(np.int32)
    is_test = _evenly_spaced_in_every_class(labels)
    return checked_dataset(
        "digits",
        _CLASSES,
        train=(images[~is_test], labels[~is_test]),
        test=(images[is_test], labels[is_test]),
    )


def _table() -> np.ndarray:
    """A row for each image: its pixels and its class."""
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        # Importing scikit-learn takes longer than all that is done with the data at first.
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn import datasets

    digits = datasets.load_digits()
    return np.column_stack([digits.data, digits.target])


def _evenly_spaced_in_every_class(labels: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(labels), dtype=bool)
    for label in range(_CLASSES):
        members = np.flatnonzero(labels == label)
        steps = np.arange(_TEST_IMAGES_PER_CLASS)
        chosen[members[steps * len(members) // _TEST_IMAGES_PER_CLASS]] = True
    return chosen
