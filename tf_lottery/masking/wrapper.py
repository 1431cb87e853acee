"""The Keras wrapper that holds a layer's masks and keeps its pruned weights at zero."""

from typing import Any

import tf_keras as keras

from tf_lottery.config.pruning import NOMINAL_RATE
from tf_lottery.masking.keras_versions import is_keras_3
from tf_lottery.masking.layer_kinds import layer_kind
from tf_lottery.masking.mask_constraint import MaskConstraint
from tf_lottery.masking.schedule import IMPSchedule
from tf_lottery.masking.tfmot import PruneLowMagnitude


def wrappable_kernels(layer: keras.layers.Layer) -> dict[str, str]:
    """Attributes of the kernels and their constraints of a layer that `MaskedLayer` can wrap."""
    kind = None if is_keras_3(layer) else layer_kind(layer)
    if kind is None or not kind.constraints:
        return {}
    return dict(zip(kind.kernels, kind.constraints, strict=True))


def unwrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer that a `MaskedLayer` wraps; other layers as they are."""
    return layer.layer if isinstance(layer, MaskedLayer) else layer


@keras.utils.register_keras_serializable(package="tf_lottery")
class MaskedLayer(PruneLowMagnitude):
    """tfmot's pruning wrapper, with masks that are set from outside instead of by training step.

    tfmot's wrapper multiplies weights and masks in every forward pass, which costs time and, under
    a distribution strategy, communication. This one leaves the forward pass as it is: a constraint
    on the kernel masks it after each optimizer step.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        pruning_rate: float | None = None,
        pruning_schedule: IMPSchedule | None = None,
        **kwargs: Any,
    ):
        """Wraps a layer that is not built yet.

        Args:
          layer: Dense or convolution layer.
          pruning_rate: the layer's own rate; None follows the rate of the search.
          pruning_schedule: sparsity by level; by default that of the layer's own rate.
          **kwargs: arguments of `keras.layers.Wrapper`.

        Raises:
          ValueError: if the layer has no prunable kernel, or is built already.
        """
        kernels = wrappable_kernels(layer)
        if not kernels:
            raise ValueError(f"{layer.name}: {type(layer).__name__} has no prunable kernel.")
        if layer.built:
            raise ValueError(
                f"{layer.name} is built already; wrap whole models with tf_lottery.prunable, which "
                "copies their weights."
            )
        layer.get_prunable_weights = lambda: [getattr(layer, name) for name in kernels]
        if pruning_schedule is None:
            rate = NOMINAL_RATE if pruning_rate is None else pruning_rate
            pruning_schedule = IMPSchedule(rate)
        self.pruning_rate = pruning_rate
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(layer, pruning_schedule=pruning_schedule, **kwargs)
        self.supports_masking = layer.supports_masking
        # Not tfmot's name: losses, metrics and `get_layer` go by that of the layer.
        self._name = layer.name

    def __getattr__(self, name: str) -> Any:
        """What the layer has and the wrapper lacks: `model.get_layer("output").kernel`."""
        layer = self.__dict__.get("layer")
        if layer is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(layer, name)

    def build(self, input_shape):
        kernels = wrappable_kernels(self.layer)
        constraints = {}
        for attribute in kernels.values():
            constraints[attribute] = MaskConstraint(getattr(self.layer, attribute))
            setattr(self.layer, attribute, constraints[attribute])
        super().build(input_shape)
        for attribute, (_, mask, _) in zip(kernels.values(), self.pruning_vars, strict=True):
            constraints[attribute].mask = mask
            constraints[attribute].pruning_rate = self.pruning_rate
            # The variable keeps the constraint; the layer's config stays the user's, so that the
            # stripped layer can be saved and loaded without this package.
            setattr(self.layer, attribute, constraints[attribute].original)

    def add_weight(self, name=None, *args, **kwargs):
        # tfmot gives all masks of a layer one name, which an HDF5 file cannot hold twice.
        taken = sum(own.name.split("/")[-1].startswith(name) for own in self._non_trainable_weights)
        return super().add_weight(f"{name}_{taken}" if taken else name, *args, **kwargs)

    def call(self, inputs, *args, **kwargs):
        return self.layer(inputs, *args, **kwargs)

    def compute_mask(self, inputs, mask=None):
        return self.layer.compute_mask(inputs, mask)

    def get_config(self) -> dict[str, Any]:
        config = keras.layers.Wrapper.get_config(self)
        config.pop("dtype", None)
        config["pruning_rate"] = self.pruning_rate
        config["pruning_schedule"] = self.pruning_schedule.get_config()
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MaskedLayer":
        config = dict(config)
        name = config.pop("name", None)
        layer = keras.layers.deserialize(config.pop("layer"))
        schedule = IMPSchedule(**config.pop("pruning_schedule")["config"])
        wrapper = cls(layer, pruning_schedule=schedule, **config)
        if name is not None:
            # Files of older versions know the layer and its weights by tfmot's name.
            wrapper._name = name
        return wrapper


# Keras's HDF5 files of a Sequential that contains models name the class without its package.
keras.utils.get_custom_objects()[MaskedLayer.__name__] = MaskedLayer
