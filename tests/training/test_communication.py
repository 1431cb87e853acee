"""Masks cost no communication: a masked step has the reductions of the dense one, and no others."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data import Augmentation, Split
from tf_lottery.masking.prunable import prunable
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import Network
from tf_lottery.training.resident import ResidentProgram
from tf_lottery.training.step import StepOptions, TrainingStep

BATCH = 8
COMMUNICATION = ("Collective", "Nccl", "AddN", "Bcast", "AllReduce", "AllGather")


def network(masked: bool, normalization: type) -> Network:
    model = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, input_shape=(6, 6, 3), use_bias=False),
            normalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, jit_compile=False)
    return Network(prunable(model) if masked else model, optimizer)


def ops_of_training(network: Network, clip: bool) -> Counter:
    step = TrainingStep(network, StepOptions(BATCH, l2=1e-4, mask_gradients=clip), lambda x, _: x)
    images = np.zeros((2 * BATCH, 6, 6, 3), np.uint8)
    data = Split(images, np.zeros(len(images), np.int32))
    program = ResidentProgram(step, data, Augmentation(), BATCH, ExecutionPlan())
    graph = program._run.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for body in graph.library.function for node in body.node_def)]
    return Counter(node.op for node in nodes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "clip", [pytest.param(False, marks=pytest.mark.slow), True], ids=["", "clipped"]
)
@pytest.mark.parametrize(
    "normalization",
    [
        keras.layers.BatchNormalization,
        pytest.param(keras.layers.experimental.SyncBatchNormalization, marks=pytest.mark.slow),
    ],
)
def test_masks_add_no_communication(mirrored: tf.distribute.Strategy, normalization, clip: bool):
    counts = []
    for masked in (False, True):
        with mirrored.scope():
            ops = ops_of_training(network(masked, normalization), clip)
        counts.append(
            {op: count for op, count in ops.items() if any(name in op for name in COMMUNICATION)}
        )
    dense, masked = counts
    assert sum(dense.values()) >= 1
    assert masked == dense
