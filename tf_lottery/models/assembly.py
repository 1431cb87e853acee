"""Makes the network of an experiment from an architecture written in plain Keras."""

import copy
import dataclasses
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.network import BatchNorm, BatchNormInit, Initializer
from tf_lottery.models.initial_weights import Seeds, has_users_initializer, is_initializer
from tf_lottery.models.operator_names import as_in_a_new_process
from tf_lottery.private_names import private_names

with private_names("tensorflow"):
    # A variable without a value.
    from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

_INITIALIZERS: dict[Initializer, type] = {
    "glorot_normal": keras.initializers.GlorotNormal,
    "glorot_uniform": keras.initializers.GlorotUniform,
    "he_normal": keras.initializers.HeNormal,
    "he_uniform": keras.initializers.HeUniform,
    "normal": keras.initializers.RandomNormal,
}
_NORMALIZATIONS: dict[BatchNorm, type] = {
    "per_replica": keras.layers.BatchNormalization,
    # BatchNormalization(synchronized=True) forgets that it is synchronized when it is cloned.
    "synchronized": keras.layers.experimental.SyncBatchNormalization,
}
_DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
_SMALL = 1000
_INPUT_LAYERS = ("InputLayer", "Rescaling", "Normalization")


@dataclasses.dataclass(frozen=True)
class NetworkOptions:
    """What an experiment chooses about any network.

    Attributes:
      init_seed: seed of the initial weights, at least 0.
      initializer: distribution of the initial kernels: "glorot_normal" or "glorot_uniform"
        (Glorot and Bengio, 2010), "he_normal" or "he_uniform" (arXiv 1502.01852), or "normal".
      init_stddev: standard deviation of "normal"; None of others.
      batch_norm: statistics of batch normalization in training: "per_replica" or "synchronized".
      batch_norm_init: initial scales of batch normalization: "ones", or "uniform" for draws between
        0 and 1.
      dtype_policy: Keras's name of the layers' dtypes; variables and logits are float32.
    """

    init_seed: int
    initializer: Initializer = "glorot_normal"
    init_stddev: float | None = None
    batch_norm: BatchNorm = "per_replica"
    batch_norm_init: BatchNormInit = "ones"
    dtype_policy: str = "float32"

    def __post_init__(self):
        if self.init_seed < 0:
            raise ValueError(f"--init_seed={self.init_seed} must be at least 0.")
        for argument, choices in (
            ("--initializer", tuple(_INITIALIZERS)),
            ("--batch_norm", tuple(_NORMALIZATIONS)),
            ("--batch_norm_init", get_args(BatchNormInit)),
            ("dtype_policy", _DTYPE_POLICIES),
        ):
            value = getattr(self, argument.removeprefix("--"))
            if value not in choices:
                raise ValueError(f"{argument}={value} must be one of {', '.join(choices)}.")


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """A network that is drawn but not built: none of its weights takes memory.

    Attributes:
      config: Keras's configuration of the network behind its pixels; operators, such as `x + y`,
        are numbered as in a new process.
      operators: names of its operators to those that Keras gave them in this process.
      layer_classes: the classes of its layers, which Keras need not know.
      weights: number of its weights.
      activations: number of values that it computes of one example.
    """

    config: dict[str, Any]
    operators: dict[str, str]
    layer_classes: dict[str, type]
    weights: int
    activations: int


def assemble(
    name: str,
    blueprint: Blueprint,
    input_shape: tuple[int, ...],
    standardise: keras.layers.Normalization,
    options: NetworkOptions,
) -> keras.Model:
    """Builds a network behind the layer that standardises its pixels.

    The architecture only says how layers are connected: its kernels are drawn, its batch
    normalizations and dtypes are chosen as the options say. Layers that it has to preprocess
    pixels are left out.

    Args:
      name: name of the model.
      blueprint: the network.
      input_shape: shape of one example.
      standardise: layer that takes the raw pixels, not built.
      options: what is not the architecture's to choose.

    Returns:
      A functional model that maps float32 `[batch, *input_shape]` to the logits.

    Raises:
      UnseededWeightsError: if a layer of the user's draws weights that no seed chooses.
    """
    config = copy.deepcopy(blueprint.config)
    layers = config["layers"]
    entrance = list(itertools.takewhile(lambda layer: layer["class_name"] in _INPUT_LAYERS, layers))
    network = layers[len(entrance) :]
    seeds = Seeds(options.init_seed)
    _apply(options, network, seeds, keep_float32=config["output_layers"][0][0])
    images = keras.layers.InputLayer(input_shape, dtype="float32", name="images")
    config["layers"] = [
        _layer_config(images, key="images", inbound_nodes=[]),
        # Under the key that the network knows its pixels by.
        _layer_config(
            standardise, key=entrance[-1]["name"], inbound_nodes=[[["images", 0, 0, {}]]]
        ),
        *network,
    ]
    config["input_layers"] = [["images", 0, 0]]
    config["name"] = name
    classes = blueprint.layer_classes
    users_code = has_users_initializer(config) or any(map(_is_users, classes.values()))
    with seeds.seeding(users_code=users_code):
        return keras.Model.from_config(config, custom_objects=classes)


