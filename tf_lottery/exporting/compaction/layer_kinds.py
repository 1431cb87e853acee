"""Which rule a layer follows."""

import tf_keras as keras

from tf_lottery.exporting.compaction.activations import ACTIVATION_LAYERS
from tf_lottery.exporting.compaction.calls import Call, CallGraph
from tf_lottery.exporting.compaction.channelwise import (
    Activation,
    Channelwise,
    Concatenated,
    Elementwise,
    Normalization,
    ParametricRectifier,
    Product,
    Rescaling,
    Reshaped,
    Standardization,
    Sum,
    ZeroPadding,
)
from tf_lottery.exporting.compaction.rules import Fixed, Rule
from tf_lottery.exporting.compaction.weighted import (
    Convolution,
    DepthwiseConvolution,
    SeparableConvolution,
)


def _layers(names: str) -> list[type[keras.layers.Layer]]:
    return [getattr(keras.layers, name) for name in names.split()]


_RULES: dict[type[keras.layers.Layer], type[Rule]] = {
    **dict.fromkeys(
        _layers(
            "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity "
            "SpatialDropout1D SpatialDropout2D SpatialDropout3D "
            "AveragePooling1D AveragePooling2D AveragePooling3D "
            "MaxPooling1D MaxPooling2D MaxPooling3D "
            "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
            "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D "
            "Cropping1D Cropping2D Cropping3D RepeatVector "
            "UpSampling1D UpSampling2D UpSampling3D"
        ),
        Channelwise,
    ),
    **dict.fromkeys(ACTIVATION_LAYERS, Elementwise),
    **dict.fromkeys(_layers("Add Average Maximum Minimum Subtract"), Sum),
    **dict.fromkeys(_layers("ZeroPadding1D ZeroPadding2D ZeroPadding3D"), ZeroPadding),
    **dict.fromkeys(_layers("Flatten Reshape"), Reshaped),
    **dict.fromkeys(
        _layers("Dense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose"),
        Convolution,
    ),
    **dict.fromkeys(_layers("SeparableConv1D SeparableConv2D"), SeparableConvolution),
    **dict.fromkeys(_layers("DepthwiseConv1D DepthwiseConv2D"), DepthwiseConvolution),
    keras.layers.Activation: Activation,
    keras.layers.BatchNormalization: Normalization,
    keras.layers.experimental.SyncBatchNormalization: Normalization,
    keras.layers.Concatenate: Concatenated,
    keras.layers.Multiply: Product,
    keras.layers.Normalization: Standardization,
    keras.layers.PReLU: ParametricRectifier,
    keras.layers.Rescaling: Rescaling,
}


def rule_of(call: Call, graph: CallGraph) -> Rule | Fixed:
    """The rule of a call; `Fixed` for what is not known to keep channels apart."""
    if obstacle := _obstacle(call, graph):
        return Fixed(obstacle)
    shapes = [graph.shapes[tensor] for tensor in call.inputs]
    rule = _RULES[type(call.layer)](call.layer, shapes, graph.shapes[call.outputs[0]])
    return Fixed(rule.obstacle) if rule.obstacle else rule


def _obstacle(call: Call, graph: CallGraph) -> str:
    layer = call.layer
    if isinstance(layer, keras.layers.InputLayer):
        return "an input of the model"
    if type(layer) not in _RULES:
        return f"{type(layer).__name__} is not known to keep channels apart"
    if call.with_options:
        return "it is called with more than tensors"
    if call.shared and (layer.weights or isinstance(layer, keras.layers.Reshape)):
        return "it is called several times"
    if not all(graph.channels(tensor) for tensor in (*call.inputs, *call.outputs)):
        return "the number of its channels is not known"
    if getattr(layer, "data_format", None) == "channels_first":
        return "its channels come first"
    if getattr(layer, "groups", 1) > 1:
        return "its channels are in groups"
    return ""
