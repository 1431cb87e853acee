"""The program: flags, commands, help."""

from tf_lottery.cli.program import main

__all__ = ["main"]
