"""Records read back from the disk: what is missing, or of another type, is named with its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import is_number, is_whole, shown
from tf_lottery.store.errors import DamagedFileError

_WHOLE = {
    "classes",
    "train_steps",
    "rewind_step",
    "train_examples",
    "replicas",
    "level",
    "weights_remaining",
}
_NUMBERS = {"density", "seconds"}
_MEASURED = {"test_accuracy", "test_loss", "early_stop_step", "early_stop_test_accuracy"}
_MAPPINGS = {"layers", "metrics", "changes"}
_LISTS = {"pixel_mean": is_number, "pixel_variance": is_number, "input_shape": is_whole}


class Recorded(dict):
    """A JSON object of a file; asked for what it lacks, it says which file is damaged."""

    def __init__(self, content: Mapping[str, Any], file: Path, *, typed: bool = True):
        """Takes the content and the file that it is from.

        Args:
          content: the object.
          file: the file.
          typed: whether to check the types here; the types of flags are checked elsewhere.

        Raises:
          DamagedFileError: a value has not the type that belongs to its name.
        """
        super().__init__(content)
        self._file = file
        for name, value in content.items():
            if typed and not _is_right(name, value):
                raise DamagedFileError(file, f"is damaged: {name} is {shown(value)}")

    def __missing__(self, name: str) -> Any:
        raise DamagedFileError(self._file, f"is damaged: it lacks {name!r}")


def _is_right(name: str, value: Any) -> bool:
    if name in _WHOLE:
        return is_whole(value)
    if name == "steps_per_epoch":
        # None of a search with a training loop of the user's.
        return value is None or is_whole(value)
    if name in _NUMBERS:
        return is_number(value)
    if name in _MEASURED:
        return value is None or is_number(value)
    if name == "diverged":
        return (
            isinstance(value, dict)
            and value.keys() == {"level", "step"}
            and all(map(is_whole, value.values()))
        )
    if name in _MAPPINGS:
        return isinstance(value, dict)
    if name in _LISTS:
        return isinstance(value, list) and bool(value) and all(map(_LISTS[name], value))
    return True
