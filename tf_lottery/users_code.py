"""Where in a user's own code an error arose, which refusals of the program do not show else."""

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

# With TensorFlow's for a device without memory, which may not be imported yet.
_REFUSALS = (ValueError, OSError, MemoryError)
_OUT_OF_MEMORY = "ResourceExhaustedError"
_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
_GENERATED = ("<", "__autograph_generated_file")


class PluginError(ValueError):
    """A plug-in's code has a fault; what it has raised is the cause."""


@contextmanager
def plugin_faults_named(thing: str, module: str) -> Iterator[None]:
    """Names a thing of a plug-in in what is raised within, but not in refusals of the plug-in's.

    Args:
      thing: as on the command line, such as "--branch=scaled".
      module: that registered it; nothing is changed where it is the package's own.

    Raises:
      PluginError: if something was raised that does not tell users what is wrong.
    """
    try:
        yield
    except Exception as error:
        kind = type(error)
        tells = isinstance(error, _REFUSALS) or kind.__name__ == _OUT_OF_MEMORY
        if tells or any(name.startswith("tf_lottery.") for name in (kind.__module__, module)):
            raise
        said = "".join(traceback.format_exception_only(error)).strip()
        raise PluginError(f"{thing}, of the module {module}, failed with {said}") from error


def told(error: BaseException, said: str | None = None) -> str:
    """What an error says; if it arose in a plug-in or network of the user's, also where.

    Args:
      error: that was raised.
      said: what is said in place of its own text.
    """
    text = str(error) if said is None else said
    if isinstance(error, PluginError):
        return f"{text}\n{_users_calls(error.__cause__)}".rstrip()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename)]
    if not own:
        return text
    return f"{text}\nIt arose in line {own[-1].lineno} of {own[-1].filename}."


def _users_calls(error: BaseException | None) -> str:
    """The traceback of an error, from the first line of the user's on; "" if there is none."""
    frames = traceback.extract_tb(error and error.__traceback__)
    first = next((n for n, frame in enumerate(frames) if _is_users(frame.filename)), len(frames))
    return "".join(traceback.format_list(frames[first:]))


@cache
def _is_users(name: str) -> bool:
    if Path(name).name.startswith(_GENERATED):
        return False
    others = [_PACKAGE, *(Path(sysconfig.get_path(kind)) for kind in _INSTALLED)]
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    file = Path(name).resolve()
    return not any(file.is_relative_to(folder) for folder in others) and (
        main is None or file != Path(main).resolve()
    )
