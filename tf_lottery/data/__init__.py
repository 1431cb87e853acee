"""Sources of image-classification data, its division, and the order of an epoch."""

from tf_lottery.data.arrays import from_arrays
from tf_lottery.data.dataset import Dataset, Split, checked_dataset
from tf_lottery.data.order import epoch_order, steps_per_epoch
from tf_lottery.data.source import load_dataset
from tf_lottery.data.splits import hold_out, with_validation

__all__ = [
    "Dataset",
    "Split",
    "checked_dataset",
    "epoch_order",
    "from_arrays",
    "hold_out",
    "load_dataset",
    "steps_per_epoch",
    "with_validation",
]
