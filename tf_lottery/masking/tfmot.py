"""What is used of TensorFlow Model Optimization (tfmot), imported without Keras 3."""

from tf_lottery.startup import without_keras_3

with without_keras_3():
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_utils
    from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import (
        PruneLowMagnitude,
    )
    from tensorflow_model_optimization.sparsity import keras as sparsity

PruningSchedule = sparsity.PruningSchedule

__all__ = ["PruneLowMagnitude", "PruningSchedule", "pruning_utils"]