def draw(architecture: Callable[[tf.Tensor], tf.Tensor], input_shape: tuple[int, ...]) -> Blueprint:
    """Draws a network and counts its weights.

    Args:
      architecture: connects the input to the logits.
      input_shape: shape of one example.
    """

    def connect() -> Blueprint:
        with tf.variable_creator_scope(_without_memory):
            inputs = keras.Input(input_shape, dtype="float32")
            model = keras.Model(inputs, architecture(inputs))
        outputs = [output for layer in model.layers for output in tf.nest.flatten(layer.output)]
        config, operators = as_in_a_new_process(model.get_config())
        return Blueprint(
            config,
            operators,
            # Not those of model.submodules, which fails on recurrent layers with dropout.
            {type(layer).__name__: type(layer) for layer in model._flatten_layers()},
            sum(math.prod(weight.shape) for weight in model.weights),
            sum(math.prod(size or 1 for size in output.shape[1:]) for output in outputs),
        )

    # Keras numbers unnamed layers by thread. In a new one their names, by which masks are stored,
    # do not depend on what was built before, and no strategy copies these weights to its devices.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(connect).result()


def _without_memory(next_creator: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
    """Makes a variable that has a shape and no value, where its size matters."""
    shape = options.get("shape")
    if shape is None or math.prod(shape) <= _SMALL:
        # Layers of constants, such as normalizations of pixels, look at their values.
        return next_creator(**options)
    return UninitializedVariable(
        shape=shape, dtype=options["dtype"], trainable=options["trainable"]
    )


def _layer_config(layer: keras.layers.Layer, key: str, inbound_nodes: list) -> dict[str, Any]:
    return {**keras.layers.serialize(layer), "name": key, "inbound_nodes": inbound_nodes}


def _is_users(layer_class: type) -> bool:
    return layer_class.__module__.split(".")[0] != keras.__name__


def _apply(
    options: NetworkOptions, layers: list[dict[str, Any]], seeds: Seeds, keep_float32: str = ""
) -> None:
    """Changes the configurations of layers and of the models among them."""
    for layer in layers:
        config = layer["config"]
        # Else Keras builds the layer before it is called, and its weights lack its name.
        layer.pop("build_config", None)
        if "layers" in config:
            _apply(options, config["layers"], seeds)
            continue
        for key in _kernel_initializers(config):
            config[key] = _kernel_initializer(options, next(seeds.kernels))
        _choose_normalization(options, layer, seeds)
        dtype = layer["config"]["dtype"] = _dtype(options, layer, keep_float32)
        _apply_to_parts(options, layer["config"], seeds, dtype)


def _choose_normalization(options: NetworkOptions, layer: dict[str, Any], seeds: Seeds) -> None:
    """Changes the configuration of a layer that is a batch normalization."""
    if layer["class_name"] != keras.layers.BatchNormalization.__name__:
        return
    config = layer["config"]
    if options.batch_norm_init == "uniform":
        scales = keras.initializers.RandomUniform(0.0, 1.0, seed=next(seeds.scales))
        config["gamma_initializer"] = keras.initializers.serialize(scales)
    chosen = _NORMALIZATIONS[options.batch_norm].from_config(config)
    layer.update(keras.layers.serialize(chosen))


def _apply_to_parts(options: NetworkOptions, part: Any, seeds: Seeds, dtype: str) -> None:
    """Seeds a layer's initializers of what is no kernel, and changes the layers in it."""
    if isinstance(part, list | tuple):
        for each in part:
            _apply_to_parts(options, each, seeds, dtype)
    elif isinstance(part, dict):
        config = part.get("config")
        if isinstance(config, dict) and is_initializer(part):
            if config.get("seed", 0) is None:
                config["seed"] = next(seeds.others)
            return
        if isinstance(config, dict) and "class_name" in part:
            # Not of seeds.kernels: those of layers that are in no other stay as they were.
            for key in _kernel_initializers(config):
                config[key] = _kernel_initializer(options, next(seeds.others))
            _choose_normalization(options, part, seeds)
            # Some have numbers or text for inputs, in whatever dtype.
            if dtype != "float32" and "dtype" in part["config"]:
                part["config"]["dtype"] = _dtype_of_part(part, dtype)
        for each in part.values():
            _apply_to_parts(options, each, seeds, dtype)


def _dtype(options: NetworkOptions, layer: dict[str, Any], keep_float32: str) -> str:
    if layer.get("name") == keep_float32:
        return "float32"
    return _dtype_of_part(layer, options.dtype_policy)


def _dtype_of_part(layer: dict[str, Any], dtype: str) -> str:
    """The dtype of a layer in a layer or network of this dtype."""
    if layer["class_name"] == keras.layers.InputLayer.__name__:
        return keras.mixed_precision.Policy(dtype).compute_dtype
    return dtype


def _kernel_initializers(config: dict[str, Any]) -> list[str]:
    """The keys of a layer's kernel initializers."""
    # Separable convolutions also have a kernel_initializer, of a kernel that they do not have.
    separate = [key for key in ("depthwise_initializer", "pointwise_initializer") if key in config]
    return separate or [key for key in ("kernel_initializer",) if key in config]


def _kernel_initializer(options: NetworkOptions, seed: int) -> dict[str, Any]:
    stddev = {} if options.init_stddev is None else {"stddev": options.init_stddev}
    initializer = _INITIALIZERS[options.initializer](**stddev, seed=seed)
    return keras.initializers.serialize(initializer)
