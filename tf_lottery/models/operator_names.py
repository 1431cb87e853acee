"""Names of operators, such as `x + y`, in the configurations of networks.

Keras makes a layer of each operator, "tf.__operators__.add_3", and numbers these by what the
process has built before.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

_KINDS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
_TRIED = 4096


def as_in_a_new_process(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Numbers a network's operators of each kind from 0.

    Args:
      config: Keras's configuration of the network.

    Returns:
      The configuration with the new names; each new name with the one before.
    """
    names = {
        old: _name(base, number)
        for base, numbered in _operators(config).items()
        for number, old in enumerate(numbered.values())
    }
    return _renamed(config, names), {new: old for old, new in names.items()}


def earlier_names(operators: dict[str, str]) -> Iterator[dict[str, str]]:
    """What operators may be called in a process that has built other networks before.

    Args:
      operators: their names to those that Keras gave them in this process.

    Yields:
      Each name with another; first those of this process.
    """
    yield operators
    kinds: dict[str, dict[int, str]] = defaultdict(dict)
    for new, old in operators.items():
        base, number = _parts(old)
        kinds[base][number] = new
    if not kinds:
        return
    # The numbers of each kind begin anywhere.
    most = int(_TRIED ** (1 / len(kinds)))
    for firsts in itertools.product(range(most), repeat=len(kinds)):
        yield {
            new: _name(base, number - min(numbered) + first)
            for first, (base, numbered) in zip(firsts, kinds.items(), strict=True)
            for number, new in numbered.items()
        }


def _operators(config: dict[str, Any]) -> dict[str, dict[int, str]]:
    """The operators of a network and of the networks in it: kind to number to name."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for layer in config["layers"]:
        if layer["class_name"] in _KINDS:
            base, number = _parts(layer["config"]["name"])
            found[base][number] = layer["config"]["name"]
        elif "layers" in layer["config"]:
            for base, numbered in _operators(layer["config"]).items():
                found[base] |= numbered
    return {base: dict(sorted(numbered.items())) for base, numbered in found.items()}


def _parts(name: str) -> tuple[str, int]:
    numbered = re.fullmatch(r"(.+)_(\d+)", name)
    return (numbered[1], int(numbered[2])) if numbered else (name, 0)


def _name(base: str, number: int) -> str:
    return f"{base}_{number}" if number else base


def _renamed(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, str):
        return names.get(part, part)
    if isinstance(part, dict):
        return {key: _renamed(value, names) for key, value in part.items()}
    if type(part) in (list, tuple):
        return type(part)(_renamed(each, names) for each in part)
    return part
