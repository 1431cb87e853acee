"""Users' models of either Keras through prune, train, rewind, save, load, strip and export."""

from types import ModuleType
from typing import Any

import keras as keras_3
import pytest
import tensorflow as tf
import tf_keras

from tests.conformance import user_model_checks as checks
from tests.conformance.user_models import USER_MODELS

SLOW_IN_TF_KERAS = {
    "StackedRNNCells",
    "1D and 3D convolutions",
    "LSTM, GRU, SimpleRNN",
    "Bidirectional, TimeDistributed",
    "ConvLSTM2D",
    "Embedding with mask_zero",
    "MultiHeadAttention, EinsumDense",
    "mixed precision",
    "LocallyConnected",
    "separable, depthwise, transposed convolutions",
    "custom layer with layers in it",
    "shared models",
    "nested models",
    "several inputs and outputs",
    "subclassed model",
}
# Those that differ little from their twins in tf_keras.
SLOW_IN_KERAS_3 = {
    "shared layers",
    "shared models",
    "several inputs and outputs",
    "separable, depthwise, transposed convolutions",
    "1D and 3D convolutions",
    "LSTM, GRU, SimpleRNN",
    "Bidirectional, TimeDistributed",
    "ConvLSTM2D",
    "StackedRNNCells",
    "custom layer, weights named by kernels=",
    "custom layer with get_prunable_weights",
    "custom layer with layers in it",
    "subclassed model as a layer",
    "functions and regularizers that Keras does not know",
    "mixed precision",
    "Embedding with mask_zero",
}
# Of these other tests are fast: of the other Keras, of a model like it, or of two devices, which
# do all that is done here.
SLOW_TICKETS_IN_TF_KERAS = {
    "custom layer, weights named by kernels=",
    "shared layers",
    "TensorFlow-op layers, keras.ops",
    "custom layer with get_prunable_weights",
    "subclassed model",
    "subclassed model as a layer",
    "functional model with a call of its own",
    "functional model of a class with a constructor",
    "nested models",
    "functions and regularizers that Keras does not know",
    "custom train_step",
}
SLOW_TICKETS_IN_KERAS_3 = {
    "nested models",
    "MultiHeadAttention, EinsumDense",
    "TensorFlow-op layers, keras.ops",
    "functional model with a call of its own",
    "functional model of a class with a constructor",
    "custom train_step",
}
CASES = [
    (name, keras)
    for name, row in USER_MODELS.items()
    for keras in (tf_keras, keras_3)
    if keras is tf_keras or row.in_keras_3
]


def legacy_sgd(keras: ModuleType) -> Any:
    return keras.optimizers.legacy.SGD(0.05, momentum=0.9)


def momentum(keras: ModuleType) -> Any:
    return keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)


def adamw(keras: ModuleType) -> Any:
    return keras.optimizers.AdamW(0.01, weight_decay=0.1)


def averaging(keras: ModuleType) -> Any:
    return keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5)


def loss_scaling(keras: ModuleType) -> Any:
    module = keras.optimizers if keras is keras_3 else keras.mixed_precision
    return module.LossScaleOptimizer(keras.optimizers.SGD(0.05, momentum=0.9))


def case_id(value: Any) -> str:
    return getattr(value, "__name__", str(value))


def slow(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "keras"),
    [
        (name, keras) if keras is tf_keras and name not in SLOW_IN_TF_KERAS else slow(name, keras)
        for name, keras in CASES
    ],
    ids=case_id,
)
def test_prunable(name: str, keras: ModuleType):
    checks.check_prunable(USER_MODELS[name], keras)


