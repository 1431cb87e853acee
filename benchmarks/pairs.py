"""Alternating pairs: the only timings that mean something on a machine whose speed drifts."""

import statistics
import time
from collections.abc import Callable, Mapping


def time_call(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def alternate(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Calls each once to warm up, then all in turn, `rounds` times.

    Returns:
      Seconds of every counted call, by name.
    """
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(time_call(run))
    return seconds


def print_ratios(title: str, seconds: Mapping[str, list[float]], reference: str) -> None:
    """Prints median seconds and the median of the ratios to `reference`, pair by pair."""
    print(f"\n{title}")
    for name, own in seconds.items():
        ratios = [a / b for a, b in zip(own, seconds[reference], strict=True)]
        print(
            f"  {name:<38} {statistics.median(own):8.3f} s   "
            f"x {statistics.median(ratios):.3f} of {reference} "
            f"({min(ratios):.3f} to {max(ratios):.3f}, {len(ratios)} pairs)"
        )
