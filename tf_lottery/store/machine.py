"""What the machine has: cores, and what is left of memory and disk."""

import os
import pathlib
import shutil
import sys

_CGROUPS = pathlib.Path("/sys/fs/cgroup")


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Returns the bytes that programs can still take: those of the machine, or of a container."""
    of_machine, of_container = _memory_of_machine(), _memory_of_container()
    return of_machine if of_container is None else min(of_machine, of_container)


def _memory_of_container() -> int | None:
    """What the limit of a container (a control group of Linux) leaves; None without a limit."""
    for folder, limit, used in (
        (_CGROUPS, "memory.max", "memory.current"),
        (_CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            # "max", and of the older kind an enormous number, are no limits.
            most, now = (int((folder / name).read_text()) for name in (limit, used))
        except (OSError, ValueError):
            continue
        return max(0, most - now + _caches(folder))
    return None


def _caches(folder: pathlib.Path) -> int:
    """The bytes of files that a container holds in memory and gives back when they are needed."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        numbers = dict(line.split() for line in lines)
        # Of the older kind those of groups below are added under another name.
        return int(numbers.get("total_inactive_file", numbers.get("inactive_file", 0)))
    except (OSError, ValueError):
        return 0


def _memory_of_machine() -> int:
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