@pytest.mark.parametrize(
    ("name", "keras"),
    [
        slow(name, keras)
        if name
        in (
            SLOW_IN_TF_KERAS | SLOW_TICKETS_IN_TF_KERAS
            if keras is tf_keras
            else SLOW_IN_KERAS_3 | SLOW_TICKETS_IN_KERAS_3
        )
        else (name, keras)
        for name, keras in CASES
    ],
    ids=case_id,
)
def test_tickets(name: str, keras: ModuleType, tmp_path):
    row = USER_MODELS[name]
    model, mask = checks.train(row, keras)
    checks.check_files(row, keras, model, mask, tmp_path)
    checks.check_stripped(row, keras, model, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "keras"),
    [(name, keras) for name, keras in CASES],
    ids=case_id,
)
def test_export(name: str, keras: ModuleType, tmp_path):
    checks.check_export(USER_MODELS[name], keras, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "keras", "make_optimizer"),
    [
        slow("nested models", tf_keras, adamw),
        slow("nested models", tf_keras, loss_scaling),
        slow("custom train_step", tf_keras, loss_scaling),
        slow("several inputs and outputs", tf_keras, legacy_sgd),
        slow("MultiHeadAttention, EinsumDense", tf_keras, momentum),
        slow("MultiHeadAttention, EinsumDense", tf_keras, adamw),
        slow("LSTM, GRU, SimpleRNN", tf_keras, legacy_sgd),
        slow("custom layer with layers in it", tf_keras, loss_scaling),
        slow("custom layer with layers in it", tf_keras, averaging),
        slow("subclassed model", tf_keras, momentum),
        slow("subclassed model", tf_keras, adamw),
        slow("subclassed model", tf_keras, legacy_sgd),
        slow("subclassed model", tf_keras, loss_scaling),
        slow("subclassed model", tf_keras, averaging),
        slow("nested models", keras_3, momentum),
        ("nested models", keras_3, averaging),
        slow("LSTM, GRU, SimpleRNN", keras_3, adamw),
        slow("MultiHeadAttention, EinsumDense", keras_3, loss_scaling),
        slow("subclassed model", keras_3, adamw),
        slow("subclassed model", keras_3, loss_scaling),
        slow("subclassed model", keras_3, averaging),
    ],
    ids=case_id,
)
def test_optimizers(name: str, keras: ModuleType, make_optimizer):
    checks.train(USER_MODELS[name], keras, make_optimizer)


@pytest.mark.parametrize(
    ("name", "keras"),
    [
        slow("shared models", tf_keras),
        slow("MultiHeadAttention, EinsumDense", tf_keras),
        slow("custom layer, weights named by kernels=", tf_keras),
        slow("subclassed model", tf_keras),
        slow("functional model of a class with a constructor", tf_keras),
        slow("several inputs and outputs", keras_3),
        slow("MultiHeadAttention, EinsumDense", keras_3),
        slow("subclassed model", keras_3),
        slow("custom train_step", keras_3),
    ],
    ids=case_id,
)
def test_xla(name: str, keras: ModuleType):
    checks.train(USER_MODELS[name], keras, jit_compile=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "keras"),
    [
        slow("nested models", tf_keras),
        slow("separable, depthwise, transposed convolutions", tf_keras),
        slow("MultiHeadAttention, EinsumDense", tf_keras),
        slow("LSTM, GRU, SimpleRNN", tf_keras),
        slow("custom layer with layers in it", tf_keras),
        slow("subclassed model", tf_keras),
        slow("functional model of a class with a constructor", tf_keras),
        slow("nested models", keras_3),
        slow("separable, depthwise, transposed convolutions", keras_3),
        slow("MultiHeadAttention, EinsumDense", keras_3),
        slow("LSTM, GRU, SimpleRNN", keras_3),
        # Other tests train models of tf_keras on several devices.
        ("subclassed model", keras_3),
    ],
    ids=case_id,
)
def test_two_mirrored_devices(
    name: str, keras: ModuleType, mirrored: tf.distribute.Strategy, tmp_path
):
    row = USER_MODELS[name]
    with mirrored.scope():
        model, mask = checks.train(row, keras)
    checks.check_files(row, keras, model, mask, tmp_path)
    checks.check_stripped(row, keras, model, tmp_path)
