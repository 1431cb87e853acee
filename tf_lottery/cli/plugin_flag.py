"""The plug-ins that a command line names: they are imported before there are any other flags."""

from collections.abc import Sequence

from absl import flags

from tf_lottery.cli.flag_files import parts_of
from tf_lottery.config.arguments import refusal


def plugins_in(arguments: Sequence[str]) -> list[str]:
    """The modules that --plugin names, on the command line or in its flag files.

    Args:
      arguments: of the command line, the program first.

    Returns:
      Their names, each once. None if the arguments cannot be read: that is told later, when all
      flags are known.

    Raises:
      ValueError: if the flag names none, and there is no flag file.
    """
    values = flags.FlagValues()
    flags.DEFINE_string("plugin", "", "", flag_values=values)
    try:
        parts = list(parts_of(arguments))
        values(_alone([line for _, lines in parts for line in lines]))
    except (flags.Error, ValueError):
        return []
    names = [name.strip() for name in values["plugin"].value.split(",")]
    found = list(dict.fromkeys(name for name in names if name))
    # The flag files of run folders have it even where there are none.
    if not found and values["plugin"].present and all(file is None for file, _ in parts):
        raise refusal(
            "--plugin",
            values["plugin"].value,
            "write the name of a module, such as my_module, or leave it out",
        )
    return found


def _alone(arguments: Sequence[str]) -> list[str]:
    """What is of the flag, behind a stand-in for the program."""
    found = ["program"]
    for position, argument in enumerate(arguments):
        if argument in ("--plugin", "-plugin"):
            found += arguments[position : position + 2]
        elif argument.startswith(("--plugin=", "-plugin=")):
            found.append(argument)
    return found
