"""Tickets in PyTorch's layout: there and back without a trace, and equal outputs there."""

import numpy as np
import pytest

import tf_lottery
from tests.either_keras import TF_KERAS_FAST
from tf_lottery.exporting.torch_ticket import TorchTicket, from_torch, to_torch
from tf_lottery.masking.layers import keras_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask
from tf_lottery.models.build import build_model

RANDOM = np.random.default_rng(5)


def of_all_kinds(keras):
    """A network with a layer of each kind, the features of two flattened in other orders."""
    layers = keras.layers
    pixels = keras.Input((6, 8, 4))
    features = layers.Conv2D(6, 3, padding="same", groups=2, name="conv")(pixels)
    features = layers.BatchNormalization(name="bn")(features)
    features = layers.DepthwiseConv2D(3, depth_multiplier=2, name="deep")(features)
    features = layers.SeparableConv2D(5, (3, 1), name="separable")(features)
    features = layers.Conv2DTranspose(3, 2, use_bias=False, name="up")(features)
    features = layers.LayerNormalization(name="ln")(features)
    features = layers.Flatten(name="flat")(layers.ReLU(name="relu")(features))
    features = layers.BatchNormalization(scale=False, name="flat_bn")(features)
    hidden = layers.Dense(7, name="hidden")(layers.Dropout(0.5, name="drop")(features))
    return keras.Model(pixels, layers.Dense(4, name="output")(hidden))


def sparse(model):
    """The model, prunable, with random weights of which about half are pruned."""
    model = prunable(model)
    for variable in keras_variables(model).values():
        variable.assign(RANDOM.uniform(0.5, 1.5, variable.shape))
    kept = {name: RANDOM.random(mask.shape) < 0.5 for name, mask in get_mask(model).items()}
    set_mask(model, Mask(kept))
    return model


def arrays(model):
    return {name: np.array(value) for name, value in keras_variables(model).items()}


