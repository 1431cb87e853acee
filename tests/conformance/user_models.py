"""Kinds of models that users have: a row for each that the support table of the README names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np

from tests.conformance import user_classes as classes
from tests.conformance import user_networks as networks

EXAMPLES = 16


@dataclass(frozen=True)
class UserModel:
    """A kind of model.

    Attributes:
      build: makes the model, of the Keras module that it is given.
      shapes: of one example of each input; `("words", length)` for tokens.
      kernels: names of the weights that are to be pruned.
      holder: what holds the masks in tf_keras; what is a wrapper there is a constraint in Keras 3.
      arguments: of `prunable`, by the Keras module.
      keras_3_kernels: their names in Keras 3, where they differ; none if it has no such model.
      classes: functions from the Keras module to the classes, or functions, of the user's that are
        in the model.
      metric: reported by its training step.
    """

    build: Callable[[ModuleType], Any]
    shapes: tuple[tuple, ...]
    kernels: tuple[str, ...]
    holder: Literal["wrapper", "constraints", "in place"] = "constraints"
    arguments: Callable[[ModuleType], Mapping[str, Any]] = lambda keras: {}
    keras_3_kernels: tuple[str, ...] | None = None
    classes: tuple[Callable[[ModuleType], Any], ...] = ()
    metric: str = "loss"

    @property
    def in_keras_3(self) -> bool:
        """Whether Keras 3 has such models."""
        return self.keras_3_kernels != ()

    def kernels_in(self, keras: ModuleType) -> list[str]:
        """Names of the weights that are to be pruned."""
        of_keras_3 = self.keras_3_kernels if hasattr(keras, "ops") else None
        return list(self.kernels if of_keras_3 is None else of_keras_3)

    def inputs(self) -> Any:
        """The same random examples each time: an array, or one for each input."""
        generator = np.random.default_rng(0)
        arrays = [
            generator.integers(0, networks.WORDS, (EXAMPLES, *shape[1:])).astype(np.int32)
            if shape[0] == "words"
            else generator.normal(size=(EXAMPLES, *shape)).astype(np.float32)
            for shape in self.shapes
        ]
        return arrays[0] if len(arrays) == 1 else arrays


def _both(path: str) -> tuple[str, str]:
    return (f"{path}/kernel", f"{path}/recurrent_kernel")


_IN_NETWORK = ("blocks/0", "blocks/1", "heads/mean", "heads/scale", "tail/0")

USER_MODELS = {
    "nested models": UserModel(
        networks.nested,
        (networks.VECTOR,),
        ("middle/inner/first/kernel", "middle/second/kernel", "output/kernel"),
        "wrapper",
    ),
    "shared layers": UserModel(
        networks.shared_layer, (networks.VECTOR,), ("shared/kernel", "output/kernel"), "wrapper"
    ),
    "shared models": UserModel(
        networks.shared_model,
        (networks.VECTOR, networks.VECTOR),
        ("tower/hidden/kernel", "output/kernel"),
        "wrapper",
    ),
    "TensorFlow-op layers, keras.ops": UserModel(
        networks.operations, (networks.VECTOR,), ("hidden/kernel", "output/kernel"), "wrapper"
    ),
    "several inputs and outputs": UserModel(
        networks.many_inputs_and_outputs,
        (networks.IMAGE, networks.VECTOR),
        ("conv/kernel", "dense/kernel", "left/kernel", "right/kernel"),
        "wrapper",
    ),
    "separable, depthwise, transposed convolutions": UserModel(
        networks.separable,
        (networks.IMAGE,),
        (
            "separable/depthwise_kernel",
            "separable/pointwise_kernel",
            "depthwise/depthwise_kernel",
            "transposed/kernel",
        ),
        "wrapper",
        keras_3_kernels=(
            "separable/depthwise_kernel",
            "separable/pointwise_kernel",
            "depthwise/kernel",
            "transposed/kernel",
        ),
    ),
    "1D and 3D convolutions": UserModel(
        networks.other_dimensions,
        (networks.LONG_SERIES, networks.VOLUME),
        (
            "conv_1/kernel",
            "conv_3/kernel",
            "separable/depthwise_kernel",
            "separable/pointwise_kernel",
            "transposed/kernel",
            "output/kernel",
        ),
        "wrapper",
    ),
    "LocallyConnected": UserModel(
        networks.locally_connected,
        (networks.IMAGE,),
        ("local/kernel", "output/kernel"),
        keras_3_kernels=(),
    ),
    "LSTM, GRU, SimpleRNN": UserModel(
        networks.recurrent,
        (networks.SERIES,),
        (*_both("lstm/cell"), *_both("gru/cell"), *_both("simple/cell"), "output/kernel"),
    ),
    "Bidirectional, TimeDistributed": UserModel(
        networks.wrapped_layers,
        (networks.SERIES,),
        (
            *_both("both/forward_layer/cell"),
            *_both("both/backward_layer/cell"),
            "each/layer/kernel",
        ),
    ),
    "ConvLSTM2D": UserModel(
        networks.conv_lstm,
        (networks.FILM,),
        (*_both("conv_lstm/cell"), "output/kernel"),
    ),
    "StackedRNNCells": UserModel(
        networks.stacked_cells,
        (networks.SERIES,),
        (*_both("rnn/cell/cells/0"), *_both("rnn/cell/cells/1")),
    ),
    "Embedding with mask_zero": UserModel(
        networks.embedding,
        (networks.TOKENS,),
        ("words/embeddings", *_both("lstm/cell"), "output/kernel"),
    ),
    "MultiHeadAttention, EinsumDense": UserModel(
        networks.transformer,
        (networks.TOKENS,),
        (
            "words/embeddings",
            *(f"attention/_{part}_dense/kernel" for part in ("query", "key", "value", "output")),
            "feed/kernel",
            "output/kernel",
        ),
    ),
    "functions and regularizers that Keras does not know": UserModel(
        networks.with_functions,
        (networks.VECTOR,),
        ("hidden/kernel", "output/kernel"),
        "wrapper",
        classes=(classes.steep_relu, classes.squared, classes.small_sum_class),
    ),
    "custom layer, weights named by kernels=": UserModel(
        networks.around(classes.low_rank_class),
        (networks.VECTOR,),
        ("mine/down", "mine/up", "output/kernel"),
        arguments=lambda keras: {
            "kernels": {classes.low_rank_class(keras): ["down", "up"]},
            "allow_unknown": True,
        },
        classes=(classes.low_rank_class,),
    ),
    "custom layer with get_prunable_weights": UserModel(
        networks.around(classes.speaking_class),
        (networks.VECTOR,),
        ("mine/down", "mine/up", "output/kernel"),
        classes=(classes.speaking_class,),
    ),
    "custom layer with layers in it": UserModel(
        networks.around(classes.feed_forward_class),
        (networks.VECTOR,),
        ("mine/inner/kernel", "mine/gates/0/kernel", "mine/gates/1/kernel", "output/kernel"),
        classes=(classes.feed_forward_class,),
    ),
    "subclassed model": UserModel(
        networks.subclassed,
        (networks.VECTOR,),
        ("mixing", *(f"{path}/kernel" for path in _IN_NETWORK)),
        "in place",
        arguments=lambda keras: {"kernels": {"network": "mixing"}},
        classes=(classes.network_class,),
    ),
    "subclassed model as a layer": UserModel(
        networks.around(classes.network_class),
        (networks.VECTOR,),
        ("mine/mixing", *(f"mine/{path}/kernel" for path in _IN_NETWORK), "output/kernel"),
        arguments=lambda keras: {"kernels": {"mine": ["mixing"]}},
        classes=(classes.network_class,),
    ),
    "custom train_step": UserModel(
        networks.own_step,
        (networks.VECTOR,),
        ("hidden/kernel", "output/kernel"),
        "wrapper",
        classes=(classes.own_step_class,),
        metric="own_loss",
    ),
    "functional model of a class with a constructor": UserModel(
        lambda keras: classes.constructed_class(keras)(),
        (networks.VECTOR,),
        ("hidden/kernel", "output/kernel"),
        "in place",
        classes=(classes.constructed_class,),
        metric="own_loss",
    ),
    "functional model with a call of its own": UserModel(
        networks.own_call,
        (networks.VECTOR,),
        ("gate/kernel", "output/kernel"),
        "in place",
        classes=(classes.own_call_class,),
    ),
    "mixed precision": UserModel(
        networks.mixed_precision,
        (networks.SERIES,),
        ("hidden/kernel", *_both("gru/cell"), "output/kernel"),
    ),
}
