"""VGG networks with batch normalization."""

import numpy as np
import pytest
import tf_keras as keras


@pytest.mark.parametrize(
    ("name", "filters", "weights"),
    [
        ("vgg11_w0.1", "6 p 12 p 24 24 p 48 48 p 48 48", 82_168),
        ("vgg11", "64 p 128 p 256 256 p 512 512 p 512 512", 9_228_362),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("vgg13", "64 64 p 128 128 p 256 256 p 512 512 p 512 512", 9_413_066),
                ("vgg16", "64 64 p 128 128 p 256 256 256 p 512 512 512 p 512 512 512", 14_724_042),
                ("vgg19", "64 64 p 128 128 p 256*4 p 512*4 p 512*4", 20_035_018),
            )
        ),
    ],
)
def test_layers_and_weights(build, name, filters, weights):
    model = build(name)
    kinds = (keras.layers.Conv2D, keras.layers.MaxPooling2D)
    layers = [layer for layer in model.layers if isinstance(layer, kinds)]
    found = " ".join(str(getattr(layer, "filters", "p")) for layer in layers)
    assert found == filters.replace("256*4", "256 256 256 256").replace("512*4", "512 512 512 512")
    assert not any(getattr(layer, "use_bias", False) for layer in layers)
    assert {getattr(layer, "kernel_size", (3, 3)) for layer in layers} == {(3, 3)}
    assert [layer.name for layer in model.layers[-2:]] == ["pool", "output"]
    last = int(filters.replace("*4", "").split()[-1])
    assert model.get_layer("pool").input_shape == (None, 2, 2, last)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == weights


def test_every_convolution_is_normalized_and_rectified(build):
    model = build("vgg11")
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            (norm,) = (node.layer for node in layer.outbound_nodes)
            assert isinstance(norm, keras.layers.BatchNormalization)
            (rectifier,) = (node.layer for node in norm.outbound_nodes)
            assert isinstance(rectifier, keras.layers.ReLU)
            assert (norm.name, rectifier.name) == (f"{layer.name}_bn", f"{layer.name}_relu")
            assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)


def test_images_too_small_for_the_poolings(build):
    build("vgg11", (16, 17, 1))
    with pytest.raises(ValueError, match=r"--model=vgg11 .*\(15, 32, 1\).*4 times.*16"):
        build("vgg11", (15, 32, 1))
    with pytest.raises(ValueError, match=r"--model=vgg11 .*\(784,\).*flat"):
        build("vgg11", (784,))
