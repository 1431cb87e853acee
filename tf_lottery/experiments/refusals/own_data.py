"""Runs on arrays that a script gave, which no flag names."""

from pathlib import Path

from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder

_DATA = "where data is what tf_lottery.from_arrays makes of them"


def call_on_arrays(function: str, run: Path, name: str) -> str:
    """The call that does a branch or analysis of a run on `data`, for `refuse_without_arrays`."""
    return f'tf_lottery.{function}("{run}", "{name}", dataset=data)'


def refuse_without_arrays(path: Path, call: str, data: str = _DATA) -> None:
    """Refuses to go on with a run without the arrays that it was begun with.

    Args:
      path: the run folder, or the folder of a branch.
      call: what does the same in Python.
      data: what the arrays are called in it.

    Raises:
      RunFolderMismatchError: if it was begun with such; says what to do.
    """
    if not (path / "config.json").exists():
        return
    run = RunFolder.read(path)
    run = run if run.kind_of_branch is None else RunFolder.read(run.home)
    name = None if run.known_details is None else run.known_details.data_name
    if name not in (None, run.identity.dataset):
        raise RunFolderMismatchError(
            f"{run.path} was begun in Python with data of your own ({name}), which no flag names. "
            f"Go on in Python, and give the same ones in the same order: {call}, {data}."
        )
