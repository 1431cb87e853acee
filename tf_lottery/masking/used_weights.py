"""Weights that functions and operations of a graph use, other than by calling their layer."""

import dis
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from tf_lottery.masking.keras_versions import (
    graph_calls,
    is_graph,
    is_layer,
    tensorflow_variable,
)
from tf_lottery.masking.layers import keras_variables, leaf_layers
from tf_lottery.masking.users_objects import flat

# Functions of these packages use no weights but those that they are given.
_LIBRARIES = frozenset(
    {"keras", "tf_keras", "tensorflow", "tensorflow_model_optimization", "numpy", "tf_lottery"}
)


def weights_used_directly(graph: Any) -> dict[str, str]:
    """Finds operations and functions that use a weight of the graph themselves.

    Such as a `Lambda` that multiplies with the kernel of another layer, or `tf.matmul(hidden,
    layer.kernel)`. In a copy of the graph by Keras they go on using the weight of the original.

    Args:
      graph: a built Sequential or functional model of either Keras.

    Returns:
      Name of the layer to the name of a weight that it uses so.
    """
    names = {
        id(known): name
        for name, variable in keras_variables(graph).items()
        for known in (variable, tensorflow_variable(variable))
    }
    users = {}
    for path, layer in leaf_layers(graph):
        # Keras too gives layers functions of their own weights, such as penalties.
        own = {id(variable) for variable in layer.variables}
        for function in _functions_of(layer):
            for used in _weights_reached(function, set(), frozenset()):
                if id(used) in names and id(used) not in own:
                    users.setdefault(path, names[id(used)])
    for user, argument in _arguments_in(graph):
        if id(argument) in names:
            users.setdefault(user, names[id(argument)])
    return users


def _arguments_in(graph: Any) -> Iterator[tuple[str, Any]]:
    """What is called in a graph, and graphs in it, with each thing that it is called with."""
    for call in graph_calls(graph):
        if is_graph(call.layer):
            yield from _arguments_in(call.layer)
        for argument in flat((call.arguments, call.keywords)):
            yield call.layer.name, argument


def _functions_of(layer: Any) -> Iterator[Callable]:
    """The functions that a layer was given, and those of its class."""
    for thing in flat(vars(layer).values()):
        if isinstance(thing, FunctionType | MethodType | partial):
            yield thing
    for kind in type(layer).__mro__:
        if kind.__module__.split(".")[0] in _LIBRARIES:
            return
        yield from (thing for thing in vars(kind).values() if isinstance(thing, FunctionType))


def _weights_reached(thing: Any, seen: set[int], attributes: frozenset[str]) -> Iterator[Any]:
    """The variables that a function reaches by its closure, its defaults and its globals.

    Args:
      thing: the function, or what it reaches.
      seen: ids of what was looked at; takes others.
      attributes: that the function looks up: of objects that are no layers, no others count.
    """
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, partial):
        reached = [thing.func, *thing.args, *thing.keywords.values()]
    elif isinstance(thing, MethodType):
        attributes |= set(_looked_up(thing.__func__, "LOAD_ATTR", "LOAD_METHOD"))
        reached = [thing.__func__, thing.__self__]
    elif isinstance(thing, FunctionType):
        if thing.__module__ is not None and thing.__module__.split(".")[0] in _LIBRARIES:
            return
        reached = [*_cells(thing), *(thing.__defaults__ or ())]
        reached += [*(thing.__kwdefaults__ or {}).values()]
        names = set(_looked_up(thing, "LOAD_GLOBAL", "LOAD_NAME"))
        attributes |= set(_looked_up(thing, "LOAD_ATTR", "LOAD_METHOD"))
        reached += [thing.__globals__[name] for name in names if name in thing.__globals__]
    elif isinstance(thing, list | tuple | dict):
        reached = [*flat([thing])]
    elif hasattr(thing, "python_function"):  # Of tf.function.
        reached = [thing.python_function]
    elif hasattr(thing, "assign"):
        yield thing
        return
    elif is_layer(thing):
        yield from thing.variables
        return
    else:
        called = inspect.getattr_static(type(thing), "__call__", None)
        attributes |= set(_looked_up(called, "LOAD_ATTR", "LOAD_METHOD"))
        reached = [part for name, part in _own(thing) if name in attributes]
    for each in reached:
        yield from _weights_reached(each, seen, attributes)


def _cells(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # It is set later.
            continue


def _own(thing: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object; none of a class, a module or an object of a library."""
    if isinstance(thing, type | ModuleType) or type(thing).__module__.split(".")[0] in _LIBRARIES:
        return
    yield from getattr(thing, "__dict__", {}).items()


def _looked_up(function: Any, *instructions: str) -> Iterator[str]:
    """The names that a function looks up by some kinds of instructions; none without code."""
    codes = [code] if isinstance(code := getattr(function, "__code__", None), CodeType) else []
    while codes:
        code = codes.pop()
        for instruction in dis.get_instructions(code):
            if instruction.opname in instructions:
                yield instruction.argval
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
