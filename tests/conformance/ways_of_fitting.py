"""Networks of common tasks and ways of fitting: a row for each that docs/models.md names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import keras as keras_3
import numpy as np
import tensorflow as tf
import tf_keras

from tests.conformance import fitting_networks as networks

EXAMPLES, BATCH, EPOCHS, LEVELS = 24, 4, 2, 2
BATCHES = EXAMPLES // BATCH

FitArguments = Callable[[ModuleType, Any, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Way:
    """A network and a way of fitting it.

    Attributes:
      build: makes the model, of the Keras module that it is given.
      loss: the targets are of its kind.
      fit: arguments of `fit` in place of `x=x, y=y, batch_size=BATCH`, of the Keras module and the
        arrays.
      compiled: arguments of `compile`, of the Keras module.
      optimizer: from the Keras module; Adam by default.
      in_keras: where there is such a thing.
      files: format of the `export` that is tried; None for `export_saved_model`, which takes any.
      same_as: a way that must give the same masks and weights.
      classes: functions from the Keras module to the classes of the user's that are in the model.
      levels: number of prunings.
      in_16_bits: whether layers of it compute with 16-bit floats.
    """

    build: Callable[[ModuleType], Any] = networks.perceptron
    loss: Any = "mse"
    fit: FitArguments = lambda keras, x, y: {"x": x, "y": y, "batch_size": BATCH}
    compiled: Callable[[ModuleType], Mapping[str, Any]] = lambda keras: {}
    optimizer: Callable[[ModuleType], Any] = lambda keras: keras.optimizers.Adam(0.01)
    in_keras: tuple[ModuleType, ...] = (tf_keras, keras_3)
    files: Literal["tflite", "saved_model"] | None = None
    same_as: str | None = None
    classes: tuple[Callable[[ModuleType], Any], ...] = ()
    levels: int = LEVELS
    in_16_bits: bool = False


def inputs_of(model: Any) -> Any:
    """The same random examples each time, in the structure that the model was built with."""
    generator = np.random.default_rng(0)

    def examples(tensor: Any) -> Any:
        shape, kind = (EXAMPLES, *tensor.shape[1:]), tf.as_dtype(tensor.dtype)
        if kind == tf.string:
            return tf.constant([[networks.SENTENCES[i % 6]] for i in range(EXAMPLES)])
        if kind.is_integer:
            limit = 2 if "mask" in tensor.name else networks.WORDS
            numbers = generator.integers(0, limit, shape).astype(np.int32)
            numbers[:, 0] = 1  # Attention to nothing at all is not what is tried here.
            return numbers
        if "allowed" in tensor.name:
            return np.maximum(generator.integers(0, 2, shape), np.eye(shape[1])).astype(np.float32)
        return generator.normal(size=shape).astype(np.float32)

    return tf.nest.map_structure(examples, model.input)


def targets_of(row: Way, outputs: Any) -> Any:
    """Random targets: classes where the loss is for classes, numbers otherwise."""
    generator = np.random.default_rng(1)

    def targets(output: Any, loss: str) -> np.ndarray:
        if loss.startswith("sparse"):
            return generator.integers(0, output.shape[-1], output.shape[:-1]).astype(np.int32)
        return generator.normal(size=output.shape).astype(np.float32)

    if isinstance(row.loss, dict):
        return {name: targets(outputs[name], loss) for name, loss in row.loss.items()}
    return targets(outputs, row.loss)


def data_set(x: Any, y: Any) -> tf.data.Dataset:
    """The examples in batches."""
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


def _sequence(keras: ModuleType, x: Any, y: Any, **options: Any) -> Any:
    class Batches(keras.utils.Sequence if keras is tf_keras else keras.utils.PyDataset):
        def __len__(self):
            return BATCHES

        def __getitem__(self, index):
            part = slice(index * BATCH, (index + 1) * BATCH)
            return x[part], y[part]

    return Batches(**options)


def _endless(x: Any, y: Any) -> Any:
    while True:
        for start in range(0, EXAMPLES, BATCH):
            yield x[start : start + BATCH], y[start : start + BATCH]


CLASS_WEIGHTS = {0: 1.0, 1: 0.25, 2: 4.0}


def _weights_of_examples(y: np.ndarray) -> np.ndarray:
    return np.array([CLASS_WEIGHTS[label] for label in y], np.float32)


def _arrays(x: Any, y: Any, **arguments: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "batch_size": BATCH, "shuffle": False} | arguments


def _loss_scaling(keras: ModuleType) -> Any:
    module = keras.optimizers if keras is keras_3 else keras.mixed_precision
    return module.LossScaleOptimizer(keras.optimizers.Adam(0.01))


def saving_callbacks(keras: ModuleType, folder: Path) -> list[Any]:
    """Those that write, and leave the training as it is."""
    best = str(folder / "best.weights.h5")
    return [
        keras.callbacks.ModelCheckpoint(str(folder / "kept.keras")),
        keras.callbacks.ModelCheckpoint(
            best, monitor="loss", save_weights_only=True, save_best_only=True
        ),
        keras.callbacks.TensorBoard(str(folder / "logs"), histogram_freq=1),
        keras.callbacks.CSVLogger(str(folder / "log.csv")),
    ]


NETWORKS = {
    "attention with given, padding and causal masks": Way(
        networks.masked_attention, files="saved_model"
    ),
    "text classifier with TextVectorization": Way(
        networks.text_classifier,
        fit=lambda keras, x, y: {"x": data_set(x, y)},
    ),
    "forecaster": Way(networks.forecaster, files="saved_model"),
    "U-Net": Way(networks.u_net, files="tflite"),
    "preprocessing and augmentation in the model": Way(networks.with_preprocessing, files="tflite"),
    "backbone whose constructor builds a graph": Way(
        networks.backbone, files="saved_model", classes=(networks.backbone_class,)
    ),
    "classifier on a backbone": Way(
        networks.task_on_backbone, files="saved_model", classes=(networks.backbone_class,)
    ),
}

FITTING = {
    "arrays": Way(fit=lambda keras, x, y: _arrays(x, y)),
    "run_eagerly": Way(
        fit=lambda keras, x, y: _arrays(x, y),
        compiled=lambda keras: {"run_eagerly": True},
        same_as="arrays",
    ),
    "jit_compile": Way(
        fit=lambda keras, x, y: _arrays(x, y),
        compiled=lambda keras: {"jit_compile": True},
        same_as="arrays",
    ),
    "endless tf.data and steps_per_epoch": Way(
        fit=lambda keras, x, y: {"x": data_set(x, y).repeat(), "steps_per_epoch": BATCHES},
        same_as="arrays",
    ),
    "Sequence": Way(
        fit=lambda keras, x, y: {"x": _sequence(keras, x, y), "shuffle": False},
        same_as="arrays",
    ),
    "PyDataset with two workers": Way(
        fit=lambda keras, x, y: {"x": _sequence(keras, x, y, workers=2), "shuffle": False},
        in_keras=(keras_3,),
        same_as="arrays",
    ),
    "generator and steps_per_epoch": Way(
        fit=lambda keras, x, y: {"x": _endless(x, y), "steps_per_epoch": BATCHES}
    ),
    "validation_split": Way(
        fit=lambda keras, x, y: {
            "x": np.concatenate([x, x[:8]]),
            "y": np.concatenate([y, y[:8]]),
            "batch_size": BATCH,
            "shuffle": False,
            "validation_split": 0.25,
        },
        same_as="arrays",
    ),
    "sample_weight": Way(
        networks.classifier,
        "sparse_categorical_crossentropy",
        lambda keras, x, y: _arrays(x, y, sample_weight=_weights_of_examples(y)),
    ),
    "class_weight": Way(
        networks.classifier,
        "sparse_categorical_crossentropy",
        lambda keras, x, y: _arrays(x, y, class_weight=CLASS_WEIGHTS),
        same_as="sample_weight",
    ),
    "losses and labels by name": Way(
        networks.two_heads,
        {"amount": "mse", "kind": "sparse_categorical_crossentropy"},
        compiled=lambda keras: {
            "loss_weights": {"amount": 0.5, "kind": 1.0},
            "metrics": {"kind": ["accuracy"]},
        },
        files="saved_model",
    ),
    "gradient clipping": Way(optimizer=lambda keras: keras.optimizers.SGD(0.05, global_clipnorm=1)),
    "gradient accumulation": Way(
        optimizer=lambda keras: keras.optimizers.SGD(
            0.05, momentum=0.9, gradient_accumulation_steps=3
        ),
        in_keras=(keras_3,),
    ),
    "loss scaling of 16-bit floats": Way(
        networks.half_precision, optimizer=_loss_scaling, in_16_bits=True
    ),
    "LearningRateScheduler": Way(
        fit=lambda keras, x, y: _arrays(
            x,
            y,
            callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.02 / (epoch + 1))],
        )
    ),
    "ReduceLROnPlateau": Way(
        fit=lambda keras, x, y: _arrays(
            x,
            y,
            callbacks=lambda level: [
                keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=0, min_delta=100.0)
            ],
        )
    ),
}

WAYS = NETWORKS | FITTING
