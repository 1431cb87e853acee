"""Does what its flags describe: `python main.py --flagfile=configs/NAME.cfg`."""

import sys

from absl import app, flags, logging

import tf_lottery
from tf_lottery import commands
from tf_lottery import flags as experiment_flags


def main(arguments: list[str]) -> None:
    """Does what the flags describe."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(arguments[1:])}")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    try:
        tf_lottery.run_command(commands.command_from_flags())
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command continues where it stopped.")
    except (ValueError, ArithmeticError, ConnectionError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    commands.define_flags()
    for module in (commands, experiment_flags):
        flags.adopt_module_key_flags(module)
    app.run(main)
