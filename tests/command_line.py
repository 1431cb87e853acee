"""What main.py does with some flags, in this process."""

from absl import flags

import tf_lottery
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import Command, command_from_flags
from tf_lottery.cli.flag_files import with_content


def command_of(*arguments: str) -> Command:
    """What is asked for."""
    values = flags.FlagValues()
    define_flags(values)
    values(with_content(["main.py", *arguments]))
    return command_from_flags(values)


def run_command_of(*arguments: str) -> None:
    """Does what flags say."""
    tf_lottery.run_command(command_of(*arguments))
