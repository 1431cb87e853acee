"""ResNets and wide ResNets: layers, shapes and numbers of weights are the papers'."""

import functools
import re
from collections.abc import Callable

import numpy as np
import pytest
import tf_keras as keras


@pytest.fixture(scope="module")
def build(build) -> Callable[..., keras.Model]:
    """Builds each network once; not to be changed."""
    return functools.cache(build)


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def layer_names(model, part):
    return [layer.name for layer in model.layers if part in layer.name]


@pytest.mark.parametrize(
    ("name", "weights", "in_kernels"),
    [
        ("resnet8", 78_042, 77_360),
        pytest.param("cifar_resnet18", 11_173_962, 11_164_352, marks=pytest.mark.slow),
        pytest.param("resnet20", 272_474, 270_896, marks=pytest.mark.slow),
        pytest.param("resnet32", 466_906, 464_432, marks=pytest.mark.slow),
        pytest.param("resnet44", 661_338, 657_968, marks=pytest.mark.slow),
        pytest.param("resnet56", 855_770, 851_504, marks=pytest.mark.slow),
        pytest.param("resnet110", 1_730_714, 1_722_416, marks=pytest.mark.slow),
        pytest.param("resnet20_w2", 1_084_586, 1_081_440, marks=pytest.mark.slow),
        pytest.param("wideresnet_16_8", 10_961_370, 10_954_160, marks=pytest.mark.slow),
        ("wideresnet_10_1", 77_850, 77_360),
        pytest.param("wideresnet_28_10", 36_479_194, 36_461_232, marks=pytest.mark.slow),
    ],
)
def test_weights_of_the_networks_for_cifar(build, kernels, name, weights, in_kernels):
    model = build(name)
    assert trainable(model) == weights
    assert sum(kernel.size for kernel in kernels(model).values()) == in_kernels


@pytest.mark.parametrize(
    ("name", "weights", "in_kernels"),
    [
        pytest.param("squeezenet", 1_248_424, 1_244_448, marks=pytest.mark.slow),
        pytest.param("resnet18", 11_689_512, 11_678_912, marks=pytest.mark.slow),
        pytest.param("resnet34", 21_797_672, 21_779_648, marks=pytest.mark.slow),
        pytest.param("resnet50", 25_557_032, 25_502_912, marks=pytest.mark.slow),
        pytest.param("resnet101", 44_549_160, 44_442_816, marks=pytest.mark.slow),
    ],
)
def test_weights_of_the_networks_for_imagenet(build, kernels, name, weights, in_kernels):
    model = build(name, (224, 224, 3), classes=1000)
    assert trainable(model) == weights
    assert sum(kernel.size for kernel in kernels(model).values()) == in_kernels
    if name != "squeezenet":
        assert model.get_layer("pool").input_shape[1:3] == (7, 7)


def test_filters_of_narrow_networks_are_whole(build):
    widths = {layer.filters for layer in build("resnet14_w0.5").layers if hasattr(layer, "filters")}
    assert widths == {8, 16, 32}
    widths = {layer.filters for layer in build("resnet8_w0.1").layers if hasattr(layer, "filters")}
    assert widths == {2, 4, 8}


def test_blocks_of_resnet20(build):
    model = build("resnet20")
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert not any(layer.use_bias for layer in convolutions)
    assert [layer.name for layer in convolutions[:4]] == [
        "stem",
        "stage1_block1_conv1",
        "stage1_block1_conv2",
        "stage1_block2_conv1",
    ]
    # Where the shape changes, and only there, a projection; its stride is the block's.
    assert sorted(
        (layer.name, layer.kernel_size, layer.strides, layer.filters)
        for layer in convolutions
        if layer.strides != (1, 1) or layer.kernel_size != (3, 3)
    ) == [
        ("stage2_block1_conv1", (3, 3), (2, 2), 32),
        ("stage2_block1_shortcut", (1, 1), (2, 2), 32),
        ("stage3_block1_conv1", (3, 3), (2, 2), 64),
        ("stage3_block1_shortcut", (1, 1), (2, 2), 64),
    ]
    sizes = [model.get_layer(f"stage{stage}_block3_relu").output_shape for stage in (1, 2, 3)]
    assert sizes == [(None, 32, 32, 16), (None, 16, 16, 32), (None, 8, 8, 64)]


