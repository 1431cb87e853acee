"""The architectures are the papers': layers, shapes and numbers of weights."""

import pytest
import tf_keras as keras

from tf_lottery.models.build import build_model

STANDARD = ((0.0,), (1.0,))


def kernel_shapes(model):
    return {layer.name: tuple(layer.kernel.shape) for layer in weighted_layers(model)}


def kernel_weights(model):
    return sum(layer.kernel.shape.num_elements() for layer in weighted_layers(model))


def weighted_layers(model):
    return [layer for layer in model.layers if hasattr(layer, "kernel")]


@pytest.mark.parametrize("input_shape", [(28, 28, 1), (784,)])
def test_lenet_300_100_has_the_weights_of_the_paper(input_shape):
    model = build_model("lenet_300_100", input_shape, 10, 0, STANDARD)
    assert kernel_shapes(model) == {
        "dense_1": (784, 300),
        "dense_2": (300, 100),
        "output": (100, 10),
    }
    assert kernel_weights(model) == 266_200
    assert model.count_params() == 266_610


def test_other_widths_and_depths_of_lenet():
    model = build_model("lenet_7_6_5_4", (2, 3, 1), 3, 0, STANDARD)
    assert list(kernel_shapes(model).values()) == [(6, 7), (7, 6), (6, 5), (5, 4), (4, 3)]
    assert list(kernel_shapes(model)) == ["dense_1", "dense_2", "dense_3", "dense_4", "output"]


@pytest.mark.parametrize(
    ("name", "filters", "weights"),
    [
        ("conv2", [64, 64], 4_300_992),
        ("conv4", [64, 64, 128, 128], 2_425_024),
        ("conv6", [64, 64, 128, 128, 256, 256], 2_261_184),
    ],
)
def test_convolution_networks_have_the_layers_of_the_paper(name, filters, weights):
    model = build_model(name, (32, 32, 3), 10, 0, STANDARD)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == filters
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert [layer.name for layer in weighted_layers(model)] == [
        *[f"conv_{number}" for number in range(1, len(filters) + 1)],
        "dense_1",
        "dense_2",
        "output",
    ]
    assert [layer.units for layer in weighted_layers(model)[-3:]] == [256, 256, 10]
    side = 32 // 2 ** (len(filters) // 2)
    assert model.get_layer("flatten").input_shape == (None, side, side, filters[-1])
    assert kernel_weights(model) == weights


def test_hidden_layers_are_rectified_and_logits_are_not():
    for name in ("lenet_300_100", "conv6"):
        layers = weighted_layers(build_model(name, (8, 8, 1), 10, 0, STANDARD))
        assert {layer.activation for layer in layers[:-1]} == {keras.activations.relu}
        assert layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize(("name", "smallest"), [("conv2", 2), ("conv4", 4), ("conv6", 8)])
def test_images_too_small_for_the_poolings(name, smallest):
    build_model(name, (smallest, smallest + 1, 1), 10, 0, STANDARD)
    with pytest.raises(
        ValueError, match=rf"--model={name} .*\({smallest - 1}, 32, 1\).*{smallest}"
    ):
        build_model(name, (smallest - 1, 32, 1), 10, 0, STANDARD)


def test_convolutions_need_images():
    with pytest.raises(ValueError, match=r"--model=conv4 .*\(784,\).*flat"):
        build_model("conv4", (784,), 10, 0, STANDARD)
