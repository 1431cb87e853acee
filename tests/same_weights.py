"""Comparing weights, bit for bit."""

from collections.abc import Mapping

import numpy as np


def assert_same_weights(one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray]) -> None:
    """Compares weights by name, bit for bit."""
    assert list(one) == list(two)
    for name, value in one.items():
        assert value.tobytes() == two[name].tobytes(), name
