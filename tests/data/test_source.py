"""Data sets by name."""

import pytest

from tf_lottery.config.datasets import DATASETS, register_dataset
from tf_lottery.data import load_dataset


def test_a_plugin_that_returns_no_data_is_told():
    register_dataset("forgotten")(lambda: None)
    said = rf"^--dataset=forgotten: {__name__} returned None for it; return what .*from_arrays"
    try:
        with pytest.raises(ValueError, match=said):
            load_dataset("forgotten")
    finally:
        DATASETS.remove("forgotten")
