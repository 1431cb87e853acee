"""Which rule a layer follows."""

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
from tf_lottery.masking.keras_versions import is_keras_3, is_layer, is_of_keras, may_make_masks
from tf_lottery.masking.layers import leaf_layers


def _following(rule: type[Rule], names: str) -> dict[str, type[Rule]]:
    return dict.fromkeys(names.split(), rule)


# By the names of classes, which are the same in either Keras.
_LAYERS = {
    **_following(
        Channelwise,
        "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity "
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D "
        "AveragePooling1D AveragePooling2D AveragePooling3D "
        "MaxPooling1D MaxPooling2D MaxPooling3D "
        "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
        "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D "
        "Cropping1D Cropping2D Cropping3D RepeatVector "
        "UpSampling1D UpSampling2D UpSampling3D",
    ),
    **dict.fromkeys(ACTIVATION_LAYERS, Elementwise),
    **_following(Activation, "Activation"),
    **_following(Rescaling, "Rescaling"),
    **_following(Sum, "Add Average Maximum Minimum Subtract"),
    **_following(Product, "Multiply"),
    **_following(ZeroPadding, "ZeroPadding1D ZeroPadding2D ZeroPadding3D"),
    **_following(Normalization, "BatchNormalization SyncBatchNormalization"),
    **_following(Standardization, "Normalization"),
    **_following(ParametricRectifier, "PReLU"),
    **_following(Reshaped, "Flatten Reshape"),
    **_following(Concatenated, "Concatenate"),
    **_following(
        Convolution,
        "Dense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose",
    ),
    **_following(SeparableConvolution, "SeparableConv1D SeparableConv2D"),
    **_following(DepthwiseConvolution, "DepthwiseConv1D DepthwiseConv2D"),
}

# Operations of Keras 3 that are no layers, such as `a + b` and `keras.ops.relu(a)`.
_OPERATIONS = {
    **_following(
        Elementwise,
        "Elu Gelu HardSigmoid HardSilu LeakyRelu ReLU Relu Relu6 Selu Sigmoid Silu Softplus "
        "Softsign Tanh",
    ),
    **_following(Sum, "Add Maximum Minimum Subtract"),
    **_following(Product, "Multiply"),
    **_following(Concatenated, "Concatenate"),
}

_JOINS_BY_MASK = ("Maximum", "Minimum", "Multiply")


def rule_of(call: Call, graph: CallGraph) -> Rule | Fixed:
    """The rule of a call; `Fixed` for what is not known to keep channels apart."""
    if call.is_input:
        return Fixed("an input of the model")
    known = _known_rule(call)
    if known is None:
        return Fixed(f"{type(call.layer).__name__} is not known to keep channels apart")
    if obstacle := _obstacle(call, graph):
        return Fixed(obstacle)
    rule = known(
        call.layer,
        [graph.channels(tensor) for tensor in call.inputs],
        graph.channels(call.outputs[0]),
        [len(graph.shapes[tensor]) for tensor in call.inputs],
    )
    return Fixed(rule.obstacle) if rule.obstacle else rule


def _known_rule(call: Call) -> type[Rule] | None:
    rules = _LAYERS if is_layer(call.layer) else _OPERATIONS
    # What a user derives from a layer may compute anything.
    return rules.get(type(call.layer).__name__) if is_of_keras(call.layer) else None


def _obstacle(call: Call, graph: CallGraph) -> str:
    layer = call.layer
    if call.with_options:
        return "it is called with more than tensors"
    if call.shared and (call.parameters or type(layer).__name__ == "Reshape"):
        return "it is called several times"
    if not all(graph.channels(tensor) for tensor in (*call.inputs, *call.outputs)):
        return "the number of its channels is not known"
    if getattr(layer, "data_format", None) == "channels_first":
        return "its channels come first"
    if getattr(layer, "groups", 1) > 1:
        return "its channels are in groups"
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        return "its kernel is quantized or adapted (LoRA)"
    if _joins_by_mask(call) and _may_be_masked(graph):
        return "positions of its inputs may be masked"
    return ""


def _joins_by_mask(call: Call) -> bool:
    """Whether the numbers that a join gives depend on masks, as in layers of Keras 3."""
    return is_keras_3(call.layer) and type(call.layer).__name__ in _JOINS_BY_MASK


def _may_be_masked(graph: CallGraph) -> bool:
    layers = (call.layer for call in graph.calls if is_layer(call.layer))
    return any(may_make_masks(held) for layer in layers for _, held in leaf_layers(layer))
