"""Where the network of a run is, if a function of the user's makes it."""

from contextlib import suppress
from pathlib import Path

from tf_lottery.models.own_networks import look_where_it_was
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.run_folder import RunFolder


def look_for_network_of(path: Path) -> None:
    """Has the module of a run's network be found where it was when the run was begun.

    Args:
      path: the run folder, which need not exist.

    Raises:
      ValueError: if it is nowhere.
    """
    if not (path / "config.json").exists():
        return
    # Whoever opens the folder says what is wrong with it.
    with suppress(RunFolderError):
        run = RunFolder.read(path)
        if run.known_details is not None and "model" in run.identity:
            look_where_it_was(run.identity.model, run.known_details.network_file)
