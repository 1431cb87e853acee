"""Keras 3 and tf_keras: the same network, data and settings give the same tickets."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tf_lottery.data import Split
from tf_lottery.landscape.hessian import LossAtWeights
from tf_lottery.landscape.interpolation import interpolate
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution
from tf_lottery.landscape.statistics import StatisticsEstimator
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.training.evaluation import Evaluator
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import set_weights, weights_of

EXAMPLES, CLASSES = 48, 3
IMAGES = np.random.default_rng(0).normal(size=(EXAMPLES, 8, 8, 1)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, CLASSES, EXAMPLES).astype(np.int32)
DATA = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(16)
NETWORKS = ["dense", "convolutional"]


def dense(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(20, activation="relu", name="first"),
            layers.Dense(10, activation="relu", name="second"),
            layers.Dense(CLASSES, name="output"),
        ]
    )


def convolutional(keras: ModuleType) -> Any:
    layers = keras.layers
    # The fused kernel, which tf_keras takes, makes another estimate of the variance.
    options = {"momentum": 0.9} | ({} if keras is keras_3 else {"fused": False})
    images = keras.Input((8, 8, 1))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv")(images)
    x = layers.ReLU()(layers.BatchNormalization(**options, name="norm")(x))
    x = layers.Conv2D(12, 3, strides=2, name="conv_2")(x)
    x = layers.ReLU()(layers.BatchNormalization(**options, name="norm_2")(x))
    pooled = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(CLASSES, name="output")(pooled))


def build(network: str, keras: ModuleType) -> Any:
    """The network with the same initial weights in either Keras, and statistics unlike others."""
    model = prunable({"dense": dense, "convolutional": convolutional}[network](keras))
    generator = np.random.default_rng(2)
    start = {
        name: generator.uniform(0.5, 1.5, value.shape)
        if name.endswith(("gamma", "moving_variance"))
        else generator.normal(0, 0.3, value.shape)
        for name, value in weights_of(model).items()
    }
    set_weights(model, start, get_mask(model))
    return model


def compiled(network: str, keras: ModuleType) -> Any:
    model = build(network, keras)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def both(network: str) -> Iterator[Any]:
    """The compiled network of tf_keras and that of Keras 3."""
    for keras in (tf_keras, keras_3):
        yield compiled(network, keras)


def search(model: Any, levels: int, **arguments: Any) -> tf_lottery.IterativeMagnitudePruning:
    # The same random numbers for both, where a score takes any.
    tf_keras.utils.set_random_seed(0)
    pruning = tf_lottery.IterativeMagnitudePruning(
        model, levels, 0.4, rewind_step="2it", **arguments
    )
    pruning.fit(DATA, epochs=2, verbose=0)
    return pruning


def assert_close(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert list(one) == list(two)
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("dense", {"scope": "global"}),
        pytest.param("dense", {"scope": "layerwise"}, marks=pytest.mark.slow),
        pytest.param("dense", {"structure": "units"}, marks=pytest.mark.slow),
        pytest.param("convolutional", {"scope": "global"}, marks=pytest.mark.slow),
        pytest.param("convolutional", {"structure": "units"}, marks=pytest.mark.slow),
        pytest.param("convolutional", {"scope": "layerwise"}, marks=pytest.mark.slow),
    ],
)
def test_masks_are_the_same_level_by_level(network: str, arguments: dict):
    one, two = (search(model, 2, **arguments) for model in both(network))
    masks = [one.mask(level) for level in range(3)]
    assert len({mask.remaining for mask in masks}) == 3
    assert masks == [two.mask(level) for level in range(3)]
    for level, mask in enumerate(masks):
        trained = [weights_of(pruning.restore(level)) for pruning in (one, two)]
        assert_close(*trained)
        for name, array in mask.items():
            assert not trained[1][name][~array].view(np.uint32).any()
    rows = [pruning.history.to_frame() for pruning in (one, two)]
    np.testing.assert_allclose(rows[0]["loss"], rows[1]["loss"], rtol=1e-3)
    np.testing.assert_array_equal(rows[0]["accuracy"], rows[1]["accuracy"])


@cache
def by_magnitude(network: str) -> tf_lottery.Mask:
    return search(compiled(network, tf_keras), 1).mask(1)


FAST_SCORES = {("dense", "snip")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "score"),
    [
        pytest.param(*case)
        for case in product(NETWORKS, ("snip", "synflow", "taylor", "grasp", "movement"))
    ],
)
def test_scores_give_the_same_masks(network: str, score: str):
    one, two = (search(model, 1, score=score) for model in both(network))
    assert one.mask(1) == two.mask(1)
    assert one.mask(1) != by_magnitude(network)


def test_the_callback_gives_the_same_masks_in_one_fit():
    masks, histories = [], []
    for model in both("dense"):
        imp = tf_lottery.PruneAndRewind(2, epochs_per_level=2, pruning_rate=0.4, rewind_step="1ep")
        model.fit(DATA, epochs=imp.epochs(3), verbose=0, callbacks=[imp])
        masks.append(get_mask(model))
        histories.append(imp.history.to_frame())
    assert masks[0] == masks[1]
    whole = masks[0].total
    assert list(histories[0]["weights_remaining"]) == [
        round(whole * share) for share in (1, 0.6, 0.36)
    ]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "along",
    [
        "prunable",
        "trainable",
    ],
)
def test_the_loss_and_its_derivatives_are_the_same(network: str, along: str):
    results = []
    for keras in (tf_keras, keras_3):
        model = build(network, keras)
        mask = tf_lottery.Mask(
            {n: np.arange(a.size).reshape(a.shape) % 3 > 0 for n, a in get_mask(model).items()}
        )
        loss = LossAtWeights(model, IMAGES, LABELS, mask, along=along, batch_size=20)
        direction = np.random.default_rng(3).normal(size=len(loss.gradient(weights_of(model))))
        results.append(
            (
                loss.loss(weights_of(model)),
                loss.gradient(weights_of(model)),
                loss.hessian(weights_of(model))(direction),
            )
        )
    for one, two in zip(*results, strict=True):
        assert np.any(one)
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_lines_between_solutions_are_the_same():
    """Statistics are estimated anew on the way, in the model itself."""
    lines = []
    for model in both("convolutional"):
        pruning = search(model, 1)
        first, second = (
            Solution(f"level {n}", weights_of(pruning.restore(n)), pruning.mask(n)) for n in (0, 1)
        )
        evaluate = SolutionEvaluator(
            model,
            {"train": Evaluator(model, Split(IMAGES, LABELS), ExecutionPlan())},
            StatisticsEstimator(model, IMAGES, batch_size=16),
        )
        lines.append(interpolate(evaluate, first, second, points=4))
    one, two = lines
    np.testing.assert_allclose(one.losses["train"], two.losses["train"], rtol=1e-3)
    np.testing.assert_array_equal(one.errors["train"], two.errors["train"])
    assert len(set(one.losses["train"])) == 4


def test_accumulated_gradients_are_rewound_to_the_iteration():
    """Two batches make an update; the rewind step counts batches."""
    model, early = build("dense", keras_3), []
    model.compile(
        keras_3.optimizers.SGD(0.05, gradient_accumulation_steps=2),
        keras_3.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    pruning = tf_lottery.IterativeMagnitudePruning(model, 1, 0.4, rewind_step="4it")

    def note(batch: int, logs: Any) -> None:
        if len(early) < 4:
            early.append(weights_of(model))

    watch = keras_3.callbacks.LambdaCallback(on_train_batch_end=note)
    pruning.fit(DATA, epochs=2, verbose=0, callbacks=lambda level: [] if level else [watch])
    trained, mask = weights_of(model), pruning.mask(1)
    pruning.restore(1, "rewind", into=model)
    for name, value in weights_of(model).items():
        kept = mask.get(name, True)
        np.testing.assert_array_equal(value, np.where(kept, early[3][name], np.float32(0)))
        assert (value != trained[name]).any()
        assert not trained[name][~np.broadcast_to(kept, value.shape)].any()
    assert (early[1]["first/kernel"] == early[2]["first/kernel"]).all()
    assert (early[2]["first/kernel"] != early[3]["first/kernel"]).any()


def test_another_backend_is_refused(monkeypatch):
    model = dense(keras_3)
    monkeypatch.setattr(keras_3.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"backend jax.*KERAS_BACKEND=tensorflow"):
        prunable(model)


@pytest.mark.slow
def test_keras_3_need_not_be_installed():
    program = """
import sys
sys.modules["keras"] = None
import tf_keras
import tf_lottery
model = tf_lottery.prunable(tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(2,))]))
print(tf_lottery.get_mask(model).total)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.split()[-1:] == ["6"], result.stderr
