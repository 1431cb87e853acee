"""Pruned weights are exactly +0.0 after `model.fit`, with every optimizer, however it runs."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask, strip

optimizers = keras.optimizers
OPTIMIZERS: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "sgd weight_decay": lambda: optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adam clipnorm": lambda: optimizers.Adam(0.01, clipnorm=0.1),
    "adam global_clipnorm": lambda: optimizers.Adam(0.01, global_clipnorm=0.1, weight_decay=0.1),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adafactor": lambda: optimizers.Adafactor(0.1),
    "ftrl": lambda: optimizers.Ftrl(0.1),
    "lion": lambda: optimizers.Lion(0.01),
    "legacy sgd": lambda: optimizers.legacy.SGD(0.1, momentum=0.9),
    "legacy adam": lambda: optimizers.legacy.Adam(0.01),
    "loss scaling": lambda: keras.mixed_precision.LossScaleOptimizer(optimizers.Adam(0.01)),
}
EXECUTIONS = {
    "eager": {"run_eagerly": True},
    "jit_compile": {"jit_compile": True},
    "steps_per_execution": {"steps_per_execution": 4},
    "jit_compile, steps_per_execution": {"jit_compile": True, "steps_per_execution": 4},
}
# Of each kind one: with an update of its own, of the older classes, wrapped in another; one that is
# clipped is below.
FAST = {"ftrl", "legacy adam", "loss scaling"}
FAST_EXECUTIONS = {
    ("momentum", "eager"),
    ("adam global_clipnorm", "jit_compile, steps_per_execution"),
}
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 6)).astype(np.float32), np.arange(32) % 3
IMAGES = RNG.normal(size=(16, 6, 6, 2)).astype(np.float32)


def mlp() -> keras.Model:
    return keras.Sequential(
        [
            keras.layers.Dense(8, activation="relu", input_shape=(6,), name="hidden"),
            keras.layers.Dense(3, name="output"),
        ]
    )


def conv_net() -> keras.Model:
    return keras.Sequential(
        [
            keras.layers.SeparableConv2D(4, 3, input_shape=(6, 6, 2), name="separable"),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="output"),
        ]
    )


def sparse(dense: keras.Model) -> tuple[keras.Model, Mask]:
    model = prunable(dense)
    rng = np.random.default_rng(1)
    mask = Mask({name: rng.random(a.shape) < 0.5 for name, a in get_mask(model).items()})
    set_mask(model, mask)
    return model, mask


def train(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, x: np.ndarray, **execution
) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **execution)
    data = tf.data.Dataset.from_tensor_slices((x, Y[: len(x)])).batch(4)
    model.fit(data, epochs=1, verbose=0)


def assert_only_survivors_trained(model: keras.Model, mask: Mask, before: dict) -> None:
    variables = model_variables(model)
    for name, array in mask.items():
        trained = variables[name].numpy()
        assert not trained[~array].view(np.uint32).any(), name
        assert np.isfinite(trained).all()
        assert not np.array_equal(trained, before[name])


def check(name: str, dense: Callable[[], keras.Model], x: np.ndarray, **execution) -> None:
    model, mask = sparse(dense())
    before = {name: variable.numpy() for name, variable in model_variables(model).items()}
    train(model, OPTIMIZERS[name](), x, **execution)
    assert_only_survivors_trained(model, mask, before)


def only_fast(*names: str) -> list:
    """All optimizers, of which the others are slow."""
    return [n if n in names else pytest.param(n, marks=pytest.mark.slow) for n in OPTIMIZERS]


@pytest.mark.parametrize("name", only_fast(*FAST))
def test_every_optimizer(name: str):
    check(name, mlp, X)


@pytest.mark.parametrize(
    ("name", "execution"),
    [
        pytest.param(
            name, execution, marks=[] if (name, execution) in FAST_EXECUTIONS else pytest.mark.slow
        )
        for name in OPTIMIZERS
        for execution in EXECUTIONS
    ],
)
def test_every_way_to_run(name: str, execution: str):
    if name == "loss scaling" and "jit_compile" in execution:
        pytest.skip("Keras cannot compile loss scaling")
    check(name, mlp, X, **EXECUTIONS[execution])


@pytest.mark.parametrize(
    "execution", [pytest.param("eager", marks=pytest.mark.slow), "steps_per_execution"]
)
@pytest.mark.parametrize("name", ["momentum", pytest.param("adamw", marks=pytest.mark.slow)])
def test_convolutions(name: str, execution: str):
    check(name, conv_net, IMAGES, **EXECUTIONS[execution])


@pytest.mark.slow
@pytest.mark.parametrize("name", only_fast("adam global_clipnorm"))
def test_two_replicas(name: str, mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        check(name, mlp, X)


@pytest.mark.slow
def test_two_replicas_of_a_convolutional_network(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        check("momentum", conv_net, IMAGES, steps_per_execution=2)


@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_averaged_weights_while_training(replicas: int, mirrored: tf.distribute.Strategy):
    """Before Keras assigns the averages at the end of training, which is `fit`'s last act."""
    pruned_bits = []
    with mirrored.scope() if replicas == 2 else nullcontext():
        model, mask = sparse(mlp())
        kernel, alive = model_variables(model)["hidden/kernel"], mask["hidden/kernel"]
        look = keras.callbacks.LambdaCallback(
            on_batch_end=lambda batch, logs: pruned_bits.append(
                kernel.numpy()[~alive].view(np.uint32)
            )
        )
        adam = optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(adam, loss)
        data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
        model.fit(data, verbose=0, callbacks=[look])
    assert len(pruned_bits) == 8
    assert not np.any(pruned_bits)


def test_stripping_masks_averages_that_keras_assigned_after_a_plain_fit():
    model, mask = sparse(mlp())
    train(model, optimizers.Adam(0.01, use_ema=True), X)
    plain = strip(model)
    for name, array in mask.items():
        layer = plain.get_layer(name.split("/")[0])
        assert not layer.kernel.numpy()[~array].view(np.uint32).any(), name
        assert layer.kernel.numpy()[array].all()


def test_an_overflowing_pruned_weight_stays_zero():
    """A huge learning rate drives weights to infinity, where a product with zero is NaN."""
    model, mask = sparse(keras.Sequential([keras.layers.Dense(3, input_shape=(6,), name="output")]))
    model.compile(optimizers.SGD(1e38), "mse")
    model.fit(X * 1e3, np.ones((32, 3)), batch_size=32, epochs=1, verbose=0)
    kernel = model_variables(model)["output/kernel"].numpy()
    assert not np.isfinite(kernel[mask["output/kernel"]]).all()
    assert not kernel[~mask["output/kernel"]].view(np.uint32).any()


def test_survivors_train_as_if_the_forward_pass_were_masked():
    """The constraint is a faster way to compute weight * mask in every forward pass."""
    model, mask = sparse(mlp())
    kernels = {name: v.numpy() for name, v in model_variables(model).items()}
    train(model, optimizers.SGD(0.1, momentum=0.9), X[:4])
    weights = {name: tf.Variable(value) for name, value in kernels.items()}
    with tf.GradientTape() as tape:
        masked = {
            name: tf.where(mask[name], v, 0.0) if name in mask else v for name, v in weights.items()
        }
        hidden = tf.nn.relu(X[:4] @ masked["hidden/kernel"] + masked["hidden/bias"])
        logits = hidden @ masked["output/kernel"] + masked["output/bias"]
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(Y[:4], logits))
    gradients = tape.gradient(loss, weights)
    for name, variable in model_variables(model).items():
        expected = kernels[name] - 0.1 * gradients[name].numpy()
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6)
