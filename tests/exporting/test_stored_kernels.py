"""Which kernels of a TensorFlow Lite file are computed sparse."""

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from tf_lottery.exporting.formats import known_formats
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork
from tf_lottery.exporting.stored_kernels import (
    Storage,
    StoredKernel,
    kernels_in_words,
    stored_kernels,
)

FORMATS = known_formats()


def kernels(*storages: Storage) -> list[StoredKernel]:
    return [StoredKernel("kernel", (3, 4), storage) for storage in storages]


@pytest.mark.slow
def test_only_kernels_in_blocks_are_computed_sparse(tmp_path):
    keras.utils.set_random_seed(1)
    generator = np.random.default_rng(0)
    scattered = [generator.random((64, 64)) < density for density in (0.02, 0.2)]
    in_blocks = np.repeat(generator.random((16, 64)) < 0.3, 4, axis=0)
    masks = [*scattered, in_blocks, np.ones((64, 24)), np.zeros((24, 8))]
    layers = [keras.layers.Dense(mask.shape[1], "relu") for mask in masks]
    convolutions = [keras.layers.Conv2D(16, 2), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((3, 3, 4)), *convolutions, *layers])
    for layer, mask in zip(layers, masks, strict=True):
        layer.kernel.assign(layer.kernel.numpy() * mask)
    convolution = convolutions[0].kernel
    convolution.assign(convolution.numpy() * (generator.random(convolution.shape) < 0.02))
    network = ExportedNetwork(PlainNetwork(model), tmp_path)
    path = tmp_path / "model_sparse.tflite"
    FORMATS["tflite_sparse"].write(network, path)
    found = [(kernel.shape, kernel.storage) for kernel in stored_kernels(path)]
    assert found == [
        ((16, 2, 2, 4), Storage.UNPACKED),
        ((64, 64), Storage.COMPUTED_SPARSE),
        ((64, 64), Storage.UNPACKED),
        ((64, 64), Storage.COMPUTED_SPARSE),
        ((24, 64), Storage.DENSE),
        ((8, 24), Storage.COMPUTED_SPARSE),
    ]
    details = Interpreter(str(path)).get_tensor_details()
    block_maps = [
        (tuple(tensor["shape"]), len(tensor["sparsity_parameters"]["block_map"]) > 0)
        for tensor in details
        if tensor["sparsity_parameters"]
    ]
    assert sorted(block_maps) == sorted(
        (shape, storage is Storage.COMPUTED_SPARSE)
        for shape, storage in found
        if storage is not Storage.DENSE
    )


@pytest.mark.parametrize(
    ("storages", "words"),
    [
        ([], None),
        ([Storage.DENSE], None),
        (
            [Storage.COMPUTED_SPARSE, Storage.UNPACKED, Storage.COMPUTED_SPARSE],
            "2 of 3 kernels are computed sparse, 1 is unpacked when loaded",
        ),
        (
            [Storage.DENSE, Storage.COMPUTED_SPARSE, Storage.DENSE],
            "1 of 3 kernels is computed sparse, 2 are stored dense",
        ),
        ([Storage.UNPACKED] * 2, "0 of 2 kernels are computed sparse, 2 are unpacked when loaded"),
    ],
)
def test_counts_in_words(storages, words):
    assert kernels_in_words(kernels(*storages)) == words
