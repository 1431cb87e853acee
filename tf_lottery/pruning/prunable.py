"""Makes Keras models prunable, and reads and writes their weights and masks by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from tf_lottery.pruning.masks import Mask
from tf_lottery.pruning.wrapper import MaskedLayer, prunable_kernels, unwrapped


def prunable(
    model: keras.Model,
    *,
    exclude: Iterable[str] = (),
    pruning_rates: Mapping[str, float] | None = None,
) -> keras.Model:
    """Copies a model with every Dense and convolution layer wrapped to hold a mask of ones.

    The copy has the weights of `model`, computes the same function and has yet to be compiled.
    Call it in the scope of the distribution strategy that will train it.

    Args:
      model: a built Sequential or functional tf_keras model; may contain such models as layers.
      exclude: names of layers to leave unwrapped, and so unpruned.
      pruning_rates: layer name to its own pruning rate in [0, 1), where that differs from the rate
        of the search: the papers prune the output layer at half the rate.

    Returns:
      A model of the same kind.

    Raises:
      ValueError: if the model is not such a model or a name is not that of a prunable layer.
    """
    _check_model(model)
    exclude, rates = set(exclude), dict(pruning_rates or {})
    known = {layer.name for _, layer in leaf_layers(model) if prunable_kernels(layer)}
    for argument, names in (("exclude", exclude), ("pruning_rates", set(rates))):
        if names - known:
            raise ValueError(
                f"{argument}: the model has no prunable layer {', '.join(sorted(names - known))}; "
                f"it has {', '.join(sorted(known))}."
            )
    if not known - exclude:
        raise ValueError(f"{model.name} has no Dense or convolution layer left to prune.")

    def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
        copy = _copied(layer)
        if prunable_kernels(layer) and layer.name not in exclude:
            return MaskedLayer(copy, pruning_rate=rates.get(layer.name))
        return copy

    return _clone(model, wrap)


def strip(model: keras.Model) -> keras.Model:
    """Copies a prunable model without the wrappers: plain Keras layers with sparse weights.

    tfmot's `strip_pruning` does the same without copying the layers. One of several workers may
    call it alone; normalization statistics are then the mean of that worker's replicas.

    Args:
      model: a model made by `prunable`.

    Returns:
      A model of the same kind that neither tf_lottery nor tfmot is needed to load.
    """
    # Keras masks every step, but not the averages of weights that an optimizer with use_ema assigns
    # when training ends.
    set_mask(model, get_mask(model))
    plain = tfmot.sparsity.keras.strip_pruning(model)
    return _clone(plain, _copied)


def leaf_layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """Layers of a model and of the models in it, with their paths; a wrapper has its layer's."""
    for layer in model.layers:
        name = unwrapped(layer).name
        if isinstance(layer, keras.Model):
            yield from leaf_layers(layer, f"{prefix}{name}/")
        else:
            yield prefix + name, layer


def masked_layers(model: keras.Model) -> list[MaskedLayer]:
    """The wrappers of a prunable model, in the order of the network."""
    return [layer for _, layer in leaf_layers(model) if isinstance(layer, MaskedLayer)]


def model_variables(model: keras.Model) -> dict[str, tf.Variable]:
    """All weights of a model, masks excepted, by names such as "block/dense_1/kernel"."""
    named: dict[str, tf.Variable] = {}
    seen = set()
    for path, layer in leaf_layers(model):
        for variable in unwrapped(layer).weights:
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            name = f"{path}/{variable.name.split('/')[-1].split(':')[0]}"
            while name in named:
                name += "_"
            named[name] = variable
    return named


def masked_variables(model: keras.Model) -> dict[str, tuple[tf.Variable, tf.Variable]]:
    """Weight and mask variable of every prunable weight, by the names of `model_variables`."""
    masks = {
        id(weight): mask for layer in masked_layers(model) for weight, mask, _ in layer.pruning_vars
    }
    return {
        name: (variable, masks[id(variable)])
        for name, variable in model_variables(model).items()
        if id(variable) in masks
    }


