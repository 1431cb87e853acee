"""The configuration's dataclasses as absl flags, and back."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import flags

from tf_lottery.config import ExperimentConfig, config_from_values


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag per configuration field, with its default, type and help."""
    for option in _options():
        kind = _kind(option)
        arguments = {
            "default": option.default,
            "help": option.metadata["help"],
            "flag_values": flag_values,
        }
        if option.metadata["choices"]:
            flags.DEFINE_enum(option.name, enum_values=option.metadata["choices"], **arguments)
        elif kind is bool:
            flags.DEFINE_bool(option.name, **arguments)
        elif kind is int:
            flags.DEFINE_integer(option.name, **arguments)
        elif kind is float:
            flags.DEFINE_float(option.name, **arguments)
        else:
            flags.DEFINE_string(option.name, **arguments)


def config_from_flags(flag_values: flags.FlagValues = flags.FLAGS) -> ExperimentConfig:
    """Reads the parsed flags.

    Raises:
      ValueError: if a value is out of range; names the flag.
    """
    return config_from_values(
        {option.name: flag_values[option.name].value for option in _options()}
    )


def flags_text(config: ExperimentConfig) -> str:
    """A flag file that replays an experiment, with absolute paths."""
    lines = []
    for section in dataclasses.fields(config):
        for option in dataclasses.fields(section.type):
            value: Any = getattr(getattr(config, section.name), option.name)
            if value is None:
                continue
            if option.metadata["path"]:
                value = Path(value).expanduser().absolute()
            lines.append(f"--{option.name}={value}")
    return "\n".join(lines) + "\n"


def _options() -> Iterator[dataclasses.Field]:
    for section in dataclasses.fields(ExperimentConfig):
        yield from dataclasses.fields(section.type)


def _kind(option: dataclasses.Field) -> type:
    """The type of a field, without the None of an optional one."""
    if isinstance(option.type, types.UnionType):
        return next(kind for kind in typing.get_args(option.type) if kind is not type(None))
    return option.type
