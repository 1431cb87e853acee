"""What tests of several families share."""

from collections.abc import Callable

import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.models.build import build_model


@pytest.fixture(scope="session")
def build() -> Callable[..., keras.Model]:
    """Builds a model by name; pixels are standardised with mean 127 and variance 4000."""

    def build(
        name: str, shape: tuple[int, ...] = (32, 32, 3), classes: int = 10, seed: int = 0, **options
    ) -> keras.Model:
        return build_model(name, shape, classes, seed, ((127.0,), (4000.0,)), **options)

    return build


@pytest.fixture(scope="session")
def kernels() -> Callable[[keras.Model], dict[str, np.ndarray]]:
    """Finds the kernels of a flat model, of depthwise convolutions too, by name of the variable."""

    def kernels(model: keras.Model) -> dict[str, np.ndarray]:
        return {weight.name: weight.numpy() for weight in model.weights if "kernel" in weight.name}

    return kernels


@pytest.fixture(scope="session")
def pixels() -> Callable[..., np.ndarray]:
    """Draws a few images."""

    def pixels(shape: tuple[int, ...], number: int = 3) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (number, *shape)).astype(np.float32)

    return pixels
