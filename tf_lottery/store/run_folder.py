"""The run folder: everything one replicate of an experiment leaves on the disk.

config.json  flags.cfg  rewind/  level_0/ … level_N/  summary.csv  densities.csv  summary.png
tensorboard/  logging/: what loggers have and were told
ticket/: that of another run, which level 0 is trained from
branches/LABEL/: run folders of the controls that start from its levels
landscape/: results of analyses
export/level_N/, export/level_N_saved_model/: tickets to ship
"""

import errno
import os
import re
import shlex
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import identity_value
from tf_lottery.store.atomic import remove_leftovers, temporary_sibling
from tf_lottery.store.config_file import (
    StoredConfig,
    check_flags_file,
    read_config,
    refuse_other_experiment,
    text_sha256,
    with_flags,
    write_config,
)
from tf_lottery.store.errors import DamagedFileError, RunFolderError, as_storage_error
from tf_lottery.store.identity import Identity
from tf_lottery.store.levels import LEVEL_NAME, LevelsFolder
from tf_lottery.store.lock import entries_of, exclusive, refuse_held
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.sealed_tensors import SealedTensors
from tf_lottery.store.search_remedy import SEARCH_SEAL
from tf_lottery.store.tensors import refuse_pattern_characters

_EXPORT_NAME = re.compile(r"level_\d+(_saved_model)?")
BRANCHES_FOLDER, _LANDSCAPE, _EXPORT = "branches", "landscape", "export"
_STATES, _STATE_NAME = "states", re.compile(r"step_(\d+)")