@TF_KERAS_FAST
@pytest.mark.parametrize("suffix", [pytest.param(".npz", marks=pytest.mark.slow), ".safetensors"])
def test_there_and_back_through_a_file(keras, suffix, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = sparse(of_all_kinds(keras))
    to_torch(model).save(tmp_path / f"ticket{suffix}")
    ticket = TorchTicket.load(tmp_path / f"ticket{suffix}")
    other = sparse(of_all_kinds(keras))
    from_torch(other, ticket)
    assert get_mask(other) == get_mask(model)
    for name, value in arrays(model).items():
        np.testing.assert_array_equal(arrays(other)[name], value, err_msg=name)
    assert ticket.weights["conv.weight"].shape == (6, 2, 3, 3)
    assert ticket.weights["deep.weight"].shape == (12, 1, 3, 3)
    assert ticket.weights["up.weight"].shape == (5, 3, 2, 2)
    assert ticket.masks["separable.pointwise.weight"].shape == (5, 12, 1, 1)
    assert ticket.weights["flat_bn.running_mean"].shape == (3 * 3 * 7,)


@TF_KERAS_FAST
def test_features_behind_a_flatten_are_in_the_order_of_pytorch(keras):
    pixels = keras.Input((3, 4, 2))
    flat = keras.layers.Flatten()(pixels)
    model = keras.Model(pixels, keras.layers.Dense(5, name="dense")(flat))
    ticket = to_torch(model)
    images = RANDOM.random((6, 3, 4, 2)).astype(np.float32)
    channels_first = images.transpose(0, 3, 1, 2).reshape(6, -1)
    outputs = channels_first @ ticket.weights["dense.weight"].T + ticket.weights["dense.bias"]
    np.testing.assert_allclose(outputs, model(images), atol=1e-6)


@pytest.mark.slow
def test_ticket_of_a_run_with_its_pixels(tmp_path):
    flags = {"workdir": str(tmp_path), "name": "r", "train_steps": "20it", "levels": 1}
    config = tf_lottery.config_from_values({**flags, "model": "lenet_8"})
    tf_lottery.run_experiment(config)
    ticket = tf_lottery.to_torch(config.run_path, 1)
    mask = get_mask(tf_lottery.load_ticket(config.run_path, 1))
    assert set(ticket.masks) == {"dense_1.weight", "output.weight"}
    assert sum(kept.sum() for kept in ticket.masks.values()) == mask.remaining
    assert (
        np.count_nonzero(ticket.weights["dense_1.weight"]) <= ticket.masks["dense_1.weight"].sum()
    )
    mean, deviation = ticket.pixels
    assert mean.shape == deviation.shape == (1,)


def refusals(keras):
    layers = keras.layers
    pixels = keras.Input((3, 4, 2))
    recurrent = keras.Sequential([keras.Input((3, 4)), layers.LSTM(2, name="lstm")])
    flat = layers.Flatten()(pixels)
    joined = layers.Concatenate(name="both")([flat, layers.GlobalMaxPooling2D()(pixels)])
    mixed = keras.Model(pixels, layers.Dense(2)(joined))
    twice = layers.Dense(24, name="twice")
    shared = keras.Model(pixels, twice(twice(flat)))
    within = layers.Normalization(mean=0.0, variance=1.0, name="inner")(layers.ReLU()(pixels))
    standardised = keras.Model(pixels, layers.Conv2D(2, 1)(within))
    return [
        (recurrent, r"lstm.* is a LSTM.*not known how PyTorch"),
        (mixed, r"both takes features that a Flatten gives; .* behind a Concatenate of them"),
        (shared, r"twice is called several times, with features"),
        (standardised, r"inner standardises within the network"),
    ]


@TF_KERAS_FAST
def test_models_in_models_and_layers_that_are_called_twice(keras):
    pixels = keras.Input((3, 4, 2))
    inner = [keras.layers.Flatten(), keras.layers.Dense(5, name="dense")]
    hidden = keras.Sequential([keras.Input((3, 4, 2)), *inner], name="block")(pixels)
    again = keras.layers.Dense(5, name="again")
    model = sparse(keras.Model(pixels, again(again(hidden))))
    ticket = to_torch(model)
    assert set(ticket.masks) == {"block.dense.weight", "again.weight"}
    images = RANDOM.random((6, 3, 4, 2)).astype(np.float32)
    outputs = images.transpose(0, 3, 1, 2).reshape(6, -1)
    for name in ("block.dense", "again", "again"):
        outputs = outputs @ ticket.weights[f"{name}.weight"].T + ticket.weights[f"{name}.bias"]
    np.testing.assert_allclose(outputs, model(images), rtol=1e-5)


@TF_KERAS_FAST
def test_layers_that_are_not_known_are_named(keras):
    for model, message in refusals(keras):
        with pytest.raises(ValueError, match=message):
            to_torch(model)


def test_a_ticket_of_another_network_is_refused():
    model = build_model("lenet_8", (4, 4, 1), 3, 0, ((0.0,), (1.0,)))
    with pytest.raises(ValueError, match="weights='rewind': it is for run folders"):
        to_torch(model, weights="rewind")
    with pytest.raises(ValueError, match="ticket=None: use a mapping"):
        from_torch(model, None)
    ticket = to_torch(sparse(model))
    with pytest.raises(ValueError, match=r"mask of dense_1.weight, and lenet_8 none"):
        from_torch(model, ticket)
    wider = prunable(build_model("lenet_9", (4, 4, 1), 3, 0, ((0.0,), (1.0,))))
    before = arrays(wider)
    with pytest.raises(ValueError, match=r"dense_1.weight has shape \(8, 16\) .*\(9, 16\)"):
        from_torch(wider, ticket)
    deeper = prunable(build_model("lenet_8_5", (4, 4, 1), 3, 0, ((0.0,), (1.0,))))
    with pytest.raises(ValueError, match=r"lacks dense_2.bias, dense_2.weight"):
        from_torch(deeper, ticket)
    assert all(np.array_equal(value, before[name]) for name, value in arrays(wider).items())


def test_files_that_are_none(tmp_path):
    ticket = TorchTicket({}, {})
    with pytest.raises(ValueError, match=r"ticket.pt.*has to end in .safetensors or .npz"):
        ticket.save(tmp_path / "ticket.pt")
    with pytest.raises(ValueError, match="there is no such file"):
        TorchTicket.load(tmp_path / "none.npz")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"torn.npz is damaged"):
        TorchTicket.load(tmp_path / "torn.npz")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet_300_100", "conv4", "resnet20"])
