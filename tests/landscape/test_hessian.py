"""The loss and its derivatives against finite differences and TensorFlow's own full Hessian."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.landscape.hessian import LossAtWeights
from tf_lottery.landscape.lanczos import top_eigenvalues
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, masked_variables, prunable, set_mask
from tf_lottery.models.build import build_model
from tf_lottery.training.network import weights_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 4, 4, 1)).astype(np.float32), RNG.integers(0, 3, 30)


def convolutional(dtype: str = "float64") -> keras.Model:
    """Everything whose inference differs from training, with statistics away from their start."""
    layers = [
        keras.layers.Conv2D(3, 3, padding="same", input_shape=(4, 4, 1), dtype=dtype, name="conv"),
        keras.layers.BatchNormalization(dtype=dtype, name="norm"),
        keras.layers.Activation("softplus", dtype=dtype, name="softplus"),
        keras.layers.MaxPooling2D(2, dtype=dtype, name="pool"),
        keras.layers.Flatten(dtype=dtype, name="flatten"),
        keras.layers.Dropout(0.5, dtype=dtype, name="dropout"),
        keras.layers.Dense(3, dtype=dtype, name="output"),
    ]
    model = prunable(keras.Sequential(layers))
    for name, variable in model_variables(model).items():
        values = np.random.default_rng(len(name)).normal(0, 0.5, variable.shape)
        variable.assign(np.abs(values) + 0.5 if name.endswith("moving_variance") else values)
    return model


def half_mask(model: keras.Model) -> Mask:
    rng = np.random.default_rng(2)
    return Mask({name: rng.random(a.shape) < 0.6 for name, a in get_mask(model).items()})


def moved(loss: LossAtWeights, weights: dict[str, np.ndarray], step: np.ndarray):
    arrays = loss.coordinates.arrays(step)
    return {name: array + arrays.get(name, 0) for name, array in weights.items()}


def full_hessian(model: keras.Model, mask: Mask) -> np.ndarray:
    """The Hessian by the kernels of the network itself: the Jacobian of the gradient."""
    set_mask(model, mask)
    kernels = [weight for weight, _ in masked_variables(model).values()]
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as tape:
            logits = model(X, training=False)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(Y, logits))
        gradient = tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, kernels)], 0)
    rows = outer.jacobian(gradient, kernels, experimental_use_pfor=False)
    flat = np.concatenate([row.numpy().reshape(len(gradient), -1) for row in rows], axis=1)
    remaining = np.concatenate([mask[name].ravel() for name in masked_variables(model)])
    return flat[np.ix_(remaining, remaining)]


@pytest.mark.parametrize("along", ["prunable", pytest.param("trainable", marks=pytest.mark.slow)])
@pytest.mark.parametrize("masked", [pytest.param(False, marks=pytest.mark.slow), True])
def test_derivatives_are_those_of_finite_differences(along: str, masked: bool):
    model = convolutional()
    mask = half_mask(model) if masked else None
    loss = LossAtWeights(model, X, Y, mask, along=along, batch_size=7)
    weights = weights_of(model)
    others = {"prunable": 0, "trainable": 3 + 3 + 3 + 3}[along]
    kernels = mask.remaining if masked else get_mask(model).total
    assert loss.coordinates.dimension == kernels + others
    gradient, product = loss.gradient(weights), loss.hessian(weights)
    for _ in range(3):
        step = 1e-5 * RNG.normal(size=loss.coordinates.dimension)
        up, down = moved(loss, weights, step), moved(loss, weights, -step)
        rise = loss.loss(up) - loss.loss(down)
        assert rise == pytest.approx(2 * gradient @ step, rel=1e-5, abs=1e-11)
        change = (loss.gradient(up) - loss.gradient(down)) / 2
        np.testing.assert_allclose(change, product(step), atol=1e-6 * np.abs(change).max())


def test_the_loss_is_that_of_the_network_in_evaluation_with_the_pruned_weights_at_0():
    model = convolutional()
    loss, mask = LossAtWeights(model, X, Y, half_mask(model)), half_mask(model)
    weights = weights_of(model)
    set_mask(model, mask)
    logits = model(X, training=False).numpy()
    expected = keras.losses.sparse_categorical_crossentropy(Y, logits, from_logits=True)
    assert loss.loss(weights) == pytest.approx(np.mean(expected), rel=1e-6)


@pytest.mark.parametrize("masked", [pytest.param(False, marks=pytest.mark.slow), True])
def test_products_and_top_eigenvalues_are_those_of_the_full_hessian(masked: bool):
    model = convolutional()
    mask = half_mask(model) if masked else get_mask(model)
    loss, weights = LossAtWeights(model, X, Y, mask), weights_of(model)
    expected, product = full_hessian(model, mask), loss.hessian(weights)
    columns = [product(unit) for unit in np.eye(mask.remaining)]
    np.testing.assert_allclose(columns, expected, atol=1e-9)
    found = top_eigenvalues(product, mask.remaining, 5, 1e-4, random=RNG)
    eigenvalues = np.linalg.eigvalsh(expected)[::-1][:5]
    np.testing.assert_allclose(found.values, eigenvalues, rtol=1e-3)
    assert np.all(np.abs(found.values - eigenvalues) <= found.error_bounds + 1e-6)


def test_float32_with_its_fused_normalization_agrees_with_float64():
    results = {}
    for dtype in ("float32", "float64"):
        model = convolutional(dtype)
        loss = LossAtWeights(model, X, Y, along="trainable")
        direction = np.linspace(-1, 1, loss.coordinates.dimension)
        results[dtype] = loss.hessian(weights_of(model))(direction)
    scale = np.abs(results["float64"]).max()
    np.testing.assert_allclose(results["float32"], results["float64"], atol=2e-6 * scale)


@pytest.mark.slow
def test_batches_of_different_sizes_agree():
    model = convolutional("float32")
    weights, direction = weights_of(model), RNG.normal(size=get_mask(model).total)
    results = []
    for batch_size in (1, 7, 30, 1000):
        loss = LossAtWeights(model, X, Y, batch_size=batch_size)
        product = loss.hessian(weights)(direction)
        results.append(np.array([loss.loss(weights), *loss.gradient(weights), *product]))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=2e-5, atol=2e-6)


def test_the_model_is_bit_equal_afterwards():
    model = convolutional("float32")
    set_mask(model, half_mask(model))
    flags = [(layer.name, layer.trainable) for layer in model.layers]
    before = [value.tobytes() for value in model.get_weights()]
    ones = Mask.ones_like(get_mask(model))
    loss = LossAtWeights(model, X, Y, ones, along="trainable")
    other = {name: array + 1 for name, array in weights_of(model).items()}
    loss.loss(other)
    loss.gradient(other)
    loss.hessian(other)(np.ones(loss.coordinates.dimension))
    assert [value.tobytes() for value in model.get_weights()] == before
    assert [(layer.name, layer.trainable) for layer in model.layers] == flags


def test_products_stay_at_their_weights():
    model = convolutional()
    loss, weights = LossAtWeights(model, X, Y), weights_of(model)
    direction, product = np.ones(loss.coordinates.dimension), loss.hessian(weights)
    before = product(direction)
    loss.loss({name: array + 1 for name, array in weights.items()})
    np.testing.assert_array_equal(product(direction), before)


def test_raw_images_of_a_mixed_precision_network_in_a_strategy(mirrored):
    images = RNG.integers(0, 256, (12, 8, 8, 1), np.uint8)
    losses = {}
    for policy in ("float32", "mixed_bfloat16"):
        with mirrored.scope():
            model = prunable(
                build_model("lenet_6_5", (8, 8, 1), 3, 0, ([127.0], [4000.0]), dtype_policy=policy)
            )
            weights = {name: v.values[0].numpy() for name, v in model_variables(model).items()}
            losses[policy] = LossAtWeights(model, images, Y[:12]).loss(weights)
    assert losses["mixed_bfloat16"] == losses["float32"]


def test_overflow_is_a_loss_that_is_not_finite_and_an_infinite_bound():
    model = convolutional("float32")
    loss = LossAtWeights(model, X, Y)
    weights = {name: np.full_like(a, 1e30) for name, a in weights_of(model).items()}
    assert not np.isfinite(loss.loss(weights))
    found = top_eigenvalues(loss.hessian(weights), loss.coordinates.dimension, 2, random=RNG)
    assert np.isnan(found.values).all() and np.isinf(found.error_bounds).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": Y[:-1]}, "30 images, but labels of shape"),
        ({"images": X[:0], "labels": Y[:0]}, "at least one"),
        ({"along": "biases"}, "along='biases'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"mask": Mask({"conv/kernel": np.ones((3, 3, 1, 3), bool)})}, "output/kernel"),
    ],
)
def test_arguments_that_do_not_fit_are_errors(change: dict, message: str):
    arguments = {"images": X, "labels": Y} | change
    with pytest.raises(ValueError, match=message):
        LossAtWeights(convolutional(), **arguments)


def test_vectors_and_weights_that_do_not_fit_are_errors():
    model = convolutional()
    loss, weights = LossAtWeights(model, X, Y), weights_of(model)
    with pytest.raises(ValueError, match="shape \\(5,\\)"):
        loss.hessian(weights)(np.ones(5))
    with pytest.raises(ValueError, match="lack norm/gamma"):
        loss.loss({name: array for name, array in weights.items() if name != "norm/gamma"})


def test_vectors_hold_the_entries_that_remain_and_arrays_put_them_back():
    model = convolutional()
    mask, weights = half_mask(model), weights_of(model)
    coordinates = LossAtWeights(model, X, Y, mask).coordinates
    vector = coordinates.vector(weights)
    assert vector.tolist() == np.concatenate([weights[name][mask[name]] for name in mask]).tolist()
    for name, array in coordinates.arrays(vector).items():
        np.testing.assert_array_equal(array, np.where(mask[name], weights[name], 0))
    with pytest.raises(ValueError, match="missing"):
        coordinates.vector({})


def test_a_mask_that_leaves_nothing_is_an_error():
    model = convolutional()
    empty = Mask({name: np.zeros(a.shape, bool) for name, a in get_mask(model).items()})
    with pytest.raises(ValueError, match="no weight of conv/kernel, output/kernel remains"):
        LossAtWeights(model, X, Y, empty)
