"""Where tables and progress are shown."""

from rich.console import Console

from tf_lottery.messages import speaks


def default_console() -> Console:
    """Standard output, or nothing if the library's messages are silenced."""
    return Console(quiet=not speaks())


def print_line(text: str, console: Console) -> None:
    """Prints a text, in which names may be any bytes, without breaking its lines."""
    lines = map(printable, text.splitlines())
    console.print("\n".join(lines), highlight=False, markup=False, emoji=False, soft_wrap=True)


def printable(text: str) -> str:
    """Returns a text, in which names may be any bytes, as one line that any stream takes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
