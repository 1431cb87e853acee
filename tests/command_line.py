"""What main.py does with some flags, in this process."""

from absl import flags

import tf_lottery
from tf_lottery.cli.commands import Command, command_from_flags, define_flags


def command_of(*arguments: str) -> Command:
    """What is asked for; --flagfile is a flag as in main.py, and may be given several times."""
    values = flags.FlagValues()
    define_flags(values)
    flags.DEFINE_multi_string("flagfile", [], "", flag_values=values)
    values(["main.py", *arguments])
    return command_from_flags(values)


def run_command_of(*arguments: str) -> None:
    """Does what flags say."""
    tf_lottery.run_command(command_of(*arguments))
