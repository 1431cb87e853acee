"""The program: what `main.py` and the command `tf-lottery` do with their flags."""

import os
import sys

from absl import app, flags, logging

import tf_lottery
from tf_lottery import commands, help_page
from tf_lottery import flags as experiment_flags


def main() -> None:
    """Defines the flags, reads them from `sys.argv`, does what they describe, and exits."""
    commands.define_flags()
    try:
        answer = help_page.asked_for(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"Error: {error}")
    if answer is not None:
        _print_whole(answer)
        return
    for module in (commands, experiment_flags):
        for flag in flags.FLAGS.get_key_flags_for_module(module):
            # --help shows the key flags of the program that is run, whichever that is.
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(_run)


def _print_whole(text: str) -> None:
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing may be written at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(arguments[1:])}")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    try:
        return tf_lottery.run_command(commands.command_from_flags())
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command continues where it stopped.")
    except (ValueError, ArithmeticError, ConnectionError) as error:
        sys.exit(f"Error: {error}")
