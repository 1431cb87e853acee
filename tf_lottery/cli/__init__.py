"""The program: flags, commands, help."""

import sys
from typing import NoReturn

from tf_lottery.interrupts import errors_of_interrupts, remember_interrupts

# What shells give a process that Ctrl-C has ended.
_INTERRUPTED = 130


def main() -> None:
    """Does what the flags in `sys.argv` describe, and exits."""
    remember_interrupts()
    try:
        with errors_of_interrupts():
            # Takes a moment, in which somebody may think better of it.
            from tf_lottery.cli import program

            program.main()
    except KeyboardInterrupt:
        end_interrupted("Interrupted before anything was begun.")


def end_interrupted(said: str) -> NoReturn:
    """Exits after Ctrl-C.

    Args:
      said: on standard error, as a line of its own.
    """
    sys.stderr.write(f"\n{said}\n")
    sys.exit(_INTERRUPTED)