def get_mask(model: keras.Model) -> Mask:
    """The mask that a prunable model holds."""
    return Mask({name: mask.numpy() != 0 for name, (_, mask) in masked_variables(model).items()})


def set_mask(model: keras.Model, mask: Mask) -> None:
    """Sets the masks of a prunable model and its pruned weights to 0.0.

    Raises:
      ValueError: if the mask does not fit the model.
    """
    variables = masked_variables(model)
    if set(mask) != set(variables):
        raise ValueError(
            f"the mask is of {sorted(mask)}, but the prunable weights are {sorted(variables)}."
        )
    for name, array in mask.items():
        shape = tuple(variables[name][0].shape)
        if array.shape != shape:
            raise ValueError(
                f"{name} has shape {shape} in the model, but {array.shape} in the mask."
            )
    for name, array in mask.items():
        weight, variable = variables[name]
        # On the device: only the mask travels to it, and no weight back and forth.
        alive = tf.convert_to_tensor(array)
        weight.assign(tf.where(alive, weight, tf.zeros([], weight.dtype)))
        variable.assign(tf.cast(alive, variable.dtype))


def _copied(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    # Keras leaves this one argument out of the configuration.
    if isinstance(layer, keras.layers.BatchNormalization) and layer.synchronized:
        config["synchronized"] = True
    return type(layer).from_config(config)


def _clone(
    model: keras.Model, copy_layer: Callable[[keras.layers.Layer], keras.layers.Layer]
) -> keras.Model:
    copies: dict[int, tuple[keras.layers.Layer, keras.layers.Layer]] = {}

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if id(layer) not in copies:
            nested = isinstance(layer, keras.Model)
            new = (
                keras.models.clone_model(layer, clone_function=copy)
                if nested
                else copy_layer(layer)
            )
            copies[id(layer)] = (layer, new)
        return copies[id(layer)][1]

    clone = keras.models.clone_model(model, clone_function=copy)
    for layer, new in copies.values():
        if not isinstance(layer, keras.Model):
            new.set_weights(_weight_values(layer))
    return clone


def _weight_values(layer: keras.layers.Layer) -> list[np.ndarray]:
    """What `layer.get_weights()` returns, by the replicas of this worker alone.

    Normalization statistics differ among replicas; to average them over the replicas of all
    workers, `get_weights` would wait until the other workers call it too.
    """
    if not any(isinstance(weight, tf.distribute.DistributedValues) for weight in layer.weights):
        return layer.get_weights()
    return [
        np.mean(
            [replica.numpy() for replica in weight.values],
            axis=0,
            dtype=weight.dtype.as_numpy_dtype,
        )
        if weight.synchronization == tf.VariableSynchronization.ON_READ
        else weight.numpy()
        for weight in unwrapped(layer).weights
    ]


def _check_model(model: keras.Model) -> None:
    if not isinstance(model, keras.Model):
        if type(model).__module__.split(".")[0] == "keras":
            raise ValueError(
                f"{model!r} is a Keras 3 model; the masks are held by wrappers for Keras 2. Build "
                "it with `import tf_keras as keras`, which is installed with tf_lottery."
            )
        raise ValueError(f"{model!r} is not a tf_keras model.")
    for nested in [model, *(layer for layer in model.submodules if isinstance(layer, keras.Model))]:
        if not isinstance(nested, keras.Sequential) and not nested._is_graph_network:
            raise ValueError(
                f"{nested.name} ({type(nested).__name__}) is a subclassed model, whose layers "
                "cannot be found and wrapped; write it as keras.Model(inputs, outputs) or "
                "keras.Sequential."
            )
        if not nested.built:
            raise ValueError(
                f"{nested.name} is not built, so its weights do not exist yet; give its first "
                "layer an input_shape, or call model.build(input_shape)."
            )
        if any(isinstance(layer, MaskedLayer) for layer in nested.layers):
            raise ValueError(f"{nested.name} is prunable already.")
