"""Figures whose files are blank: to draw them takes long, where nothing looks at them."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_blank(figure: Figure, file: str | Path | IO[bytes], *, format: str, **_: Any) -> None:
    """Takes the place of `Figure.savefig`."""
    content = b'<svg viewBox="0 0 1 1"></svg>' if format == "svg" else b"\x89PNG\r\n\x1a\n"
    if isinstance(file, str | Path):
        Path(file).write_bytes(content)
    else:
        file.write(content)
