"""The scaled-down VGG networks Conv-2, Conv-4 and Conv-6 of arXiv 1803.03635, figure 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tf_lottery.models.hidden_layers import hidden_dense
from tf_lottery.models.images import check_images
from tf_lottery.models.registry import register_model
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

_FILTERS_OF_PAIRS = {"2": (64,), "4": (64, 128), "6": (64, 128, 256)}
_DENSE_UNITS = (256, 256)


@register_model(r"conv([246])", examples=("conv2", "conv4", "conv6"))
def conv(inputs: tf.Tensor, classes: int, convolutions: str, *, dropout: float = 0.0) -> tf.Tensor:
    """Connects pairs of 3x3 convolutions, each pair with a 2x2 max-pooling, and dense layers.

    On 32x32x3 images and 10 classes they have 4.3 M, 2.4 M and 2.3 M weights. The figure says
    1.7 M for Conv-6, which the layers it lists do not give.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]`.
      classes: number of logits.
      convolutions: how many: "2", "4" or "6".
      dropout: share of the units of the two hidden Dense layers that are left out of a training
        step.

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: if the inputs are flat or too small for the poolings.
    """
    filters_of_pairs = _FILTERS_OF_PAIRS[convolutions]
    check_images(inputs, halvings=len(filters_of_pairs))
    features = inputs
    for pair, filters in enumerate(filters_of_pairs, start=1):
        for number in (2 * pair - 1, 2 * pair):
            features = keras.layers.Conv2D(
                filters, kernel_size=3, padding="same", activation="relu", name=f"conv_{number}"
            )(features)
        features = keras.layers.MaxPooling2D(name=f"pool_{pair}")(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = hidden_dense(features, _DENSE_UNITS, dropout)
    return keras.layers.Dense(classes, name="output")(features)
