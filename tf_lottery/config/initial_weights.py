"""The files that --initial_weights names."""

from collections.abc import Sequence
from pathlib import Path

from tf_lottery.config.arguments import expanded


def weight_files(path: str) -> Sequence[Path]:
    """The files of weights, or of a checkpoint.

    Args:
      path: a file, or the name of a checkpoint without the endings of its files.

    Raises:
      ValueError: if there are none; names the flag.
    """
    file = expanded("--initial_weights", path)
    index = file if file.suffix == ".index" else file.with_name(f"{file.name}.index")
    if index.is_file():
        return [index, *sorted(index.parent.glob(f"{index.stem}.data-*-of-*"))]
    if file.is_dir():
        raise ValueError(f"--initial_weights={path} is a folder; {_right_file(file)}.")
    if not file.is_file():
        raise ValueError(
            f"--initial_weights={path}: there is no such file, and no checkpoint of that name; "
            "where it has moved or been renamed, say so with --initial_weights=PATH."
        )
    return [file]


def _right_file(folder: Path) -> str:
    for inside in ("weights", "level_0/weights", "replicate_1/level_0/weights"):
        if (folder / f"{inside}.index").is_file():
            return f"name its weights, {folder / inside}"
    if (folder / "saved_model.pb").is_file():
        return "load this SavedModel, and name a file of model.save_weights, such as x.weights.h5"
    return (
        "name the file in it, or of a run folder the weights of a level, such as "
        "RUN/level_0/weights"
    )
