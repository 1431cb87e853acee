"""What main.py does with some flags, in this process."""

from dataclasses import replace

from absl import flags

import tf_lottery
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import Command, RunExperiments, command_from_flags
from tf_lottery.cli.flag_files import with_content
from tf_lottery.config.experiment import ExperimentConfig


def command_of(*arguments: str) -> Command:
    """What is asked for."""
    values = flags.FlagValues()
    define_flags(values)
    values(with_content(["main.py", *arguments]))
    return command_from_flags(values)


def command_alone(*arguments: str) -> Command:
    """What is asked for, whatever number of jobs it is done with."""
    asked = command_of(*arguments)
    return replace(asked, jobs=1) if hasattr(asked, "jobs") else asked


def experiments(*arguments: str) -> tuple[ExperimentConfig, ...]:
    """The experiments that are asked for."""
    asked = command_of(*arguments)
    assert isinstance(asked, RunExperiments)
    return asked.configs


def run_command_of(*arguments: str) -> None:
    """Does what flags say."""
    tf_lottery.run_command(command_of(*arguments))
