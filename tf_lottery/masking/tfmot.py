"""What is used of TensorFlow Model Optimization (tfmot), imported without Keras 3."""

from tf_lottery.private_names import private_names
from tf_lottery.startup import without_keras_3

with without_keras_3(), private_names("tensorflow-model-optimization"):
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_utils
    from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import (
        PruneLowMagnitude,
    )
    from tensorflow_model_optimization.sparsity import keras as sparsity

PruningSchedule = sparsity.PruningSchedule

__all__ = ["PruneLowMagnitude", "PruningSchedule", "pruning_utils"]
