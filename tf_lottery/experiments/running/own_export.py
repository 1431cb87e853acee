"""The SavedModel that a run leaves of its last level's ticket."""

from dataclasses import dataclass
from pathlib import Path

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.exporting.export_folder import ExportFolder
from tf_lottery.messages import tell
from tf_lottery.store.atomic import remove_abandoned
from tf_lottery.store.run_folder import RunFolder


@dataclass(frozen=True)
class OwnExport:
    """Writes the ticket into the run folder, or to --export_dir, where nothing else gives way.

    Attributes:
      config: of the run.
      overwrite: whether another export gives way.
    """

    config: ExperimentConfig
    overwrite: bool

    def check_explicit(self) -> None:
        """Checks before anything else what is in --export_dir: it may be a level of this run.

        Raises:
          ValueError: if it is anything else, or cannot be written.
        """
        folder, path = self._explicit(), self.config.run_path.absolute()
        if folder is None:
            return
        if folder.path in (path, *path.parents):
            raise ValueError(
                f"--export_dir={self.config.run.export_dir} is or holds the run folder {path}; "
                "choose another folder."
            )
        tickets = []
        if (path / "config.json").exists():
            run = RunFolder.read(path)
            tickets = [run.level(level).ticket() for level in run.complete_levels()]
        folder.holds(tickets)

    def check(self, run: RunFolder, level: int) -> None:
        """Checks before training whether a level's ticket may be written.

        Raises:
          ValueError: if there is something else in its place, or it cannot be written.
        """
        if self._is_wanted:
            self._is_there(run, level)

    def write(self, run: RunFolder, level: int) -> None:
        """Writes the ticket of a finished level, unless it is there already.

        Raises:
          ValueError: as in `check`.
        """
        if not self._is_wanted:
            return
        folder = self._folder(run, level)
        if not self._is_there(run, level):
            # They import TensorFlow, for which the checks above are not to wait.
            from tf_lottery.exporting.export_saved_model import write_saved_model
            from tf_lottery.exporting.ticket_source import ticket_name
            from tf_lottery.tickets.load import load_ticket

            ticket = run.level(level).ticket()
            model = load_ticket(run.path, level)
            write_saved_model(model, folder, of=ticket_name(run, level), ticket=ticket)
        if not self.config.run.export_dir:
            remove_abandoned(folder.path, and_of_others=True)
        tell(f"SavedModel: {self.config.run.export_dir or _own_path(run, level)}")

    @property
    def _is_wanted(self) -> bool:
        return bool(self.config.run.export_ticket or self.config.run.export_dir)

    def _is_there(self, run: RunFolder, level: int) -> bool:
        known = [run.level(level).ticket()] if run.level(level).is_complete() else []
        return self._folder(run, level).holds(known)

    def _folder(self, run: RunFolder, level: int) -> ExportFolder:
        path = _own_path(run, level)
        own = ExportFolder(path, f"the run's own export folder {path}", overwrite=self.overwrite)
        return self._explicit() or own

    def _explicit(self) -> ExportFolder | None:
        given = self.config.run.export_dir
        if not given:
            return None
        return ExportFolder(given, f"--export_dir={given}", overwrite=self.overwrite)


def _own_path(run: RunFolder, level: int) -> Path:
    return run.saved_model(level)
