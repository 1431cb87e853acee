"""The files that --initial_weights names."""

from collections.abc import Sequence
from pathlib import Path


def weight_files(path: str) -> Sequence[Path]:
    """The files of weights, or of a checkpoint.

    Args:
      path: a file, or the name of a checkpoint without the endings of its files.

    Raises:
      ValueError: if there are none; names the flag.
    """
    file = Path(path).expanduser()
    index = file if file.suffix == ".index" else file.with_name(f"{file.name}.index")
    if index.is_file():
        return [index, *sorted(index.parent.glob(f"{index.stem}.data-*-of-*"))]
    if file.is_dir():
        raise ValueError(
            f"--initial_weights={path} is a folder; name the file in it, or of a run folder the "
            "weights of a level, such as RUN/level_0/weights."
        )
    if not file.is_file():
        raise ValueError(
            f"--initial_weights={path}: there is no such file, and no checkpoint of that name; "
            "where it has moved or been renamed, say so with --initial_weights=PATH."
        )
    return [file]
