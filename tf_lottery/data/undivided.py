"""Data that are not divided: which of them are tested on."""

import numpy as np


def chosen_for_test(labels: np.ndarray, share: float) -> np.ndarray:
    """Chooses the same share of every class, the same examples every time.

    Args:
      labels: class numbers, `[examples]`.
      share: of each class, rounded; at least one example of a class that has two.

    Returns:
      Whether an example is tested on, `[examples]`.
    """
    random = np.random.Generator(np.random.Philox(0))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen[random.permutation(members)[:count]] = True
    return chosen
