"""A small fingerprint of arrays to train on, by which other arrays are noticed."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

# Examples of an array that are looked at.
_EXAMPLES = 1000


def fingerprint(data: Mapping[str, Any]) -> dict[str, Any]:
    """Describes arrays as JSON values.

    Args:
      data: x, y and sample_weight of `fit`: arrays, or dictionaries and tuples of arrays. Anything
        else, such as a data set, which might be another each time it is read, is left out.

    Returns:
      Name of each array, such as "y" or "x['pixels']", to its shape, its type, and the SHA-256 of
      some of its examples.
    """
    return {
        name: {
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "sha256": _checksum(array),
        }
        for argument, value in data.items()
        for name, array in _arrays(argument, value)
    }


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Says how arrays differ from others.

    Args:
      was: the fingerprint of the ones; empty if they were none.
      now: that of the others.
    """
    if not was or not now:
        return []
    found = [f"{name} is missing" for name in was if name not in now]
    for name, array in now.items():
        known = was.get(name)
        if known is None:
            found.append(f"{name} is new")
        elif known["shape"] != array["shape"]:
            shapes = [tuple(each["shape"]) for each in (known, array)]
            found.append(f"{name} had the shape {shapes[0]}, and has {shapes[1]}")
        elif known["dtype"] != array["dtype"]:
            found.append(f"{name} was {known['dtype']}, and is {array['dtype']}")
        elif known["sha256"] != array["sha256"]:
            found.append(f"{name} holds other values, or the same in another order")
    return found


def _arrays(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _arrays(f"{name}[{key!r}]", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _arrays(f"{name}[{index}]", part)
    # The latter has a table or a column of pandas.
    elif isinstance(value, np.ndarray | tf.Tensor) or hasattr(value, "to_numpy"):
        yield name, np.atleast_1d(np.asarray(value))


def _checksum(array: np.ndarray) -> str:
    count = min(len(array), _EXAMPLES)
    digest = hashlib.sha256()
    for row in np.linspace(0, len(array) - 1, count).astype(int):
        example = np.asarray(array[row])
        # The bytes of objects are where they are in memory.
        plain = repr(example.tolist()).encode() if example.dtype.hasobject else example.tobytes()
        digest.update(plain)
    return digest.hexdigest()
