"""Data sets by name, besides those of tensorflow-datasets."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tf_lottery.config.data_files import data_files
from tf_lottery.registry import Registry
from tf_lottery.users_code import plugin_faults_named


@dataclass(frozen=True)
class DataSize:
    """How large a set of uint8 images is, where that is known before it is loaded.

    Attributes:
      train: number of examples to train on, those that may be held out for validation among them.
      test: number of test examples.
      image_shape: `(height, width, channels)`.
    """

    train: int
    test: int
    image_shape: tuple[int, int, int]


@dataclass(frozen=True)
class DataSource:
    """A data set, or a family of them, that registered itself.

    Attributes:
      load: loads it into memory, given the texts that the pattern's groups matched.
      pattern: the name, or a regular expression for the names of a whole family.
      examples: names of the family that can be loaded.
      size: what is known of it before.
    """

    load: Callable[..., Any]
    pattern: str
    examples: tuple[str, ...]
    size: DataSize | None = None


DATASETS: Registry[DataSource] = Registry("data set", "--dataset", "tf_lottery.data.sources")


def register_dataset(
    pattern: str, size: DataSize | None = None, *, examples: Sequence[str] = ()
) -> Callable[[Callable], Callable]:
    r"""Registers a function that loads a data set into memory.

    ```python
    @register_dataset(r"spirals_(\d+)", examples=["spirals_3"])
    def spirals(turns: str) -> Dataset:
        x, y = points_of_spirals(int(turns))
        return from_arrays((x[:500], y[:500]), (x[500:], y[500:]), name=f"spirals_{turns}")
    ```

    The function's arguments are the texts that the pattern's groups match, None for a group left
    out; a plain name has none.

    Args:
      pattern: the name as given to `--dataset`, or a regular expression for the names of a family.
      size: if it never changes: flags that do not fit it are refused before it is loaded.
      examples: names of the family that can be loaded; for a plain name, the name itself.

    Returns:
      The decorator.
    """

    def add(load: Callable) -> Callable:
        source = DataSource(load, pattern, tuple(examples) or (pattern,), size)
        DATASETS.add(pattern, source, load.__module__)
        return load

    return add


def find_source(name: str) -> DataSource | None:
    """The data set of a name, to be loaded without arguments; None if none registered itself.

    Raises:
      ValueError: if two did under names that it fits.
    """
    found = {
        pattern: match.groups()
        for pattern in DATASETS.all()
        if (match := re.fullmatch(pattern, name))
    }
    DATASETS.check_only_one(name, list(found))
    for pattern, groups in found.items():
        source = DATASETS.find(pattern)
        named = plugin_faults_named(f"--dataset={name}", DATASETS.module_of(pattern))
        return replace(source, load=named(partial(source.load, *groups)))
    return None


def source_names() -> list[str]:
    """Names of data sets that registered themselves, at least one of every family."""
    return [name for source in DATASETS.all().values() for name in source.examples]


def check_streaming(name: str, streaming: str) -> None:
    """Refuses to stream what is loaded into memory: sets that registered themselves, and tables.

    Args:
      name: as given to `--dataset`.
      streaming: as given to `--streaming`.

    Raises:
      ValueError: if it is to be streamed.
    """
    files = data_files(name)
    is_held = find_source(name) is not None if files is None else files.kind != "folder"
    if is_held and streaming == "on":
        why = "is not on the disk" if files is None else "is read into memory"
        raise ValueError(f"--streaming=on: --dataset={name} {why}; use auto.")
