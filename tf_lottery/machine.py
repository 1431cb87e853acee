"""What the machine has left: memory and disk."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys


def available_memory() -> int:
    """Returns the bytes that programs can still take: free memory and caches, or else all."""
    # os.sysconf knows free pages only; caches, which programs can take too, often fill the rest.
    meminfo = pathlib.Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def available_disk(path: pathlib.Path) -> int:
    """Returns the bytes that can still be written to a folder, which need not exist."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    usage = shutil.disk_usage(path)
    # What is no disk, such as /proc, has no size; that it cannot be written is told elsewhere.
    return usage.free if usage.total else sys.maxsize


def bytes_text(number: int) -> str:
    """Writes a number of bytes, such as "1.5 GB"."""
    for unit, size in (("EB", 1e18), ("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{max(1, round(number / 1e3))} kB"
