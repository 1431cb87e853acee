"""What masks cost in `model.fit` where constraints hold them, against the same network without.

    python benchmarks/held_masks.py [--rounds=7] [--only=lstm,attention,subclassed,keras_3]

Random data of fixed size; no data is read. Run it on an idle machine.
"""

import argparse
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras as keras_3
import numpy as np
import tf_keras
from pairs import alternate, print_ratios

import tf_lottery

BATCH, EXAMPLES, TOKENS, WORDS = 64, 6400, 40, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="lstm,attention,subclassed,keras_3")
    arguments = parser.parse_args()
    kinds: dict[str, tuple[Callable[[], Any], np.ndarray]] = {
        "lstm": (lambda: text_model(tf_keras, recurrent=True), tokens()),
        "attention": (lambda: text_model(tf_keras, recurrent=False), tokens()),
        "subclassed": (lambda: subclassed_model(), images()),
        "keras_3": (lambda: dense_model(keras_3), images()),
    }
    for name in arguments.only.split(","):
        build, inputs = kinds[name]
        runs = {"dense": epoch(build(), inputs), "masked, half": epoch(half(build()), inputs)}
        title = f"{name}, batch {BATCH}, {len(inputs)} examples, an epoch of model.fit"
        print_ratios(title, alternate(runs, arguments.rounds), "dense")


def tokens() -> np.ndarray:
    return np.random.default_rng(0).integers(0, WORDS, (EXAMPLES, TOKENS))


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(10 * EXAMPLES, 784)).astype(np.float32)


def text_model(keras: ModuleType, *, recurrent: bool) -> Any:
    layers = keras.layers
    words = keras.Input((TOKENS,), dtype="int32")
    x = layers.Embedding(WORDS, 64)(words)
    x = layers.LSTM(64)(x) if recurrent else layers.MultiHeadAttention(4, 32)(x, x)
    if not recurrent:
        x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(words, layers.Dense(10)(x))


def dense_model(keras: ModuleType) -> Any:
    image = keras.Input((784,))
    x = keras.layers.Dense(300, "relu")(image)
    x = keras.layers.Dense(100, "relu")(x)
    return keras.Model(image, keras.layers.Dense(10)(x))


def subclassed_model() -> tf_keras.Model:
    class LeNet(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = [tf_keras.layers.Dense(units, "relu") for units in (300, 100)]
            self.head = tf_keras.layers.Dense(10)

        def call(self, inputs):
            for layer in self.hidden:
                inputs = layer(inputs)
            return self.head(inputs)

    model = LeNet()
    model.build((None, 784))
    return model


def half(model: Any) -> Any:
    model = tf_lottery.prunable(model)
    rng = np.random.default_rng(0)
    mask = {
        name: rng.random(array.shape) < 0.5 for name, array in tf_lottery.get_mask(model).items()
    }
    tf_lottery.set_mask(model, tf_lottery.Mask(mask))
    return model


def epoch(model: Any, inputs: np.ndarray) -> Callable[[], None]:
    labels = np.random.default_rng(1).integers(0, 10, len(inputs))
    keras = keras_3 if isinstance(model, keras_3.Model) else tf_keras
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
    return lambda: model.fit(inputs, labels, batch_size=BATCH, verbose=0)


if __name__ == "__main__":
    main()
