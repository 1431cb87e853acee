"""Where tables and progress are shown."""

from rich.console import Console

from tf_lottery.messages import speaks


def default_console() -> Console:
    """Standard output, or nothing if the library's messages are silenced."""
    return Console(quiet=not speaks())
