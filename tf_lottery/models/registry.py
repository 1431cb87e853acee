"""Models by name: every architecture registers itself with the name, or names, it goes by."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.machine import available_memory, bytes_text
from tf_lottery.model_names import ModelNames, names, unknown_name
from tf_lottery.models.assembly import Blueprint, Variant, assemble, draw
from tf_lottery.models.images import UnsuitableInputError


@dataclasses.dataclass(frozen=True)
class _Family:
    names: ModelNames
    architecture: Callable[..., tf.Tensor]


_FAMILIES: list[_Family] = []


def register(
    pattern: str,
    *,
    examples: Sequence[str] = (),
    shown: Sequence[str] = (),
    spelled: Sequence[str] = (),
) -> Callable[[Callable], Callable]:
    """Registers an architecture under its name.

    The decorated function maps `(inputs, classes, *groups)` to logits `[batch, classes]`, in plain
    Keras: `inputs` are standardised pixels, a `keras.Input`; `classes` is the number of logits;
    `groups` are the texts that the pattern's groups matched, None for a group left out. How
    kernels are drawn and batches normalized, and in which dtypes, is not its concern. It gives
    layers names that tell where they are, since masks are stored by them, and raises
    `UnsuitableInputError` for inputs of a shape that it cannot take.

    Args:
      pattern: The name, or a regular expression for the names of a whole family.
      examples: Names of the family that can be built, the cheapest first; for a plain name, the
        name itself.
      shown: What lists of models show; by default the examples.
      spelled: Names that are suggested in place of a similar unknown one; by default the examples.

    Returns:
      The decorator.
    """

    def add(architecture: Callable) -> Callable:
        _FAMILIES.append(_Family(names(pattern, examples, shown, spelled), architecture))
        return architecture

    return add


def model_names() -> list[str]:
    """Returns what `--model` accepts, for people: names, and patterns such as "lenet_N_M_…"."""
    return sorted(itertools.chain.from_iterable(family.names.shown for family in _FAMILIES))


def example_models() -> list[str]:
    """Returns names that `build_model` accepts, at least one of every registered architecture."""
    return sorted(itertools.chain.from_iterable(family.names.examples for family in _FAMILIES))


def cheapest_models() -> list[str]:
    """Returns the first example of every registered architecture, its cheapest to train."""
    return sorted(family.names.examples[0] for family in _FAMILIES)


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
    *,
    initializer: str = "glorot_normal",
    batch_norm: str = "per_replica",
    dtype_policy: str = "float32",
) -> keras.Model:
    """Builds a model that maps raw pixels to logits.

    Its first layer, "normalization", standardises the pixels. The weights depend on the
    architecture, `init_seed` and `initializer` alone: the same in every process and under every
    strategy.

    Args:
      name: A registered name, such as "lenet_300_100" or "resnet20"; also the model's Keras name.
      input_shape: Shape of one example, `(height, width, channels)` or `(features,)`.
      classes: Number of logits, at least 2.
      init_seed: Seed of the initial weights, at least 0.
      normalization: Mean and variance of the pixels, one value for all or one per channel.
      initializer: Distribution of the kernels: "glorot_normal", "glorot_uniform" (Glorot and
        Bengio, 2010), "he_normal" or "he_uniform" (arXiv:1502.01852).
      batch_norm: In training, normalize with the statistics of each replica's batch,
        "per_replica", or of all replicas' batches, "synchronized".
      dtype_policy: In which dtypes the network computes: "float32", "mixed_bfloat16" or
        "mixed_float16". Weights, standardised pixels and logits are float32 with each.

    Returns:
      A functional model, not compiled, that maps `[batch, *input_shape]` to
      `[batch, classes]`.

    Raises:
      ValueError: If the name is unknown, or if an argument does not fit the model.
    """
    blueprint = draw_model(name, input_shape, classes)
    check_weights_fit(name, tuple(input_shape), blueprint.weights)
    variant = Variant(init_seed, initializer, batch_norm, dtype_policy)
    mean, variance = _checked_normalization(normalization, input_shape[-1])
    standardise = keras.layers.Normalization(
        axis=-1, mean=mean, variance=variance, dtype="float32", name="normalization"
    )
    return assemble(name, blueprint, tuple(input_shape), standardise, variant)


def draw_model(name: str, input_shape: tuple[int, ...], classes: int) -> Blueprint:
    """Draws a model without building it, so that its size can be judged.

    Args:
      name: A name as given to `--model`.
      input_shape: Shape of one example.
      classes: Number of logits.

    Raises:
      ValueError: If the name is unknown, or if an argument does not fit the model.
    """
    _check_arguments(input_shape, classes)
    return _draw(name, tuple(input_shape), classes)


# Branches and analyses build the network of a run again and again.
@functools.lru_cache(maxsize=2)
def _draw(name: str, input_shape: tuple[int, ...], classes: int) -> Blueprint:
    family, groups = _family_of(name)
    try:
        return draw(lambda inputs: family.architecture(inputs, classes, *groups), input_shape)
    except UnsuitableInputError as error:
        raise ValueError(
            f"--model={name} does not fit images of shape {input_shape}: {error}"
        ) from error
    except (OverflowError, tf.errors.OpError) as error:
        # TensorFlow counts the values of an array in 64 bits.
        raise ValueError(
            f"--model={name} on inputs of shape {input_shape} has more weights than can be "
            "counted. Use a smaller network or smaller images."
        ) from error


def check_weights_fit(name: str, input_shape: tuple[int, ...], weights: int) -> None:
    """Refuses a network of which the weights and their masks alone would fill the memory.

    Args:
      name: Of the model.
      input_shape: Shape of one example.
      weights: Number of its weights.

    Raises:
      ValueError: If they do not fit; names the network.
    """
    needed, available = 2 * 4 * weights, available_memory()
    if needed > available:
        raise ValueError(
            f"--model={name} has {weights:,} weights on inputs of shape {input_shape}, which take "
            f"{bytes_text(needed)} of memory with their masks; {bytes_text(available)} are free. "
            "Use a smaller network or smaller images."
        )


def _family_of(name: str) -> tuple[_Family, tuple[str | None, ...]]:
    for family in _FAMILIES:
        if (groups := family.names.match(name)) is not None:
            return family, groups
    raise unknown_name(name, [family.names for family in _FAMILIES])


def _check_arguments(input_shape: tuple[int, ...], classes: int) -> None:
    if len(input_shape) not in (1, 3) or any(size < 1 for size in input_shape):
        raise ValueError(
            f"input_shape={input_shape} must be (height, width, channels) or (features,), each at "
            "least 1."
        )
    if classes < 2:
        raise ValueError(f"classes={classes} must be at least 2.")


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
