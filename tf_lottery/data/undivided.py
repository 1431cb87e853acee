"""Data that are not divided: which of them are tested on."""

import numpy as np

from tf_lottery.config.data_files import DataFiles


def chosen_for_test(files: DataFiles, labels: np.ndarray) -> np.ndarray:
    """Chooses the same share of every class, the same examples every time.

    Args:
      files: the data, with the share: of each class, rounded; at least one example of a class that
        has two.
      labels: class numbers, `[examples]`.

    Raises:
      ValueError: if no class has two.

    Returns:
      Whether an example is tested on, `[examples]`.
    """
    random = np.random.Generator(np.random.Philox(0))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(files.test_share * len(members))), len(members) - 1)
        chosen[random.permutation(members)[:count]] = True
    if not chosen.any():
        raise files.refusal("no class has two examples, of which one could be tested on")
    return chosen
