"""The program: flags, commands, help."""

import sys


def main() -> None:
    """Does what the flags in `sys.argv` describe, and exits."""
    try:
        # Takes a moment, in which somebody may think better of it.
        from tf_lottery.cli import program

        program.main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted before anything was begun.")
