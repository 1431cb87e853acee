"""Networks that a function of the user's makes: `--model=MODULE:FUNCTION`.

Without TensorFlow, until the module is imported.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tf_lottery.models.images import UnsuitableInputError
from tf_lottery.registry import import_users_module, look_in_current_folder
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

_FORM = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")
_SIGNATURES = (
    "build(inputs, classes), which returns logits, or build(input_shape, classes), which returns a "
    "model"
)
_OF_KERAS_2 = "Networks of the program are of tf_keras: import tf_keras as keras."


def is_own(name: str) -> bool:
    """Whether a value of `--model` names a function."""
    return ":" in name


def check_own(name: str) -> None:
    """Checks that the module of a network is there, without importing it.

    Raises:
      ValueError: if it is not, or the name is no MODULE:FUNCTION.
    """
    module = _parts(name)[0]
    if module not in sys.modules and not _is_there(module):
        raise ValueError(
            f"--model={name}: there is no module {module}, neither installed nor in the current "
            "folder."
        )


def refuse_module_alone(name: str) -> None:
    """Refuses the name of a file in the current folder that is given without its function.

    Raises:
      ValueError: if it is one; says what may have been meant.
    """
    module = name.removesuffix(".py")
    if module.isidentifier() and Path(f"{module}.py").is_file():
        raise ValueError(
            f"--model={name}: write {module}:FUNCTION, with the function of {module}.py that makes "
            f"the network, such as {module}:build."
        )


def look_where_it_was(name: str, file: str | None) -> None:
    """Has a module be found where it was when a run was begun, if it is nowhere else.

    Args:
      name: as given to `--model`.
      file: of the module then; None where that is not known.

    Raises:
      ValueError: if it is not there any more.
    """
    if file is None or not is_own(name):
        return
    module = _parts(name)[0]
    if module in sys.modules or _is_there(module):
        return
    path = Path(file)
    if not path.exists():
        raise ValueError(
            f"--model={name}: the run was made with {file}, which is not there any more. Put the "
            f"module {module} into the current folder, or the name of its folder into PYTHONPATH."
        )
    above = module.count(".") + (path.stem == "__init__")
    sys.path.append(str(path.parents[above]))


def module_of(name: str) -> str:
    """The module in MODULE:FUNCTION.

    Raises:
      ValueError: if the name has another form.
    """
    return _parts(name)[0]


def file_of(name: str) -> str | None:
    """The file of the module of a network; None if it has none."""
    file = find_module(name).__file__
    return None if file is None else str(Path(file).absolute())


def find_module(name: str) -> ModuleType:
    """Imports the module of a network.

    Raises:
      ValueError: if that fails; names the flag.
    """
    return import_users_module(f"--model={name}", _parts(name)[0])


def find_architecture(name: str) -> Callable[[tf.Tensor, int], tf.Tensor]:
    """Finds the function that makes a network, as one of (inputs, classes) that returns logits.

    Raises:
      ValueError: if there is none; names the flag.
    """
    module, function = find_module(name), _parts(name)[1]
    build = getattr(module, function, None)
    if not callable(build):
        known = [text for text, thing in vars(module).items() if inspect.isfunction(thing)]
        raise ValueError(
            f"--model={name}: {module.__name__} has no function {function}; it has "
            f"{', '.join(known) or 'none'}."
        )
    parameters = list(inspect.signature(build).parameters)
    if len(parameters) < 2:
        raise ValueError(
            f"--model={name}: {function}({', '.join(parameters)}) cannot be called; write "
            f"{_SIGNATURES}."
        )
    return returning_logits(name, build)


def returning_logits(name: str, build: Callable[..., Any]) -> Callable[..., tf.Tensor]:
    """What a function of the user's connects, checked when it is called.

    Args:
      name: as given to `--model`.
      build: the function, of inputs or an input shape, classes, and what else its names say.

    Returns:
      A function (inputs, classes, ...) that returns logits.

    Raises:
      ValueError: when called, if the function does not return logits; names the flag.
    """
    takes_shape = next(iter(inspect.signature(build).parameters), "") in ("input_shape", "shape")

    @functools.wraps(build)
    def architecture(inputs: tf.Tensor, classes: int, *groups: Any, **chosen: Any) -> tf.Tensor:
        first = tuple(inputs.shape[1:]) if takes_shape else inputs
        result: Any = build(first, classes, *groups, **chosen)
        if isinstance(result, keras.Model):
            result = _connected(result, inputs)
        if result is None:
            raise ValueError(
                f"--model={name}: {build.__name__} returns nothing; end it with a return of the "
                "logits."
            )
        if not hasattr(result, "shape"):
            raise ValueError(
                f"--model={name}: {build.__name__} returned {type(result)}. {_OF_KERAS_2}"
            )
        if tuple(result.shape) != (None, classes):
            raise ValueError(
                f"--model={name}: its outputs have shape {tuple(result.shape)}, and "
                f"{(None, classes)} is needed: a logit for each of the {classes} classes."
            )
        return result

    return architecture


@contextmanager
def errors_named(name: str, module: str | None) -> Iterator[None]:
    """Names the flag, and the line of the user's module, in whatever is raised within.

    Args:
      name: as given to `--model`.
      module: that has the function; None of the package's own networks, whose errors stay.

    Raises:
      ValueError: what was raised within.
    """
    try:
        yield
    except UnsuitableInputError:
        raise
    except Exception as error:
        if module is None or str(error).startswith(f"--model={name}"):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        file = getattr(sys.modules.get(module), "__file__", None)
        lines = [frame.lineno for frame in frames if frame.filename == file]
        where = f" ({Path(file).name}, line {lines[-1]})" if file and lines else ""
        text = " ".join(str(error).split()).rstrip(".")
        keras_3 = re.search(r"(?<!tf_)keras[./\\]src", f"{text} {frames}")
        hint = f" {_OF_KERAS_2}" if keras_3 else ""
        kind = type(error).__name__
        raise ValueError(f"--model={name}: {kind}{where}: {text}.{hint}") from error


def check_logits(name: str, config: dict[str, Any]) -> None:
    """Checks that a network does not end in a softmax.

    Args:
      name: as given to `--model`.
      config: Keras's configuration of the network.

    Raises:
      ValueError: if it does.
    """
    last = config["output_layers"][0][0]
    layer = next(layer for layer in config["layers"] if layer["name"] == last)
    ends_in = (layer["class_name"], layer["config"].get("activation"))
    if "Softmax" in ends_in or "softmax" in ends_in:
        raise ValueError(
            f"--model={name}: its last layer, {last}, has a softmax, which the loss has already; "
            "leave the activation out."
        )


def _parts(name: str) -> tuple[str, str]:
    form = _FORM.fullmatch(name)
    if form is None or form[1].endswith(".py"):
        meant = re.sub(r"\.py(?=:)", "", name).strip("./").replace("/", ".")
        right = f", such as {meant}" if _FORM.fullmatch(meant) else ", such as my_networks:build"
        raise ValueError(f"--model={name}: write MODULE:FUNCTION{right}.")
    return form[1], form[2]


def _is_there(module: str) -> bool:
    look_in_current_folder()
    try:
        return importlib.util.find_spec(module) is not None
    # Of a package that is no package, or is not there.
    except (ImportError, ValueError):
        return False


def _connected(model: keras.Model, inputs: tf.Tensor) -> tf.Tensor:
    """The outputs of a model's layers on other inputs; subclassed models have no layers to take."""
    if not isinstance(model, keras.Sequential) and not model._is_graph_network:
        raise ValueError("it is no functional or sequential model; return logits of its layers")
    return keras.models.clone_model(model, input_tensors=inputs).output
