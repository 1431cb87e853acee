"""Compiles copies of models as the models are."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.masking.keras_versions import inner_optimizer, keras_of
from tf_lottery.masking.layers import keras_variables


def compile_alike(copy: Any, model: Any, optimizer_config: dict[str, Any]) -> bool:
    """Compiles a copy as its model is, with an optimizer and metrics of its own.

    Args:
      copy: a copy of the model, in whose strategy's scope this is called.
      model: of either Keras.
      optimizer_config: configuration of the optimizer with which the model is compiled.

    Returns:
      Whether it could: the model is compiled, by Keras's own method, and Keras can copy its
      metrics.
    """
    given = compile_arguments(model)
    keras = keras_of(model)
    if not given or type(model).compile is not keras.Model.compile:
        return False
    try:
        metrics = {
            name: _copied(given[name], keras.metrics.Metric)
            for name in ("metrics", "weighted_metrics")
        }
    except Exception:  # Any: it is the user's class that fails.
        return False
    # Keras replaces the description of a schedule in it.
    optimizer = type(model.optimizer).from_config(dict(optimizer_config))
    _exempt_alike(optimizer, copy, model)
    copy.compile(**{**given, **metrics, "optimizer": optimizer})
    return True


def compile_arguments(model: Any) -> Mapping[str, Any]:
    """What a model was compiled with, by the names of the arguments; empty if Keras forgot it."""
    return getattr(getattr(model, "_compile_config", None), "config", None) or {}


def _exempt_alike(optimizer: Any, copy: Any, model: Any) -> None:
    """Exempts from weight decay what is exempt in the model, which no configuration says.

    Args:
      optimizer: of the copy, without slots yet.
      copy: a copy of the model.
      model: a compiled model.
    """
    given, own = (inner_optimizer(each) for each in (model.optimizer, optimizer))
    # Keras 2 keeps the names as they were given, Keras 3 joined into one.
    names = list(getattr(given, "_exclude_from_weight_decay_names", ()))
    if pattern := getattr(given, "_exclude_from_weight_decay_pattern", None):
        names.append(pattern.pattern)
    keys = getattr(given, "_exclude_from_weight_decay", ())
    if not names and not keys:
        return
    copies = keras_variables(copy)
    own.exclude_from_weight_decay(
        var_list=[
            copies[name]
            for name, variable in keras_variables(model).items()
            if given._var_key(variable) in keys
        ],
        var_names=names,
    )


def _copied(metrics: Any, kind: type) -> Any:
    if isinstance(metrics, kind):
        return type(metrics).from_config(metrics.get_config())
    if isinstance(metrics, Mapping):
        return {name: _copied(each, kind) for name, each in metrics.items()}
    if isinstance(metrics, list | tuple):
        return [_copied(each, kind) for each in metrics]
    return metrics
