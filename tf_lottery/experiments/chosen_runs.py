"""The run folders that a command means."""

from collections.abc import Sequence
from pathlib import Path

from tf_lottery.experiments.commands import Analyze, ExportTickets, RunBranches
from tf_lottery.store.replicates import replicate_folders


def run_folders(command: RunBranches | Analyze | ExportTickets) -> list[Path]:
    """The run folders that are meant, each once, however often it is named."""
    folders: dict[Path, Path] = {}
    for run in command.runs:
        for folder in _replicates(run, command.replicates):
            folders.setdefault(folder.resolve(), folder)
    return list(folders.values())


def _replicates(run: Path, wanted: tuple[int, ...] | None) -> list[Path]:
    folders = replicate_folders(run)
    if wanted is None:
        return folders
    if folders == [run]:
        if [run.name] == [f"replicate_{number}" for number in wanted]:
            return folders
        raise ValueError(
            f"--replicates={','.join(map(str, wanted))}: --run={run} is one run's folder; leave "
            f"the flag out, or give --run={run.parent}, which holds the replicates."
        )
    chosen = [run / f"replicate_{number}" for number in wanted]
    missing = [folder for folder in chosen if folder not in folders]
    if missing:
        there = ", ".join(folder.name for folder in folders)
        raise ValueError(f"--run={run} has no {missing[0].name}, but {there}.")
    return chosen


def runs_in(folders: Sequence[Path]) -> list[Path]:
    """The run folders in those that are named; of what is none, others tell."""
    from tf_lottery.report.run_state import find_runs

    return [
        run
        for folder in folders
        for run in ([folder] if (folder / "config.json").exists() else find_runs(folder))
    ]
