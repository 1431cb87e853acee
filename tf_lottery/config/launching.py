"""What begins the trainings of a study: this machine's processes, or the engine of a cluster."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LauncherName = Literal["local", "submitit", "dask"]

# Of submitit, whose values are lists of commands or arguments.
_LISTS = ("setup", "teardown", "srun_args")
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Launcher:
    """What begins the trainings of a study.

    Attributes:
      name: as in --launcher.
      options: settings of it, by name.
    """

    name: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether trainings run in processes of this machine, begun by this one."""
        return self.name == "local"


LOCAL = Launcher()


def read_launcher(name: str, text: str) -> Launcher:
    """Reads the values of --launcher and --launcher_options.

    Args:
      name: as in --launcher.
      text: such as "partition:gpu,timeout_min:600"; what has a comma in it is in double quotes, and
        a setting that is a list may be there several times.

    Raises:
      ValueError: if it cannot be read; names the flag.
    """
    if text.strip() and name == "local":
        raise ValueError(
            f"--launcher_options={text} is for --launcher=submitit or dask; give that as well, or "
            "leave it out."
        )
    options: dict[str, Any] = {}
    for part in _split(text):
        option, colon, value = (piece.strip() for piece in part.partition(":"))
        if not (option.isidentifier() and colon and value):
            raise ValueError(
                f"--launcher_options={text}: write NAME:VALUE,NAME:VALUE,..., such as "
                'partition:gpu,timeout_min:600; what has a comma in double quotes, "NAME:A,B".'
            )
        if option.split("_", 1)[-1] in _LISTS or option in _LISTS:
            options.setdefault(option, []).append(value)
        elif option in options:
            raise ValueError(f"--launcher_options={text}: {option} is there twice; give it once.")
        else:
            options[option] = _read(value)
    return Launcher(name, options)


def options_text(launcher: Launcher) -> str:
    """The value of --launcher_options that gives a launcher's options."""
    parts = []
    for name, value in launcher.options.items():
        for each in value if isinstance(value, list) else [value]:
            text = str(each).lower() if isinstance(each, bool) else str(each)
            part = f"{name}:{text}"
            quoted = part.replace('"', '""')
            parts.append(f'"{quoted}"' if set(part) & set(',"') else part)
    return ",".join(parts)


def _split(text: str) -> list[str]:
    if not text.strip():
        return []
    try:
        return next(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"--launcher_options={text}: put what has a comma in it in double quotes, such as "
            '"exclude:node1,node2".'
        ) from error


def _read(text: str) -> Any:
    if text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        # What is written otherwise is a name, or a time, and not a number: 007, 1e3, infinity.
        return number if str(number) == text else text
    return text
