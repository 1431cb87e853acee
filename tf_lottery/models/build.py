"""Builds models by name."""

import functools
import hashlib
import json
import math
import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.network import BatchNorm, BatchNormInit, Initializer
from tf_lottery.models.assembly import Blueprint, NetworkOptions, assemble, draw
from tf_lottery.models.images import UnsuitableInputError
from tf_lottery.models.initial_weights import UnseededWeightsError
from tf_lottery.models.operator_names import earlier_names
from tf_lottery.models.own_networks import check_logits, errors_named, is_own
from tf_lottery.models.registry import check_model_name, find_family
from tf_lottery.store.machine import available_memory, bytes_text


def build_model(
    name: str,
    input_shape: tuple[int, ...],
    classes: int,
    init_seed: int,
    normalization: tuple[Sequence[float], Sequence[float]],
    *,
    initializer: Initializer = "glorot_normal",
    init_stddev: float | None = None,
    batch_norm: BatchNorm = "per_replica",
    batch_norm_init: BatchNormInit = "ones",
    dropout: float = 0.0,
    dtype_policy: str = "float32",
) -> keras.Model:
    """Builds a model that maps raw pixels to logits.

    Its first layer, "normalization", standardises the pixels. The weights depend on the
    architecture, `init_seed` and `initializer` alone: the same in every process and under every
    strategy.

    Args:
      name: a registered name, such as "lenet_300_100" or "resnet20", or MODULE:FUNCTION; also the
        model's Keras name, MODULE.FUNCTION.
      input_shape: shape of one example, `(height, width, channels)` or `(features,)`.
      classes: number of logits, at least 2.
      init_seed: seed of the initial weights, at least 0.
      normalization: mean and variance of the pixels, one value for all or one per channel.
      initializer: distribution of the kernels: "glorot_normal", "glorot_uniform" (Glorot and
        Bengio, 2010), "he_normal" or "he_uniform" (arXiv 1502.01852), or "normal".
      init_stddev: standard deviation of "normal".
      batch_norm: in training, normalize with the statistics of each replica's batch,
        "per_replica", or of all replicas' batches, "synchronized".
      batch_norm_init: initial scales of batch normalization: "ones", or "uniform" for draws between
        0 and 1.
      dropout: share of the units of each hidden Dense layer that are left out of a training step,
        of models that have a place for it.
      dtype_policy: in which dtypes the network computes: "float32", "mixed_bfloat16" or
        "mixed_float16". Weights, standardised pixels and logits are float32 with each.

    Returns:
      A functional model, not compiled, that maps `[batch, *input_shape]` to
      `[batch, classes]`.

    Raises:
      ValueError: if the name is unknown, or if an argument does not fit the model.
    """
    blueprint = draw_model(name, input_shape, classes, dropout)
    check_weights_fit(name, tuple(input_shape), blueprint.weights)
    options = NetworkOptions(
        init_seed, initializer, init_stddev, batch_norm, batch_norm_init, dtype_policy
    )
    mean, variance = _checked_normalization(normalization, input_shape[-1])
    standardise = keras.layers.Normalization(
        axis=-1, mean=mean, variance=variance, dtype="float32", name="normalization"
    )
    # TensorFlow's scopes, which are named after the model, take no colon.
    own_name = name.replace(":", ".")
    try:
        return assemble(own_name, blueprint, tuple(input_shape), standardise, options)
    except UnseededWeightsError as error:
        raise ValueError(f"--model={name}: {error}") from error


def draw_model(
    name: str, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0
) -> Blueprint:
    """Draws a model without building it, so that its size can be judged.

    Args:
      name: a name as given to `--model`.
      input_shape: shape of one example.
      classes: number of logits.
      dropout: see `build_model`.

    Raises:
      ValueError: if the name is unknown, or if an argument does not fit the model.
    """
    _check_arguments(input_shape, classes)
    check_model_name(name, dropout)
    return _draw(name, tuple(input_shape), classes, dropout)


def network_sha256(name: str, input_shape: tuple[int, ...], classes: int) -> str | None:
    """Tells whether a network of the user's has changed.

    Args:
      name: as given to `--model`.
      input_shape: shape of one example.
      classes: number of logits.

    Returns:
      The SHA-256 of its layers and how they are connected; None for networks of the package.
    """
    if find_family(name)[0].users_module is None:
        return None
    return _sha256(_text(draw_model(name, input_shape, classes)))


def is_network(name: str, input_shape: tuple[int, ...], classes: int, sha256: str | None) -> bool:
    """Whether a fingerprint is a network's, also if an earlier version has taken it.

    Those numbered operators, such as `x + y`, by what the process had built before, and took none
    of networks that a plug-in registers.

    Args:
      name: as given to `--model`.
      input_shape: shape of one example.
      classes: number of logits.
      sha256: from `network_sha256`.
    """
    if sha256 is None:
        return not is_own(name)
    if network_sha256(name, input_shape, classes) is None:
        return False
    blueprint = draw_model(name, input_shape, classes)
    text = _text(blueprint)
    if _sha256(text) == sha256:
        return True
    names = "|".join(map(re.escape, blueprint.operators))
    parts = re.split(f'(?<=")({names})(?=")', text) if names else [text]
    return any(
        _sha256("".join(earlier.get(part, part) for part in parts)) == sha256
        for earlier in earlier_names(blueprint.operators)
    )


def _text(blueprint: Blueprint) -> str:
    return json.dumps(blueprint.config, sort_keys=True, default=str)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Branches and analyses build the network of a run again and again.
@functools.lru_cache(maxsize=2)
def _draw(name: str, input_shape: tuple[int, ...], classes: int, dropout: float) -> Blueprint:
    family, groups = find_family(name)
    chosen = {"dropout": dropout} if dropout else {}
    try:
        with errors_named(name, family.users_module):
            blueprint = draw(
                lambda inputs: family.architecture(inputs, classes, *groups, **chosen), input_shape
            )
        if family.users_module is not None:
            check_logits(name, blueprint.config)
        return blueprint
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
      name: of the model.
      input_shape: shape of one example.
      weights: number of its weights.

    Raises:
      ValueError: if they do not fit; names the network.
    """
    needed, available = 2 * 4 * weights, available_memory()
    if needed > available:
        raise ValueError(
            f"--model={name} has {weights:,} weights on inputs of shape {input_shape}, which take "
            f"{bytes_text(needed)} of memory with their masks; {bytes_text(available)} are free. "
            "Use a smaller network or smaller images."
        )


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
