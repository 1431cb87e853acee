"""The configuration's dataclasses as absl flags, and back."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from absl import flags

from tf_lottery.config.analyses import OTHER_COMMANDS, analysis_names
from tf_lottery.config.arguments import expanded
from tf_lottery.config.branches import branch_options
from tf_lottery.config.experiment import (
    ExperimentConfig,
    config_from_values,
    config_options,
    sections,
)
from tf_lottery.config.number_ranges import parse_ranges
from tf_lottery.config.options import choices_of, kinds_of, options_of
from tf_lottery.registry import likely_names


class _WholeNumber(flags.IntegerParser):
    """Reads whole numbers, and says in plain words what is none."""

    def convert(self, argument: str | int) -> int:
        try:
            return int(super().convert(argument))
        except ValueError:
            raise ValueError("use a whole number, such as 5") from None


class _Number(flags.FloatParser):
    """Reads numbers, and says in plain words what is none."""

    def convert(self, argument: str | float) -> float:
        try:
            return super().convert(argument)
        except ValueError:
            raise ValueError("use a number, such as 0.5") from None


class _YesOrNo(flags.BooleanParser):
    """Reads true and false, and says in plain words what is neither."""

    def parse(self, argument: str | int | bool) -> bool:
        try:
            return super().parse(argument)
        except ValueError:
            raise ValueError("use true or false") from None


class _Choice(flags.EnumParser):
    """Reads one of some texts, and says which may have been meant."""

    def parse(self, argument: str) -> str:
        try:
            return super().parse(argument)
        except ValueError:
            close = likely_names(str(argument).lower(), self.enum_values)
            meant = f" Did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(f"use one of {', '.join(self.enum_values)}.{meant}") from None


class _NumberOrRanges(flags.ArgumentParser):
    """Reads "10" as a number and leaves "0-5,8" as it is."""

    syntactic_help = "a number, or ranges of numbers"

    def parse(self, argument: str | int) -> int | str:
        text = str(argument).strip()
        try:
            return int(text)
        except ValueError:
            pass
        try:
            parse_ranges(text, "--levels")
        except ValueError as error:
            # The flag and its value are named by absl.
            raise ValueError(str(error).removeprefix(f"--levels={text}: ")) from None
        return text


class _NumberOrAuto(flags.ArgumentParser):
    """Reads "0.2" as a number and leaves "auto" as it is."""

    syntactic_help = "a number, or auto"

    def parse(self, argument: str | float) -> float | str:
        text = str(argument).strip()
        if text == "auto":
            return text
        try:
            return float(text)
        except ValueError:
            raise ValueError("use a number, such as 0.2, or auto") from None


_PARSERS = {"levels": _NumberOrRanges, "pruning_rate": _NumberOrAuto}


def other_experiments() -> tuple[str, ...]:
    """What the program does besides running the experiment that a configuration describes."""
    return (*OTHER_COMMANDS, *analysis_names())


def define_config_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each option and parameter of a branch: its default, type and help."""
    define_options(all_options().values(), flag_values)


def all_options() -> dict[str, dataclasses.Field]:
    """The options of the configuration, and the parameters of branches, by name."""
    return {**config_options(), **branch_options()}


_NUMBERS = {int: _WholeNumber, float: _Number}


def define_options(
    options: Iterable[dataclasses.Field], flag_values: flags.FlagValues = flags.FLAGS
) -> None:
    """Defines a flag for each field that `config.option` made."""
    for option in options:
        kind = _kind(option)
        arguments = {
            "default": option.default,
            "help": option.metadata["help"],
            "flag_values": flag_values,
        }
        choices = choices_of(option.type)
        if option.name == "experiment":
            choices += other_experiments()
            arguments["help"] += (
                " report: a page about the experiments of --run; list: the runs in --workdir; "
                "verify: reads all files of --run, or of --workdir, and says what is damaged; "
                "export: files to ship of a ticket of --run; reproduce: a --figure of a paper. The "
                "others are analyses of --run."
            )
        if option.name in _PARSERS:
            serializer = flags.ArgumentSerializer()
            flags.DEFINE(_PARSERS[option.name](), option.name, serializer=serializer, **arguments)
        elif choices:
            define_choice(option.name, choices=choices, **arguments)
        elif kind is bool:
            flags.DEFINE_bool(option.name, **arguments)
            flag_values[option.name].parser = _YesOrNo()
        elif kind in _NUMBERS:
            serializer = flags.ArgumentSerializer()
            flags.DEFINE(_NUMBERS[kind](), option.name, serializer=serializer, **arguments)
        else:
            flags.DEFINE_string(option.name, **arguments)


def define_choice(
    name: str,
    default: str | None,
    choices: Iterable[str],
    help: str,
    flag_values: flags.FlagValues = flags.FLAGS,
) -> None:
    """Defines a flag that takes one of some texts.

    Args:
      name: of the flag.
      default: its value if it is not given.
      choices: the texts.
      help: what it does.
      flag_values: to define it in.
    """
    flags.DEFINE_enum(name, default, list(choices), help, flag_values=flag_values)
    flag_values[name].parser = _Choice(list(choices))


def config_from_flags(flag_values: flags.FlagValues = flags.FLAGS) -> ExperimentConfig:
    """Reads the parsed flags.

    Raises:
      ValueError: if a value is out of range; names the flag.
    """
    return config_from_values({name: flag_values[name].value for name in all_options()})


def given_values(flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
    """Values of those configuration flags that were given, on the command line or in a file."""
    return {name: flag_values[name].value for name in all_options() if flag_values[name].present}


def read_flag_file(path: Path) -> dict[str, Any]:
    """Reads the values that a flag file gives; those it does not mention are missing.

    Raises:
      ValueError: if it is missing or holds other flags.
    """
    values = flags.FlagValues()
    define_config_flags(values)
    flags.DEFINE_multi_string("flagfile", [], "", flag_values=values)
    try:
        values(["flags", f"--flagfile={path}"])
    except flags.Error as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return given_values(values)


def flags_text(config: ExperimentConfig) -> str:
    """A flag file that replays an experiment, with absolute paths."""
    lines = []
    for name in sections():
        section = getattr(config, name)
        for option in options_of(section):
            value: Any = getattr(section, option.name)
            if value is None:
                continue
            if option.metadata["path"]:
                value = expanded(f"--{option.name}", value).absolute()
            lines.append(f"--{option.name}={value}")
    return "\n".join(lines) + "\n"


def _kind(option: dataclasses.Field) -> type:
    """The type of a field, without the None of an optional one."""
    return next(kind for kind in kinds_of(option.type) if kind is not type(None))
