"""The bytes of a folder, for searches that have to leave it as it is."""

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
