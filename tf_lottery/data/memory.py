"""How much memory a data set may take."""

from __future__ import annotations

import os
import pathlib

_LARGEST_FRACTION = 0.7


def check_fits_memory(dataset: str, data_bytes: int, available_bytes: int) -> None:
    """Refuses data that would crowd out the training.

    Args:
      dataset: The name of the set, for the message.
      data_bytes: Size of its decoded examples.
      available_bytes: Memory that can be had, from `available_memory`.

    Raises:
      ValueError: If the data would take more than 70 % of the available memory.
    """
    if data_bytes > _LARGEST_FRACTION * available_bytes:
        raise ValueError(
            f"--dataset={dataset} takes {data_bytes / 2**30:.1f} GiB when decoded; "
            f"{available_bytes / 2**30:.1f} GiB of memory are available, of which at most "
            f"{_LARGEST_FRACTION:.0%} may hold data. Choose a smaller data set or image size."
        )


def available_memory() -> int:
    """Returns the bytes that programs can still take: free memory and caches, or else all."""
    # os.sysconf knows free pages only; caches, which programs can take too, often fill the rest.
    meminfo = pathlib.Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
