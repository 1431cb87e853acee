"""Things of one kind by name: each is a file that registers itself, here or in a plug-in.

A plug-in is a module of the user's, named by `--plugin`, or that of an installed package, named by
an entry point in the group "tf_lottery.plugins".
"""

import difflib
import functools
import importlib
import os
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType
from typing import Any, Generic, TypeVar

from tf_lottery.users_code import told

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind: all that the files of a package register, and what plug-ins add.

    A file of the package registers what it defines when it is imported. All of them are imported
    when something is first looked for, so they must not import TensorFlow: flags and refusals do
    not wait for it.
    """

    def __init__(self, kind: str, flag: str, package: str):
        """Imports nothing yet.

        Args:
          kind: what the things are, in the singular, such as "branch".
          flag: that chooses one of them, such as "--branch", for error messages.
          package: name of the package whose files register things.
        """
        self._kind, self._flag, self._package = kind, flag, package
        self._found: dict[str, T] = {}
        self._modules: dict[str, str] = {}
        self._loaded = False

    def add(self, name: str, thing: T, module: str) -> None:
        """Adds a thing.

        Args:
          name: by which it is found.
          thing: of the registry's kind.
          module: that defines it; the same one may do so again, as when a notebook's cell is run
            once more.

        Raises:
          ValueError: if another module has one of that name.
        """
        if not module.startswith(f"{self._package}."):
            # Of two modules, the plug-in is at fault, which is often imported before the package's.
            self._load()
        owner = self._modules.get(name, module)
        if owner != module:
            raise ValueError(f"{module}: there is a {self._kind} {name!r} already, in {owner}.")
        self._found[name], self._modules[name] = thing, module

    def remove(self, name: str) -> None:
        """Takes a thing away again, as tests do with theirs."""
        del self._found[name], self._modules[name]

    def all(self) -> Mapping[str, T]:
        """All things by name, in the order of the names."""
        self._load()
        return MappingProxyType(dict(sorted(self._found.items())))

    def find(self, name: Any) -> T:
        """Finds a thing by name.

        Raises:
          ValueError: if there is none; names those that there are.
        """
        known = self.all()
        if not isinstance(name, str) or name not in known:
            raise self.unknown(name, list(known))
        return known[name]

    def check_only_one(self, name: str, things: Sequence[str]) -> None:
        """Checks that no two things go by a name that was given.

        Args:
          name: as it was given.
          things: the names of those whose patterns it fits.

        Raises:
          ValueError: if two do; names the modules that registered them.
        """
        if len(things) > 1:
            both = " and ".join(f"{thing} of {self._modules[thing]}" for thing in things)
            raise ValueError(
                f"{self._flag}={name} is a {self._kind} of each of {both}; register one of them "
                "under another name."
            )

    def unknown(
        self, name: Any, known: Sequence[str], spelled: Mapping[str, str] | None = None
    ) -> ValueError:
        """The error that refuses a name.

        Args:
          name: as it was given.
          known: what there is, as it is shown.
          spelled: names that may have been meant, by how they are compared; by default the known.
        """
        spelled = spelled or {text.lower(): text for text in known}
        close = [spelled[text] for text in likely_names(str(name).lower(), spelled)]
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        return ValueError(
            f"{self._flag}={name} is not a known {self._kind}.{meant} "
            f"Known are: {', '.join(sorted(known))}."
        )

    def module_of(self, name: str) -> str:
        """The name of the module that registered a thing."""
        self._load()
        return self._modules[name]

    def _load(self) -> None:
        if self._loaded:
            return
        # Before the imports, some of which may look for what others have registered.
        self._loaded = True
        try:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
            import_installed_plugins()
        except BaseException:
            # Such as Ctrl-C: half of them must not pass for all.
            self._loaded = False
            raise


def likely_names(given: str, known: Iterable[str]) -> list[str]:
    """What may have been meant by a name that is not known, the likeliest first.

    Args:
      given: the name.
      known: the names that there are.

    Returns:
      At most three: those that begin with the same word, as "lenet_300_100" for "lenet_0"; else
      those that have the name in them, and those with a slip of the finger.
    """
    names = sorted(set(known))
    begun = [name for name in names if given and name.startswith(given)]
    word = re.match(r"[^\W\d_]{3,}", given)
    if not begun and word:
        alike = [name for name in names if name.startswith(word[0])]
        begun = difflib.get_close_matches(given, alike, n=3, cutoff=0)
    if begun:
        return begun[:3]
    within = [name for name in names if len(given) >= 3 and given in name]
    return list(dict.fromkeys([*within, *difflib.get_close_matches(given, names)]))[:3]


_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


# In order, each once.
_PLUGINS: dict[str, None] = {}


def imported_plugins() -> tuple[str, ...]:
    """The plug-ins that were imported by name in this process."""
    return tuple(_PLUGINS)


def import_plugin(name: str) -> None:
    """Imports a module, which may lie in the current folder, that registers things.

    Args:
      name: of the module, such as "my_package.my_module".

    Raises:
      ValueError: if it cannot be imported; names the flag.
    """
    if not _NAME.fullmatch(name) or name.endswith(".py"):
        meant = name.removesuffix(".py").strip("./").replace("/", ".")
        right = f", such as {meant}" if _NAME.fullmatch(meant) else ""
        raise ValueError(f"--plugin={name}: write the name of a module{right}.")
    import_users_module(f"--plugin={name}", name)
    _PLUGINS[name] = None


def import_users_module(flag: str, name: str) -> ModuleType:
    """Imports a module of the user's, which may lie in the current folder.

    Args:
      flag: that names it, with its value.
      name: of the module.

    Raises:
      ValueError: if it cannot be imported; names the flag.
    """
    look_in_current_folder()
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name in _parents(name)
        reason = (
            "there is no such module, neither installed nor in the current folder"
            if missing
            else f"its import failed with {type(error).__name__}: {told(error).rstrip('.')}"
        )
        raise ValueError(f"{flag}: {reason}.") from error


def look_in_current_folder() -> None:
    """Has Python find modules in the current folder too, as the last place."""
    here = os.getcwd()  # noqa: PTH109 - sys.path holds texts
    if here not in sys.path:
        sys.path.append(here)


@functools.cache
def import_installed_plugins() -> None:
    """Imports the plug-ins of installed packages; one that fails is warned of, and left out."""
    for point in entry_points(group="tf_lottery.plugins"):
        try:
            point.load()
        except Exception as error:
            warnings.warn(
                f"The plug-in {point.name} ({point.value}) is left out: {type(error).__name__}: "
                f"{error}",
                stacklevel=2,
            )


def _parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[: count + 1]) for count in range(len(parts))}