def test_equal_outputs_in_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from tests.exporting import torch_networks

    statistics = ((120.0, 110.0, 100.0), (4000.0, 3500.0, 3000.0))
    model = sparse(build_model(name, (32, 32, 3), 10, 0, statistics))
    for key, variable in keras_variables(model).items():
        if not key.endswith(("gamma", "variance")):
            variable.assign(variable * RANDOM.normal(0, 0.1, variable.shape))
    ticket = to_torch(model)
    network = torch_networks.NETWORKS[name]()
    tensors = {key: torch.from_numpy(np.array(array)) for key, array in ticket.weights.items()}
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)
    images = RANDOM.integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
    mean, deviation = ticket.pixels
    given = ((images - mean) / deviation).transpose(0, 3, 1, 2)
    with torch.no_grad():
        outputs = network.eval()(torch.from_numpy(given)).numpy()
    expected = np.asarray(model(images))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    # And back, into a network of other weights.
    other = sparse(build_model(name, (32, 32, 3), 10, 1, statistics))
    from_torch(other, TorchTicket(network.state_dict(), ticket.masks))
    np.testing.assert_array_equal(np.asarray(other(images)), expected)


def flattened(keras):
    """By what is flattened: a model, its inputs, and what PyTorch has in front of its `output`."""
    layers = keras.layers
    floats = RANDOM.random((5, 4, 6, 2)).astype(np.float32)
    sequences, words = floats[..., 0], RANDOM.integers(0, 9, (5, 4))
    channels_first = floats.transpose(0, 3, 1, 2)
    yield "matrices", [layers.Flatten()], sequences, lambda t: sequences
    yield (
        "embedded words",
        [layers.Embedding(9, 7, name="table"), layers.Flatten()],
        *(words, lambda t: t["table.weight"][words]),
    )
    yield (
        "positions of sequences",
        [layers.Dense(8, name="each"), layers.Flatten()],
        *(sequences, lambda t: sequences @ t["each.weight"].T + t["each.bias"]),
    )
    yield (
        "images that are reshaped",
        [layers.ReLU(), layers.Reshape((48,))],
        *(floats, lambda t: channels_first),
    )
    yield (
        "images with their channels first",
        [layers.BatchNormalization(axis=1, epsilon=0.0), layers.Flatten()],
        *(channels_first, lambda t: channels_first),
    )
    yield (
        "images with their channels first, which Keras moves",
        [layers.Flatten(data_format="channels_first")],
        *(channels_first, lambda t: channels_first),
    )
    yield (
        "pooled sequences",
        [layers.AveragePooling1D(1), layers.Flatten()],
        *(sequences, lambda t: sequences.transpose(0, 2, 1)),
    )


@TF_KERAS_FAST
def test_only_what_pytorch_has_with_channels_first_is_flattened_so(keras):
    for name, layers, inputs, features_of in flattened(keras):
        pixels = keras.Input(inputs.shape[1:], dtype=inputs.dtype.name)
        output = keras.layers.Dense(3, name="output")
        model = keras.Sequential([pixels, *layers, output])
        weights = to_torch(model).weights
        flat = features_of(weights).reshape(5, -1)
        outputs = flat @ weights["output.weight"].T + weights["output.bias"]
        np.testing.assert_allclose(outputs, model(inputs), atol=1e-5, err_msg=name)


@TF_KERAS_FAST
def test_images_that_are_made_of_features_are_refused(keras):
    generator = [keras.Input((5,)), keras.layers.Dense(24), keras.layers.Reshape((3, 4, 2))]
    with pytest.raises(ValueError, match=r"makes \(3, 4, 2\) of \(24,\), in which PyTorch"):
        to_torch(keras.Sequential(generator))
    pooled = [keras.Input((5,)), keras.layers.Dense(24), keras.layers.Reshape((1, 1, 24))]
    assert to_torch(keras.Sequential(pooled)).weights
