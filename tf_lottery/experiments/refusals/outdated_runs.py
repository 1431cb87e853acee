"""Runs and branches that an older version trained by other rules, of which no more can be made."""

from collections.abc import Sequence
from contextlib import suppress

from tf_lottery.store.errors import RunFolderError, RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.training_rules import outdated_rules


def refuse_outdated_tickets(run: RunFolder, levels: Sequence[int]) -> None:
    """Checks that controls of a run would differ from its levels in what they control alone.

    Args:
      run: the run.
      levels: those that the controls start from.

    Raises:
      RunFolderMismatchError: if they were trained by other rules.
    """
    outdated = outdated_rules(run.identity, run.details)
    if outdated and max(levels) > 0:
        raise RunFolderMismatchError(
            f"--run={run.path} was made by an older version of tf_lottery: {'; '.join(outdated)}. "
            "A branch of its pruned levels would differ from them in that too; make the run anew "
            "under another --name."
        )


def refuse_outdated_copies(run: RunFolder) -> None:
    """Checks that an analysis does not measure what it trained by other rules, now or before.

    Args:
      run: the run that is analyzed.

    Raises:
      RunFolderMismatchError: if trainings that are kept as steps of analyses are such; names them.
    """
    outdated: dict[str, list[str]] = {}
    for path in run.branches():
        # Others are told of where they are used.
        with suppress(RunFolderError):
            branch = RunFolder.read(path)
            if branch.details.for_analysis:
                for rule in outdated_rules(branch.identity, branch.details):
                    outdated.setdefault(rule, []).append(f"branches/{path.name}")
    if outdated:
        listed = "; ".join(f"of {', '.join(names)}: {rule}" for rule, names in outdated.items())
        raise RunFolderMismatchError(
            f"--run={run.path}: an older version of tf_lottery trained what was measured here; "
            f"{listed}. Delete these folders, and the CSV files of the analysis in landscape/, to "
            "train and measure them anew."
        )
