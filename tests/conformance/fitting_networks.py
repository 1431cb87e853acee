"""Networks of common tasks, as users build them: functions of a Keras module."""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

WORDS, LENGTH = 12, 5
IMAGE, VECTOR, SERIES = (16, 16, 3), (6,), (8, 2)
SENTENCES = ["a b c d e", "f g h", "i j k a c", "b d f h j", "k e", "g i a h"]


def perceptron(keras: ModuleType) -> Any:
    """What the ways of fitting are tried with."""
    x = keras.Input(VECTOR)
    hidden = keras.layers.Dense(10, activation="relu", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(3, name="output")(hidden))


def classifier(keras: ModuleType) -> Any:
    x = keras.Input(VECTOR)
    hidden = keras.layers.Dense(10, activation="relu", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(3, activation="softmax", name="output")(hidden))


def half_precision(keras: ModuleType) -> Any:
    """Layers of 16-bit floats, whose small gradients are scaled."""
    x = keras.Input(VECTOR)
    hidden = keras.layers.Dense(10, activation="relu", name="hidden", dtype="mixed_float16")(x)
    return keras.Model(x, keras.layers.Dense(3, name="output", dtype="float32")(hidden))


def two_heads(keras: ModuleType) -> Any:
    """Outputs that go by their names."""
    x = keras.Input(VECTOR)
    hidden = keras.layers.Dense(10, activation="relu", name="hidden")(x)
    return keras.Model(
        x,
        {
            "amount": keras.layers.Dense(2, name="amount")(hidden),
            "kind": keras.layers.Dense(3, activation="softmax", name="kind")(hidden),
        },
    )


def masked_attention(keras: ModuleType) -> Any:
    """Attention with a mask that is an input, with the mask of an embedding, and a causal one."""
    layers = keras.layers
    words = keras.Input((LENGTH,), dtype="int32", name="words")
    allowed = keras.Input((LENGTH, LENGTH), name="allowed")
    x = layers.Embedding(WORDS, 8, mask_zero=True, name="embedding")(words)
    y = layers.MultiHeadAttention(2, 4, name="given")(x, x, attention_mask=allowed)
    x = layers.Add(name="add")([x, y])
    x = layers.MultiHeadAttention(2, 4, name="causal")(x, x, use_causal_mask=True)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model([words, allowed], layers.Dense(3, name="output")(x))


def text_classifier(keras: ModuleType) -> Any:
    """Takes strings: the vocabulary is in the model."""
    layers = keras.layers
    vectorize = layers.TextVectorization(output_sequence_length=LENGTH, name="vectorize")
    vectorize.adapt(tf.constant(SENTENCES))
    text = keras.Input((1,), dtype="string")
    x = layers.Embedding(vectorize.vocabulary_size(), 8, name="embedding")(vectorize(text))
    x = layers.Conv1D(6, 3, activation="relu", name="conv")(x)
    x = layers.GlobalMaxPooling1D()(x)
    return keras.Model(text, layers.Dense(3, name="output")(x))


def forecaster(keras: ModuleType) -> Any:
    """Four steps ahead of two series."""
    layers = keras.layers
    past = keras.Input(SERIES)
    x = layers.Conv1D(6, 3, padding="causal", activation="relu", name="conv")(past)
    x = layers.LSTM(6, name="encoder")(x)
    x = layers.LSTM(6, return_sequences=True, name="decoder")(layers.RepeatVector(4)(x))
    return keras.Model(past, layers.TimeDistributed(layers.Dense(2), name="steps")(x))


def u_net(keras: ModuleType) -> Any:
    """Down, up again both ways, and across."""
    layers = keras.layers

    def block(x, filters, name):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
        return layers.ReLU()(layers.BatchNormalization(name=f"{name}_norm")(x))

    image = keras.Input(IMAGE)
    high = block(image, 4, "down_1")
    middle = block(layers.MaxPooling2D()(high), 6, "down_2")
    low = block(layers.MaxPooling2D()(middle), 8, "bottom")
    x = layers.Conv2DTranspose(6, 2, strides=2, name="up_2")(low)
    x = block(layers.Concatenate()([x, middle]), 6, "join_2")
    x = block(layers.Concatenate()([layers.UpSampling2D()(x), high]), 4, "join_1")
    return keras.Model(image, layers.Conv2D(2, 1, name="segments")(x))


def with_preprocessing(keras: ModuleType) -> Any:
    """Takes raw pixels: scales, augments in training, normalizes, and goes through a base."""
    layers = keras.layers
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(np.random.default_rng(5).random((8, *IMAGE)).astype(np.float32))
    pixels = keras.Input(IMAGE)
    x = layers.Rescaling(1 / 255, name="scale")(pixels)
    x = layers.RandomFlip("horizontal", seed=1, name="flip")(x)
    x = layers.RandomTranslation(0.1, 0.1, seed=2, name="shift")(x)
    x = base(keras)(normalization(x))
    return keras.Model(pixels, layers.Dense(3, name="output")(x))


def base(keras: ModuleType) -> Any:
    """A small convolutional network for others to build on."""
    layers = keras.layers
    image = keras.Input(IMAGE)
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="conv_1")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(6, 3, activation="relu", name="conv_2")(x)
    return keras.Model(image, layers.GlobalAveragePooling2D()(x), name="base")


@cache
def backbone_class(keras: ModuleType) -> type:
    """A backbone as KerasHub has them: its constructor builds a graph."""
    layers = keras.layers

    class TinyBackbone(keras.Model):
        def __init__(self, vocabulary_size: int, width: int, **options: Any):
            embedding = layers.Embedding(vocabulary_size, width, name="token_embedding")
            token_ids = keras.Input((LENGTH,), dtype="int32", name="token_ids")
            padding = keras.Input((LENGTH,), dtype="int32", name="padding_mask")
            x = embedding(token_ids)
            mask = layers.Reshape((1, LENGTH), name="mask")(padding)
            y = layers.MultiHeadAttention(2, 4, name="attention")(x, x, attention_mask=mask)
            x = layers.LayerNormalization(name="norm")(layers.Add(name="add")([x, y]))
            blocks = [layers.Dense(width, "relu", name=f"block_{number}") for number in range(2)]
            for block in blocks:
                x = block(x)
            super().__init__({"token_ids": token_ids, "padding_mask": padding}, x, **options)
            self.token_embedding, self.transformer_layers = embedding, blocks
            self.vocabulary_size, self.width = vocabulary_size, width

        def get_config(self):
            return {
                "name": self.name,
                "vocabulary_size": self.vocabulary_size,
                "width": self.width,
            }

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return cls(**config)

    return TinyBackbone


def backbone(keras: ModuleType) -> Any:
    return backbone_class(keras)(WORDS, 8, name="backbone")


def task_on_backbone(keras: ModuleType) -> Any:
    """A classifier on top of it, as users of KerasHub write it."""
    inner = backbone(keras)
    inputs = {
        name: keras.Input((LENGTH,), dtype="int32", name=name)
        for name in ("token_ids", "padding_mask")
    }
    x = keras.layers.GlobalAveragePooling1D(name="mean")(inner(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, name="output")(x))
