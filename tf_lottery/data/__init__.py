"""Sources of image-classification data, its division, and its streams of batches.

The names are loaded when they are first used: which data sets there are is known without
TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_lottery.data.arrays import from_arrays
    from tf_lottery.data.augmentation import Augmentation
    from tf_lottery.data.dataset import Dataset, Split, checked_dataset
    from tf_lottery.data.order import Epoch, epoch_order, steps_per_epoch
    from tf_lottery.data.source import load_dataset
    from tf_lottery.data.splits import hold_out, with_validation
    from tf_lottery.data.streamed_dataset import StreamedDataset
    from tf_lottery.data.streams import (
        ArrayEvaluationStream,
        ArrayStream,
        EvaluationStream,
        TrainingStream,
    )

_MODULES = {
    "ArrayEvaluationStream": "streams",
    "ArrayStream": "streams",
    "Augmentation": "augmentation",
    "Dataset": "dataset",
    "Epoch": "order",
    "EvaluationStream": "streams",
    "Split": "dataset",
    "StreamedDataset": "streamed_dataset",
    "TrainingStream": "streams",
    "checked_dataset": "dataset",
    "epoch_order": "order",
    "from_arrays": "arrays",
    "hold_out": "splits",
    "load_dataset": "source",
    "steps_per_epoch": "order",
    "with_validation": "splits",
}

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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
