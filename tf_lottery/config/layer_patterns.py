"""Which layers a flag means: names, and patterns such as block_1* (Python's fnmatch)."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from tf_lottery.config.arguments import refusal

_RATES = "use PATTERN:RATE,... with rates from 0 to below 1, such as block_1*:0.1,output:0"


def read_patterns(flag: str, text: Any) -> tuple[str, ...]:
    """Reads the patterns of --exclude, separated by commas; none of an empty text.

    Raises:
      ValueError: if one of them is empty.
    """
    patterns = tuple(part.strip() for part in text.split(",")) if text else ()
    if not all(patterns):
        raise refusal(flag, text, "use names of layers or patterns, such as conv1,block_1*")
    return patterns


def read_layer_rates(flag: str, text: Any) -> tuple[tuple[str, float], ...]:
    """Reads patterns with the rate of each, in their order; none of an empty text.

    Raises:
      ValueError: if they are not of that form, or a rate is not one.
    """
    rates = []
    for part in text.split(",") if text else ():
        pattern, _, rate = part.strip().rpartition(":")
        try:
            rates.append((pattern, float(rate)))
        except ValueError:
            rates.append(("", 0.0))
    if not all(pattern and 0 <= rate < 1 for pattern, rate in rates):
        raise refusal(flag, text, _RATES)
    return tuple(rates)


def layers_like(pattern: str, layers: Sequence[str], flag: str, value: str) -> list[str]:
    """The layers whose names match a pattern, in their order.

    Args:
      pattern: a name, or one with `*`, `?` and `[...]`; upper and lower case differ.
      layers: names of the layers with weights to prune.
      flag: where the pattern stands, for the error.
      value: what is given there.

    Raises:
      ValueError: if it matches none.
    """
    found = [name for name in layers if fnmatchcase(name, pattern)]
    if not found:
        raise refusal(
            flag,
            value,
            f"{pattern} matches no layer that can be pruned; there are {', '.join(layers)}",
        )
    return found
