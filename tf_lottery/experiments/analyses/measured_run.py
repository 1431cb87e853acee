"""A run folder with what was measured of it, to be shown without TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.experiments.flags_of_run import check_flags_of_run
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary


class MeasuredRun:
    """A run folder without its network and its data."""

    def __init__(self, path: Path, *, expected: Mapping[str, Any] | None = None):
        """Reads the folder.

        Args:
          path: the run folder, or the folder of a branch.
          expected: flags that the run should have been made with.

        Raises:
          ValueError: if there is no such run, or it was made with other flags.
        """
        self.run = RunFolder.read(path)
        check_flags_of_run(self.run, expected or {})

    @property
    def folder(self) -> Path:
        """Where the results of analyses go."""
        return self.run.landscape

    def levels(self, wanted: Sequence[int] | None) -> list[int]:
        """Finished levels.

        Args:
          wanted: those to take; None: all.

        Raises:
          ValueError: if one of them is not finished, or its files are damaged.
        """
        finished = self.run.complete_levels()
        missing = sorted(set(wanted or ()) - set(finished))
        if missing or not finished:
            listed = ", ".join(map(str, finished)) or "none"
            which = f"level {missing[0]} is not finished" if missing else "no level is finished"
            raise ValueError(f"--levels: {which} in {self.run.path}; finished are {listed}.")
        levels = finished if wanted is None else sorted(set(wanted))
        for level in levels:
            self.run.level(level).verify()
        return levels

    def summary(self, level: int) -> LevelSummary:
        """The summary of a finished level."""
        return LevelSummary.from_record(self.run.level(level).record())
