"""The other replicates of a run's experiment."""

from collections.abc import Iterator

from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.replicates import replicate_folders
from tf_lottery.store.run_folder import RunFolder


def other_replicates(run: RunFolder) -> Iterator[RunFolder]:
    """The run folders beside a run's, in the order of their numbers."""
    own = run.path.absolute()
    try:
        folders = replicate_folders(own.parent)
    except RunFolderError:
        # The run folder was renamed or moved away from the others.
        return
    for folder in folders:
        if folder != own and (folder / "config.json").exists():
            yield RunFolder.read(folder)
