"""Data sets by name, besides those of tensorflow-datasets."""

from collections.abc import Callable
from typing import Any

from tf_lottery.registry import Registry

DATASETS: Registry[Callable[[], Any]] = Registry("data set", "--dataset", "tf_lottery.data.sources")


def register_dataset(name: str) -> Callable[[Callable], Callable]:
    """Registers a function without arguments that loads a data set into memory.

    ```python
    @register_dataset("spirals")
    def spirals() -> Dataset:
        return from_arrays((x_train, y_train), (x_test, y_test), name="spirals")
    ```

    Args:
      name: as given to `--dataset`.

    Returns:
      The decorator.
    """

    def add(load: Callable) -> Callable:
        DATASETS.add(name, load, load.__module__)
        return load

    return add
