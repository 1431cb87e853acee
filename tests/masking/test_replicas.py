"""Replicas: equal weights and masks in all of them, and nothing sent for the masks' sake."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, masked_variables, prunable, set_mask, strip

layers = keras.layers
MASKING = {"Placeholder", "ReadVariableOp", "MulNoNan", "AssignVariableOp"}


def network(policy: str = "float32") -> keras.Model:
    """Separable, because its layer holds two masks."""
    return keras.Sequential(
        [
            layers.SeparableConv2D(4, 3, input_shape=(6, 6, 2), dtype=policy, name="separable"),
            layers.BatchNormalization(dtype=policy, name="norm"),
            layers.Flatten(),
            layers.Dense(3, dtype=policy, name="output"),
        ]
    )


def half_mask(model: keras.Model) -> Mask:
    rng = np.random.default_rng(0)
    return Mask({name: rng.random(array.shape) < 0.5 for name, array in get_mask(model).items()})


def training_operations(model: keras.Model, strategy: tf.distribute.Strategy) -> Counter:
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images: tf.Tensor) -> None:
        def in_replica(images: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.cast(model(images, training=True), tf.float32) ** 2)
            optimizer.minimize(loss, model.trainable_variables, tape)

        strategy.run(in_replica, (images,))

    graph = step.get_concrete_function(tf.zeros((2, 6, 6, 2))).graph
    return Counter(operation.type for operation in graph.get_operations())


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_masks_add_no_communication_to_training(policy: str, mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        dense = training_operations(network(policy), mirrored)
        masked = training_operations(prunable(network(policy)), mirrored)
    assert any("CollectiveReduce" in operation for operation in dense)
    assert set(masked - dense) == MASKING
    assert not dense - masked


@pytest.mark.parametrize("inside", [True, False])
def test_all_replicas_get_the_masks(inside: bool, mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        model = prunable(network())
        mask = half_mask(model)
        if inside:
            set_mask(model, mask)
    if not inside:
        set_mask(model, mask)
    assert get_mask(model) == mask
    for name, (weight, held) in masked_variables(model).items():
        values = [variable.numpy() for variable in mirrored.experimental_local_results(weight)]
        assert len(values) == 2
        np.testing.assert_array_equal(*values)
        assert not values[0][~mask[name]].view(np.uint32).any()
        assert values[0][mask[name]].all()
        for variable in mirrored.experimental_local_results(held):
            np.testing.assert_array_equal(variable.numpy() != 0, mask[name])


def test_stripping_averages_the_replicas_statistics(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        model = prunable(network())
    mean = model.get_layer("norm").moving_mean
    for value, replica in zip((1.0, 4.0), mirrored.experimental_local_results(mean), strict=True):
        replica.assign(tf.fill(mean.shape, value))
    norm = strip(model).get_layer("norm")
    assert norm.moving_mean.numpy().tolist() == [2.5] * 4
    assert norm.moving_variance.numpy().tolist() == [1.0] * 4
    assert norm.moving_mean.dtype == tf.float32


ONE_OF_TWO_WORKERS = """
import os, time
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
from tests.masking.test_replicas import get_mask, half_mask, network, prunable, set_mask, strip
with strategy.scope():
    model = prunable(network())
mask = half_mask(model)
if os.environ["ALONE"] == "yes":
    set_mask(model, mask)
    assert get_mask(model) == mask
    assert strip(model).count_params() == network().count_params()
    print("came through alone", flush=True)
    os._exit(0)
time.sleep(60)
"""


@pytest.mark.slow
def test_one_worker_can_mask_and_strip_while_the_other_does_not():
    """Normalization statistics are averaged over all workers when Keras reads them."""
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{free.getsockname()[1]}" for free in (one, two)]
    workers = []
    for index, alone in enumerate(("yes", "no")):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", ONE_OF_TWO_WORKERS],
                cwd=Path(__file__).parents[2],
                env={**os.environ, "TF_CONFIG": json.dumps(task), "ALONE": alone},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        output, _ = workers[0].communicate(timeout=50)
        assert "came through alone" in output, output
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
