"""With how many threads runs were begun, and are to go on."""

from pathlib import Path

from tf_lottery.store.run_folder import RunFolder


def recorded_threads(run: Path) -> int | None:
    """Threads that a run was begun with; None if it is yet to begin, or does not say."""
    return RunFolder.read(run).details.threads if (run / "config.json").exists() else None
