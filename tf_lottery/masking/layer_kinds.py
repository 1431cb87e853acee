"""The layers of either Keras that have kernels: what of them is pruned, and how it is used."""

from dataclasses import dataclass
from typing import Any, Literal

from tf_lottery.masking.keras_versions import is_keras_3, keras_class_names

_KERNEL, _DEPTHWISE, _POINTWISE = "kernel", "depthwise_kernel", "pointwise_kernel"


@dataclass(frozen=True)
class LayerKind:
    """What layers of one kind have in common.

    Attributes:
      kernels: attributes that hold the weights that can be pruned.
      kernels_in_keras_3: the same in Keras 3, if they have other names there.
      constraints: attributes of their constraints, in the order of `kernels`, if `MaskedLayer` can
        wrap layers of this kind.
      unit_axes: axes of a kernel that index the units or filters that it computes, counted from the
        last; none if its columns are not units, as in recurrent layers. Depthwise kernels of
        separable convolutions have those of depthwise ones.
      used_at: of which tensor's positions each uses a weight once; None if that is not known.
    """

    kernels: tuple[str, ...]
    kernels_in_keras_3: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    unit_axes: tuple[int, ...] = ()
    used_at: Literal["inputs", "outputs"] | None = None

    def kernels_of(self, layer: Any) -> tuple[str, ...]:
        """Attributes that hold the kernels of a layer of this kind."""
        return (is_keras_3(layer) and self.kernels_in_keras_3) or self.kernels


DEPTHWISE = LayerKind(
    kernels=(_DEPTHWISE,),
    kernels_in_keras_3=(_KERNEL,),
    constraints=("depthwise_constraint",),
    unit_axes=(-2, -1),
    used_at="outputs",
)
_PLAIN = LayerKind(
    kernels=(_KERNEL,), constraints=("kernel_constraint",), unit_axes=(-1,), used_at="outputs"
)
_TRANSPOSED = LayerKind(
    kernels=(_KERNEL,), constraints=("kernel_constraint",), unit_axes=(-2,), used_at="inputs"
)
_SEPARABLE = LayerKind(
    kernels=(_DEPTHWISE, _POINTWISE),
    constraints=("depthwise_constraint", "pointwise_constraint"),
    unit_axes=(-1,),
    used_at="outputs",
)
_RECURRENT = LayerKind(kernels=(_KERNEL, "recurrent_kernel"))
_OTHER = LayerKind(kernels=(_KERNEL,))

# By the name of the class, which is the same in either Keras.
_KINDS = {
    **dict.fromkeys(("Dense", "Conv1D", "Conv2D", "Conv3D"), _PLAIN),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _TRANSPOSED),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), DEPTHWISE),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _SEPARABLE),
    **dict.fromkeys(("ConvLSTMCell", "GRUCell", "LSTMCell", "SimpleRNNCell"), _RECURRENT),
    **dict.fromkeys(("EinsumDense", "LocallyConnected1D", "LocallyConnected2D"), _OTHER),
    "Embedding": LayerKind(kernels=("embeddings",)),
}


def layer_kind(layer: Any) -> LayerKind | None:
    """The kind of a layer, or of the layer of Keras that its class extends; None for others.

    Some convolutions extend others: the most special one counts.
    """
    return next((_KINDS[name] for name in keras_class_names(layer) if name in _KINDS), None)


def kernel_attributes(layer: Any) -> tuple[str, ...]:
    """Attributes of the kernels of a layer of Keras; none for those that have none."""
    kind = layer_kind(layer)
    return () if kind is None else kind.kernels_of(layer)


def kernel_unit_axes(layer: Any, weight: str) -> tuple[int, ...]:
    """Axes of a kernel of a layer that index units; see `LayerKind`.

    Args:
      layer: the layer.
      weight: name of the kernel, as in `model_variables`.
    """
    if weight.endswith(f"/{_DEPTHWISE}"):
        return DEPTHWISE.unit_axes
    kind = layer_kind(layer)
    return () if kind is None else kind.unit_axes
