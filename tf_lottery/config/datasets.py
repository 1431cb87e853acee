"""Data sets by name, besides those of tensorflow-datasets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tf_lottery.config.data_files import data_files
from tf_lottery.registry import Registry


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
    """A data set that registered itself.

    Attributes:
      load: loads it into memory.
      size: what is known of it before.
    """

    load: Callable[[], Any]
    size: DataSize | None = None


DATASETS: Registry[DataSource] = Registry("data set", "--dataset", "tf_lottery.data.sources")


def register_dataset(name: str, size: DataSize | None = None) -> Callable[[Callable], Callable]:
    """Registers a function without arguments that loads a data set into memory.

    ```python
    @register_dataset("spirals")
    def spirals() -> Dataset:
        return from_arrays((x_train, y_train), (x_test, y_test), name="spirals")
    ```

    Args:
      name: as given to `--dataset`.
      size: if it never changes: flags that do not fit it are refused before it is loaded.

    Returns:
      The decorator.
    """

    def add(load: Callable) -> Callable:
        DATASETS.add(name, DataSource(load, size), load.__module__)
        return load

    return add


def check_streaming(name: str, streaming: str) -> None:
    """Refuses to stream what is loaded into memory: sets that registered themselves, and tables.

    Args:
      name: as given to `--dataset`.
      streaming: as given to `--streaming`.

    Raises:
      ValueError: if it is to be streamed.
    """
    files = data_files(name)
    is_held = name in DATASETS.all() if files is None else files.kind != "folder"
    if is_held and streaming == "on":
        why = "is not on the disk" if files is None else "is read into memory"
        raise ValueError(f"--streaming=on: --dataset={name} {why}; use auto.")
