"""Models by name: every architecture registers itself with the name, or names, it goes by."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras


@dataclasses.dataclass(frozen=True)
class _Family:
    pattern: str
    shown: tuple[str, ...]
    examples: tuple[str, ...]
    architecture: Callable[..., tf.Tensor]


_FAMILIES: list[_Family] = []


def register(
    pattern: str, *, examples: Sequence[str] = (), shown: Sequence[str] = ()
) -> Callable[[Callable], Callable]:
    """Registers an architecture under its name.

    The decorated function maps `(inputs, classes, kernels, *groups)` to logits `[batch, classes]`:
    `inputs` are standardised pixels, a symbolic tensor; `classes` is the number of logits;
    `kernels` yields the initializer of each kernel in turn, to be taken with `next(kernels)`;
    `groups` are the texts that the pattern's groups matched.

    Args:
      pattern: The name, or a regular expression for the names of a whole family.
      examples: Names of the family that can be built; for a plain name, the name itself.
      shown: What lists of models show; by default the examples.

    Returns:
      The decorator.
    """

    def add(architecture: Callable) -> Callable:
        buildable = tuple(examples) or (pattern,)
        _FAMILIES.append(_Family(pattern, tuple(shown) or buildable, buildable, architecture))
        return architecture

    return add


def model_names() -> list[str]:
    """Returns what `--model` accepts, for people: names, and patterns such as "lenet_N_M_…"."""
    return sorted(itertools.chain.from_iterable(family.shown for family in _FAMILIES))


def example_models() -> list[str]:
    """Returns names that `build_model` accepts, at least one of every registered architecture."""
    return sorted(itertools.chain.from_iterable(family.examples for family in _FAMILIES))


def check_model_name(name: str) -> None:
    """Checks that `build_model` knows a name.

    Args:
      name: A name as given to `--model`.

    Raises:
      ValueError: If the name is unknown; says which are known.
    """
    _family_of(name)


def build_model(
    name: str,
    input_shape: tuple[int, ...],
    classes: int,
    init_seed: int,
    normalization: tuple[Sequence[float], Sequence[float]],
) -> keras.Model:
    """Builds a model that maps raw pixels to logits.

    Its first layer, "normalization", standardises the pixels. The weights depend on the
    architecture and `init_seed` alone: the same in every process and under every strategy.

    Args:
      name: A registered name, such as "lenet_300_100" or "conv2"; also the model's Keras name.
      input_shape: Shape of one example, `(height, width, channels)` or `(features,)`.
      classes: Number of logits, at least 2.
      init_seed: Seed of the initial weights, at least 0.
      normalization: Mean and variance of the pixels, one value for all or one per channel.

    Returns:
      A functional model, not compiled, that maps `[batch, *input_shape]` to
      `[batch, classes]`.

    Raises:
      ValueError: If the name is unknown, or if an argument does not fit the model.
    """
    family, groups = _family_of(name)
    _check_arguments(input_shape, classes, init_seed)
    mean, variance = _checked_normalization(normalization, input_shape[-1])
    inputs = keras.Input(shape=input_shape, dtype="float32", name="images")
    standardised = keras.layers.Normalization(
        axis=-1, mean=mean, variance=variance, name="normalization"
    )(inputs)
    try:
        logits = family.architecture(standardised, classes, _glorot_normal(init_seed), *groups)
    except UnsuitableInputError as error:
        raise ValueError(
            f"--model={name} does not fit images of shape {input_shape}: {error}"
        ) from error
    return keras.Model(inputs, logits, name=name)


class UnsuitableInputError(Exception):
    """Raised by an architecture whose inputs are of a shape that it cannot take."""


def _family_of(name: str) -> tuple[_Family, tuple[str, ...]]:
    for family in _FAMILIES:
        if match := re.fullmatch(family.pattern, name):
            return family, match.groups()
    close = difflib.get_close_matches(name, example_models())
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    raise ValueError(
        f"--model={name} is not a known model.{meant} Known are: {', '.join(model_names())}."
    )


def _glorot_normal(init_seed: int) -> Iterator[keras.initializers.Initializer]:
    """Yields each layer's initializer, seeded from `(init_seed, layer index)`."""
    for index in itertools.count():
        state = np.random.SeedSequence([init_seed, index]).generate_state(1)
        # TensorFlow takes seeds as signed 32-bit numbers.
        yield keras.initializers.GlorotNormal(seed=int(state[0]) >> 1)


def _check_arguments(input_shape: tuple[int, ...], classes: int, init_seed: int) -> None:
    if len(input_shape) not in (1, 3) or any(size < 1 for size in input_shape):
        raise ValueError(
            f"input_shape={input_shape} must be (height, width, channels) or (features,), each at "
            "least 1."
        )
    if classes < 2:
        raise ValueError(f"classes={classes} must be at least 2.")
    if init_seed < 0:
        raise ValueError(f"--init_seed={init_seed} must be at least 0.")


def _checked_normalization(
    normalization: tuple[Sequence[float], Sequence[float]], channels: int
) -> tuple[list[float], list[float]]:
    mean, variance = (np.ravel(values).astype(float).tolist() for values in normalization)
    if len(mean) not in (1, channels) or len(variance) != len(mean):
        raise ValueError(
            f"normalization has {len(mean)} means and {len(variance)} variances: 1 or {channels} "
            "(one per channel) of each are needed."
        )
    if not all(map(math.isfinite, mean)) or not all(0 <= value < math.inf for value in variance):
        raise ValueError(
            f"normalization={normalization}: means must be finite, variances finite and at least 0."
        )
    return mean, variance
