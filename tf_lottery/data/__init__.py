"""Sources of image-classification data, its division, and its streams of batches."""

from tf_lottery.data.arrays import from_arrays
from tf_lottery.data.augmentation import Augmentation
from tf_lottery.data.dataset import Dataset, Split, checked_dataset
from tf_lottery.data.order import Epoch, epoch_order, steps_per_epoch
from tf_lottery.data.source import load_dataset
from tf_lottery.data.splits import hold_out, with_validation
from tf_lottery.data.streamed import StreamedDataset
from tf_lottery.data.streams import (
    ArrayEvaluationStream,
    ArrayStream,
    EvaluationStream,
    TrainingStream,
)

__all__ = [
    "ArrayEvaluationStream",
    "ArrayStream",
    "Augmentation",
    "Dataset",
    "Epoch",
    "EvaluationStream",
    "Split",
    "StreamedDataset",
    "TrainingStream",
    "checked_dataset",
    "epoch_order",
    "from_arrays",
    "hold_out",
    "load_dataset",
    "steps_per_epoch",
    "with_validation",
]
