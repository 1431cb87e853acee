"""Graphs that save the masks of their weights with themselves, and models that say they do not."""

import functools
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tf_lottery.masking import masked_fit, weight_files
from tf_lottery.masking.keras_versions import keras_of, unmasked_class
from tf_lottery.masking.layers import keras_variables
from tf_lottery.masking.mask_constraint import hold_mask
from tf_lottery.masking.mask_records import MASKS, mask_records, recorded_mask

# Methods that a model of a class of the user's has for itself while it holds masks.
OWN_METHODS = ("save", "save_weights", "load_weights", "fit")


class _SavesMasks:
    """Puts masks that constraints hold into the configuration, which Keras saves with a model."""

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # pyright: ignore[reportAttributeAccessIssue] - of the model
        return {**config, MASKS: mask_records(self)}

    def save_weights(self, filepath: Any, *arguments: Any, **keywords: Any) -> Any:
        save = super().save_weights  # pyright: ignore[reportAttributeAccessIssue] - of the model
        return weight_files.save_weights(save, self, filepath, *arguments, **keywords)

    def load_weights(self, filepath: Any, *arguments: Any, **keywords: Any) -> Any:
        load = super().load_weights  # pyright: ignore[reportAttributeAccessIssue] - of the model
        return weight_files.load_weights(load, self, filepath, *arguments, **keywords)

    def fit(self, *arguments: Any, **keywords: Any) -> Any:
        fit = super().fit  # pyright: ignore[reportAttributeAccessIssue] - of the model
        return masked_fit.fit(fit, self, *arguments, **keywords)

    def __reduce__(self) -> Any:
        reduced: Any = super().__reduce__()
        unpickle, arguments, *others = reduced
        # Keras 3 names the class of the model, which has none to import it by.
        kind: Any = getattr(type(self), "unmasked_class", type(self))
        unpickle = getattr(kind, unpickle.__name__, unpickle)
        return (_unpickled, (unpickle, *arguments), *others)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        masks = config.pop(MASKS)
        load = super().from_config  # pyright: ignore[reportAttributeAccessIssue] - of the model
        model = load(config, custom_objects=custom_objects)
        _hold_saved_masks(model, masks)
        return model


def save_masks_with(model: Any) -> None:
    """Lets Keras save the masks that constraints hold with a model, or say that it does not.

    Args:
      model: a model whose weights have masks. One of a class of Keras saves them from now on; one
        of a class of the user's saves them with its weights alone, and warns when it is saved as a
        whole.
    """
    if unmasked_class(model) in _graph_classes(keras_of(model)):
        _set_class(model, masked_class(unmasked_class(model)))
    else:
        _warn_when_saved(model)
        for method in (weight_files.save_weights, weight_files.load_weights):
            object.__setattr__(model, method.__name__, _with_masks(method, model))
        fit_with_masks(model)


def fit_with_masks(model: Any) -> None:
    """Lets `fit` of a model look at its masks, where its class does not."""
    object.__setattr__(model, "fit", _with_masks(masked_fit.fit, model))


def save_for_export(model: Any, path: Any, **arguments: Any) -> None:
    """Does `model.save(path, **arguments)` without a word on masks, which an export is without.

    Nor does tf_keras say that the metrics of a model that is not compiled are yet to be built.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_not_on_metrics)
    try:
        type(model).save(model, path, **arguments)
    finally:
        logger.removeFilter(_is_not_on_metrics)


def _is_not_on_metrics(record: logging.LogRecord) -> bool:
    return "compiled metrics have yet to be built" not in record.getMessage()


def forget_masks(model: Any) -> None:
    """Makes a model one of its plain class again, which saves no masks."""
    if unmasked_class(model) is not type(model):
        _set_class(model, unmasked_class(model))
    for method in OWN_METHODS:
        vars(model).pop(method, None)


@cache
def masked_class(kind: type) -> type:
    """The class of models that are of a class of Keras, and save masks with themselves.

    Args:
      kind: sequential, or that of functional models, of either Keras.
    """
    members = {"__module__": __name__, "unmasked_class": kind}
    masked = type(f"Masked{kind.__name__}", (_SavesMasks, kind), members)
    keras = _keras_of_class(kind)
    # HDF5 files name the class without its package.
    keras.saving.get_custom_objects()[masked.__name__] = masked
    return keras.saving.register_keras_serializable("tf_lottery")(masked)


def register_masked_classes(keras: Any) -> None:
    """Lets a Keras load the models that `save_masks_with` made."""
    for kind in _graph_classes(keras):
        masked_class(kind)


@cache
def _graph_classes(keras: Any) -> tuple[type, type]:
    x = keras.Input((1,), name="any")
    return keras.Sequential, type(keras.Model(x, x, name="any"))


def _keras_of_class(kind: type) -> Any:
    return sys.modules[kind.__module__.split(".")[0]]


def _unpickled(unpickle: Callable[..., Any], *arguments: Any) -> Any:
    """Unpickles as Keras does. Pickles name this function, so tf_lottery is imported first."""
    return unpickle(*arguments)


def _hold_saved_masks(model: Any, masks: Mapping[str, Any]) -> None:
    variables = keras_variables(model)
    if missing := sorted(set(masks) - set(variables)):
        raise ValueError(
            f"the file of {model.name} has masks of {', '.join(missing)}, but the model has no "
            "such weights."
        )
    for name, saved in masks.items():
        constraint = hold_mask(variables[name], saved["pruning_rate"])
        constraint.kept = saved["kept"]
        constraint.mask.assign(recorded_mask(name, saved, variables[name]))
    save_masks_with(model)


def _set_class(model: Any, kind: type) -> None:
    object.__setattr__(model, "__class__", kind)


def _with_masks(method: Callable[..., Any], model: Any) -> Callable[..., Any]:
    of_keras = getattr(model, method.__name__)

    @functools.wraps(of_keras)
    def own(*arguments: Any, **keywords: Any) -> Any:
        return method(of_keras, model, *arguments, **keywords)

    return own


def _warn_when_saved(model: Any) -> None:
    save = model.save

    @functools.wraps(save)
    def saving(*arguments: Any, **keywords: Any) -> Any:
        warnings.warn(
            f"{model.name} is saved without its masks, as its class is not one of Keras: trained "
            "after it is loaded, its pruned weights would grow again. Save them with "
            "tf_lottery.get_mask(model).save(path), and give them back with tf_lottery.set_mask("
            "tf_lottery.prunable(loaded), tf_lottery.Mask.load(path)); or save "
            "tf_lottery.strip(model) if it is not to be trained on.",
            stacklevel=2,
        )
        return save(*arguments, **keywords)

    object.__setattr__(model, "save", saving)
