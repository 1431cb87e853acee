"""Trainings of several networks at once: adversarial, contrastive, by a teacher."""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from tests.conformance import fitting_networks as networks

BATCH, BATCHES, CODE = 4, 6, 5
X = np.random.default_rng(0).normal(size=(BATCH * BATCHES, *networks.VECTOR)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(BATCH * BATCHES, 3)).astype(np.float32)


def dense_layers(keras: ModuleType, name: str, inputs: int, outputs: int) -> Any:
    """A network of one hidden layer."""
    x = keras.Input((inputs,))
    hidden = keras.layers.Dense(10, activation="relu", name=f"{name}_hidden")(x)
    return keras.Model(x, keras.layers.Dense(outputs, name=f"{name}_output")(hidden), name=name)


def batch_of(step: int) -> np.ndarray:
    """The same batch for the same step."""
    part = slice(step % BATCHES * BATCH, (step % BATCHES + 1) * BATCH)
    return X[part]


def apply(optimizer: Any, tape: tf.GradientTape, loss: tf.Tensor, variables: list[Any]) -> None:
    """One step of an optimizer of either Keras."""
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def adversarial_loop(keras: ModuleType, generator: Any, optimizer: Any) -> Callable[[Any], Any]:
    """Trains a generator against a discriminator, which begins anew at every level."""
    distance = keras.losses.BinaryCrossentropy(from_logits=True)

    def train(steps: Any) -> dict[str, float]:
        keras.utils.set_random_seed(3)
        judge = dense_layers(keras, "discriminator", 6, 1)
        of_judge = keras.optimizers.Adam(0.01)

        @tf.function
        def step_on(real, noise):
            ones, zeros = tf.ones((BATCH, 1)), tf.zeros((BATCH, 1))
            with tf.GradientTape() as tape:
                false = judge(generator(noise, training=True), training=True)
                loss = distance(ones, judge(real, training=True)) + distance(zeros, false)
            apply(of_judge, tape, loss, judge.trainable_variables)
            with tf.GradientTape() as tape:
                loss = distance(ones, judge(generator(noise, training=True), training=True))
            apply(optimizer, tape, loss, generator.trainable_variables)
            return loss

        noises = np.random.default_rng(2).normal(size=(BATCHES, BATCH, CODE)).astype(np.float32)
        of_judge.build(judge.trainable_variables)
        loss = 0.0
        for step in steps:
            loss = step_on(batch_of(step), noises[step % BATCHES])
        return {"loss": float(loss)}

    return train


def contrastive_loop(keras: ModuleType, encoder: Any, optimizer: Any) -> Callable[[Any], Any]:
    """Brings two views of an example together; a head has an optimizer of its own.

    Both are made anew at every level, as the search rewinds the encoder and its optimizer alone.
    """

    def train(steps: Any) -> dict[str, float]:
        keras.utils.set_random_seed(4)
        head = dense_layers(keras, "head", 3, 4)
        of_head = keras.optimizers.SGD(0.05, momentum=0.9)
        of_head.build(head.trainable_variables)

        @tf.function
        def step_on(one, other):
            with tf.GradientTape(persistent=True) as tape:
                codes = [
                    tf.math.l2_normalize(head(encoder(view, training=True)), axis=-1)
                    for view in (one, other)
                ]
                likeness = tf.matmul(*codes, transpose_b=True) / 0.1
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(BATCH), likeness)
                )
            apply(optimizer, tape, loss, encoder.trainable_variables)
            apply(of_head, tape, loss, head.trainable_variables)
            return loss

        loss = 0.0
        for step in steps:
            images = batch_of(step)
            loss = step_on(images, images + np.float32(0.1))
        return {"loss": float(loss)}

    return train


@cache
def distiller_class(keras: ModuleType) -> type:
    """A model that trains a student by a teacher, as the guides of Keras write it."""

    class Distiller(keras.Model):
        def __init__(self, student: Any, teacher: Any):
            super().__init__(name="distiller")
            self.student, self.teacher = student, teacher

        def get_config(self):
            parts = {"student": self.student, "teacher": self.teacher}
            return {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return cls(
                **{
                    name: keras.saving.deserialize_keras_object(part)
                    for name, part in config.items()
                }
            )

        def call(self, inputs, training=None):
            return self.student(inputs, training=training)

        def train_step(self, data):
            x, y = data
            wanted = self.teacher(x, training=False)
            with tf.GradientTape() as tape:
                given = self.student(x, training=True)
                loss = tf.reduce_mean((given - y) ** 2) + tf.reduce_mean((given - wanted) ** 2)
            apply(self.optimizer, tape, loss, self.student.trainable_variables)
            return {"loss": loss}

    return Distiller


@cache
def two_optimizers_class(keras: ModuleType) -> type:
    """A generator and a discriminator in one model, each with an optimizer."""

    class Adversaries(keras.Model):
        def __init__(self, generator: Any, discriminator: Any):
            super().__init__(name="adversaries")
            self.generator, self.discriminator = generator, discriminator

        def compile(self, of_generator, of_discriminator):
            super().compile()
            self.of_generator, self.of_discriminator = of_generator, of_discriminator

        def call(self, inputs):
            return self.discriminator(self.generator(inputs))

    return Adversaries