class RunFolder(LevelsFolder):
    """A run folder, opened by `RunFolder.open` to work in it or by `RunFolder.read`."""

    def __init__(self, path: Path, config: StoredConfig, resources: ExitStack):
        super().__init__(path)
        self._config = config
        self._resources = resources

    @classmethod
    def open(
        cls,
        path: Path,
        identity: Mapping[str, Any],
        details: RunDetails | None,
        flags_text: str,
        defaults: Mapping[str, Any] | None = None,
        open_ended: Collection[str] = (),
    ) -> "RunFolder":
        """Makes or continues a run folder and locks it until the `with` block ends.

        Args:
          path: the folder; it is made when missing, with its parents.
          identity: what makes the experiment this one: JSON values by flag name.
          details: what else to remember; kept from the first opening. None to continue only.
          flags_text: the flag file that replays the experiment; kept from the first opening.
          defaults: the default of each flag. A flag that did not exist when the folder was made
            counts as having had its default.
          open_ended: flags with numbers that say how far an experiment goes. They may differ from
            before; the greatest is remembered.

        Returns:
          The run folder.

        Raises:
          StorageError: the folder cannot be made or written to.
          RunFolderBusyError: another process works in it.
          RunFolderMismatchError: it holds an experiment of another identity.
          DamagedFileError: its config.json is truncated or edited, or missing without details.
          RunFolderError: it is not a run folder, or one of another version of tf_lottery.
        """
        path = Path(path)
        refuse_pattern_characters(path)
        with ExitStack() as resources:
            with as_storage_error(path):
                path.mkdir(parents=True, exist_ok=True)
                _refuse_foreign_folder(path)
            resources.enter_context(exclusive(path))
            # Other processes may be writing branches, which are run folders of their own, and
            # results of analyses.
            remove_leftovers(path, except_below=(BRANCHES_FOLDER, _LANDSCAPE, _EXPORT))
            # A link that leads nowhere is there, and is read in vain.
            if not os.path.lexists(path / "config.json"):
                if details is None:
                    raise _without_config(path)
                write_config(path, identity, details.to_json(), [text_sha256(flags_text)])
            config = read_config(path)
            refuse_other_experiment(path, config.identity, identity, defaults, open_ended)
            config = with_flags(path, config, identity, flags_text, open_ended)
            run = cls(path, config, resources.pop_all())
        # A process killed while completing a level leaves that level's checkpoints behind.
        for number in run.complete_levels():
            run.level(number).checkpoints.clear()
        return run

    @staticmethod
    def refuse(
        path: Path,
        identity: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
        open_ended: Collection[str] = (),
    ) -> None:
        """Raises what `open` would, as far as that can be told without changing anything.

        Args:
          path: as of `open`; it need not exist.
          identity: as of `open`.
          defaults: as of `open`.
          open_ended: as of `open`.

        Raises:
          RunFolderBusyError: another process works in it.
          RunFolderMismatchError: it holds an experiment of another identity.
          DamagedFileError: its config.json is missing, truncated or edited.
          RunFolderError: it is not a run folder, or one of another version of tf_lottery.
        """
        refuse_pattern_characters(path)
        if not path.is_dir():
            return
        _refuse_foreign_folder(path)
        refuse_held(path)
        if os.path.lexists(path / "config.json"):
            stored = read_config(path).identity
            refuse_other_experiment(path, stored, identity, defaults, open_ended)

    @staticmethod
    def check_place(path: Path) -> None:
        """Checks that a run folder can be made, or written to, where it is to be.

        Args:
          path: as of `open`; it need not exist.

        Raises:
          StorageError: if it cannot.
        """
        with as_storage_error(path):
            folders = (path.absolute(), *path.absolute().parents)
            # A link that leads nowhere is in the way.
            place = next(folder for folder in folders if os.path.lexists(folder))
            if place == folders[0] and place.is_dir():
                if not os.access(place, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                return
            # Of folders of the system, permissions do not tell: only to make one there does.
            trial = temporary_sibling(place / path.name)
            trial.mkdir()
            trial.rmdir()

    @classmethod
    def read(cls, path: Path) -> "RunFolder":
        """Opens an existing run folder to read it, without locking it.

        Args:
          path: the folder.

        Returns:
          The run folder.

        Raises:
          RunFolderError: it is not a run folder, or one of another version of tf_lottery.
          DamagedFileError: its config.json is truncated or edited.
        """
        path = Path(path)
        if not os.path.lexists(path / "config.json"):
            if path.is_dir() and any(LEVEL_NAME.fullmatch(name) for name in entries_of(path)):
                raise _without_config(path)
            raise RunFolderError(
                f"{path.absolute()} is not a run folder: it has no config.json. A run folder is "
                "WORKDIR/NAME/replicate_R."
            )
        return cls(path, read_config(path), ExitStack())

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *exception_details) -> None:
        self.close()

    def close(self) -> None:
        """Gives the lock back."""
        self._resources.close()

    @property
    def identity(self) -> Identity:
        """What makes the experiment this one, as first written but for what has grown."""
        return self._config.identity

    @property
    def kind_of_branch(self) -> str | None:
        """Which control it is, if it is the folder of a branch: --branch."""
        return self.identity.branch

    @property
    def home(self) -> Path:
        """The run folder; of the folder of a branch, RUN/branches/LABEL, that of its run."""
        return self.path if self.kind_of_branch is None else self.path.absolute().parents[1]

    @property
    def details(self) -> RunDetails:
        """What else was remembered, as first written.

        Raises:
          DamagedFileError: its config.json lacks something.
        """
        return self._config.details

    @property
    def known_details(self) -> RunDetails | None:
        """The same; None if its config.json lacks something."""
        try:
            return self.details
        except DamagedFileError:
            return None

    def remember(self, details: RunDetails) -> None:
        """Replaces the details; the folder must have been opened to work in it.

        Raises:
          StorageError: the disk is full, read-only, …
        """
        if details != self.details:
            write_config(self.path, self.identity, details.to_json(), self._config.flags_seal)
            self._config = read_config(self.path)

    @property
    def flags_path(self) -> Path:
        """The flag file that replays the experiment."""
        return self.path / "flags.cfg"

    @property
    def command(self) -> str | None:
        """The command that goes on with the run; None if a script made it, with data of its own."""
        details = self.known_details
        try:
            self.check_flags()
        except DamagedFileError:
            return None
        if details is None or details.data_name is not None:
            return None
        return f"main.py --flagfile={shlex.quote(str(self.flags_path.absolute()))}"

    def check_flags(self) -> bool:
        """Checks that flags.cfg is as it was written.

        Returns:
          Whether there is anything to compare it with: folders of earlier versions have no seal
          of it, and of their flags those of the experiment alone are compared.

        Raises:
          DamagedFileError: it is missing, truncated or edited.
        """
        return check_flags_file(self.flags_path, self._config.flags_seal, self.identity)

    @property
    def summary_csv(self) -> Path:
        """The table with a row per level."""
        return self.path / "summary.csv"

    @property
    def densities_csv(self) -> Path:
        """The table with a row per kernel of each level."""
        return self.path / "densities.csv"

    @property
    def summary_png(self) -> Path:
        """The figure of the summary."""
        return self.path / "summary.png"

    @property
    def ticket(self) -> SealedTensors:
        """The ticket of another run that level 0 is trained from, which need not exist."""
        return SealedTensors(self.path / "ticket")

    def kept_state(self, step: int) -> SealedTensors:
        """The network at a step of level 0 that is kept for other runs, which need not exist."""
        return SealedTensors(self.path / _STATES / f"step_{step}")

    def kept_steps(self) -> list[int]:
        """The steps of level 0 whose networks there are: 0, the rewind step, and those kept too."""
        names = (_STATE_NAME.fullmatch(path.name) for path in self.path.glob(f"{_STATES}/step_*"))
        return sorted({0, self.details.rewind_step, *(int(name[1]) for name in names if name)})

    @property
    def landscape(self) -> Path:
        """The folder for the results of analyses, which need not exist."""
        return self.path / _LANDSCAPE

    def exports(self) -> list[Path]:
        """Returns the folders of the exports that there are, by name."""
        folder = self.path / _EXPORT
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if _EXPORT_NAME.fullmatch(path.name))

    def saved_model(self, level: int) -> Path:
        """The folder of a level's ticket as a SavedModel, which need not exist."""
        return self.export / f"level_{level}_saved_model"

    @property
    def export(self) -> Path:
        """The folder for tickets to ship, which need not exist."""
        return self.path / _EXPORT

    def branch(self, label: str) -> Path:
        """Returns the run folder of a branch, which need not exist."""
        return self.path / BRANCHES_FOLDER / label

    def branches(self) -> list[Path]:
        """Returns the folders of all branches, by name."""
        folder = self.path / BRANCHES_FOLDER
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.is_dir())

    def tensorboard(self, level: int) -> Path:
        """Returns the folder for a level's TensorBoard logs, which need not exist."""
        return self.path / "tensorboard" / f"level_{level}"

    def finished_levels(self) -> list[int]:
        """Returns the complete levels from 0 up to the first that is not complete."""
        return list(takewhile(lambda number: self.level(number).is_complete(), count()))


def data_name(identity: Identity, details: RunDetails | None) -> str | None:
    """Returns the name of a run's data: that of --dataset, unless it was run on other data.

    It has neither the version of the set nor the folders that files are in.
    """
    own = None if details is None else details.data_name
    return identity_value("dataset", identity.dataset) if own is None else own


def _without_config(path: Path) -> RunFolderError:
    """The error of a folder that has levels, but no config.json."""
    if os.path.lexists(path / SEARCH_SEAL):
        return RunFolderError(
            f"{path.absolute()} is the folder of a search of the library, and not of a run. "
            "tf_lottery.IterativeMagnitudePruning(model, ..., folder=...) with the arguments of "
            "the search has its tickets."
        )
    return DamagedFileError(path / "config.json", "is missing")


def _refuse_foreign_folder(path: Path) -> None:
    foreign = entries_of(path)
    if foreign and "config.json" not in foreign:
        if any(LEVEL_NAME.fullmatch(name) for name in foreign):
            raise _without_config(path)
        listed = ", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else "")
        raise RunFolderError(
            f"{path.absolute()} is not a run folder and not empty: it holds {listed}. Choose "
            "another --workdir, --name or --replicate."
        )
