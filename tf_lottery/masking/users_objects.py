"""What layers have of the user's own: functions, initializers, regularizers, layers within."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from tf_lottery.masking.keras_versions import is_of_keras, keras_of
from tf_lottery.masking.layers import leaf_layers

_NAME = "tf_lottery_function_{}"


@contextmanager
def users_objects_known(layer: Any) -> Iterator[None]:
    """Lets Keras make a layer from the configuration of this one, whatever it has of the user's.

    Keras would have to be told of functions and classes of the user's beforehand, and refuses
    lambdas. A configuration names functions: here each goes by a name of its own meanwhile.
    """
    held = [thing for _, part in leaf_layers(layer) for thing in _held_by(part)]
    functions = {id(thing): thing for thing in held if isinstance(thing, FunctionType)}.values()
    named = {_NAME.format(number): function for number, function in enumerate(functions)}
    saving = keras_of(layer).saving
    kinds = {type(thing) for thing in held if not isinstance(thing, FunctionType)}
    # Those that are registered are known, by longer names.
    kinds = {kind for kind in kinds if saving.get_registered_name(kind) == kind.__name__}
    own_names = [function.__name__ for function in named.values()]
    try:
        for name, function in named.items():
            function.__name__ = name
        with saving.custom_object_scope({**named, **{kind.__name__: kind for kind in kinds}}):
            yield
    finally:
        for function, name in zip(named.values(), own_names, strict=True):
            function.__name__ = name


def users_objects(layer: Any) -> Iterator[Any]:
    """Functions and configurable objects that a layer has from neither Keras nor TensorFlow.

    Those in the layers that it holds are not looked at.
    """
    for thing in _held_by(layer):
        kind = thing if isinstance(thing, FunctionType) else type(thing)
        if kind.__module__.split(".")[0] != "tensorflow":
            yield thing


def _held_by(layer: Any) -> Iterator[Any]:
    """Functions and configurable objects that do not come with Keras."""
    for thing in flat(vars(layer).values()):
        configurable = isinstance(thing, FunctionType) or hasattr(type(thing), "get_config")
        if configurable and not is_of_keras(thing):
            yield thing


def flat(things: Iterable[Any]) -> Iterator[Any]:
    """What is in lists, tuples and dictionaries, and those in them."""
    for thing in things:
        if isinstance(thing, list | tuple):
            yield from flat(thing)
        elif isinstance(thing, Mapping):
            yield from flat(thing.values())
        else:
            yield thing