def test_a_block_adds_its_input(build, pixels):
    model = build("resnet20")
    inside = ["stage1_block1_relu", "stage1_block2_conv2_bn", "stage1_block2_relu"]
    outputs = [model.get_layer(name).output for name in inside]
    shortcut, residual, block = keras.Model(model.input, outputs)(pixels((32, 32, 3)))
    np.testing.assert_array_equal(block, np.maximum(shortcut + residual, 0))


@pytest.mark.parametrize(
    ("name", "side", "blocks"),
    [
        pytest.param("resnet32", 8, (5, 5, 5), marks=pytest.mark.slow),
        ("wideresnet_16_1", 8, (2, 2, 2)),
        pytest.param("resnet18", 64, (2, 2, 2, 2), marks=pytest.mark.slow),
        pytest.param("resnet50", 64, (3, 4, 6, 3), marks=pytest.mark.slow),
    ],
)
def test_blocks_of_every_stage(build, name, side, blocks):
    adds = layer_names(build(name, (side, side, 3)), "_add")
    stages = [int(re.fullmatch(r"stage(\d)_block\d_add", add).group(1)) for add in adds]
    assert tuple(stages.count(stage) for stage in sorted(set(stages))) == blocks


@pytest.mark.slow
def test_the_stride_of_a_bottleneck_is_on_its_3x3_convolution(build):
    model = build("resnet50", (64, 64, 3))
    for stage, filters in ((2, 128), (3, 256), (4, 512)):
        block = [model.get_layer(f"stage{stage}_block1_conv{number}") for number in (1, 2, 3)]
        assert [layer.kernel_size[0] for layer in block] == [1, 3, 1]
        assert [layer.strides[0] for layer in block] == [1, 2, 1]
        assert [layer.filters for layer in block] == [filters, filters, 4 * filters]
    # The first stage widens without a stride, so it has a projection as well.
    assert layer_names(model, "shortcut")[::2] == [
        f"stage{stage}_block1_shortcut" for stage in (1, 2, 3, 4)
    ]
    assert model.get_layer("stage1_block1_shortcut").strides == (1, 1)


def test_the_stem_for_imagenet(build):
    model = build("resnet18", (64, 64, 3))
    assert model.get_layer("stem").kernel_size == (7, 7)
    assert model.get_layer("stem").output_shape == (None, 32, 32, 64)
    assert model.get_layer("stem_pool").output_shape == (None, 16, 16, 64)


def test_wide_networks_normalize_before_they_convolve(build, pixels):
    model = build("wideresnet_10_2")
    for convolution in ("stage1_block1_conv1", "stage2_block1_conv2", "stage2_block1_shortcut"):
        before = model.get_layer(convolution).input.node.layer
        assert isinstance(before, keras.layers.ReLU)
        assert isinstance(before.input.node.layer, keras.layers.BatchNormalization)
    assert [model.get_layer(f"stage{stage}_block1_conv1").filters for stage in (1, 2, 3)] == [
        32,
        64,
        128,
    ]
    # The stem has 16 filters at any width, so at 2 the first block needs a projection, at 1 not.
    assert len(layer_names(model, "shortcut")) == 3
    assert len(layer_names(build("wideresnet_10_1"), "shortcut")) == 2
    # A shortcut without projection is the input itself, not what the normalization made of it.
    model = build("wideresnet_16_1")
    inside = ["stage1_block1_add", "stage1_block2_conv2", "stage1_block2_add"]
    outputs = [model.get_layer(name).output for name in inside]
    shortcut, residual, block = keras.Model(model.input, outputs)(pixels((32, 32, 3)))
    np.testing.assert_array_equal(block, shortcut + residual)


@pytest.mark.parametrize("depth", [9, 17, 27, 4])
def test_depths_that_wide_networks_do_not_have(build, depth):
    with pytest.raises(ValueError, match=rf"--model=wideresnet_{depth}_2 .*D = 10, 16, 22"):
        build(f"wideresnet_{depth}_2")


def test_batch_normalization(build):
    layers = [
        layer
        for name in ("resnet20", "wideresnet_10_1")
        for layer in build(name).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(layers) == (1 + 18 + 2) + (6 + 1)
    assert {(layer.momentum, layer.epsilon) for layer in layers} == {(0.9, 1e-5)}


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "wideresnet_10_1"])
def test_flat_features_are_refused(build, name):
    with pytest.raises(ValueError, match=rf"--model={name} .*\(784,\).*flat"):
        build(name, (784,))
