"""The run folder: everything one replicate of an experiment leaves on the disk.

config.json  flags.cfg  rewind/  level_0/ … level_N/  summary.csv  summary.png  tensorboard/
branches/LABEL/: run folders of the controls that start from its levels
landscape/: results of analyses
export/level_N/, export/level_N_saved_model/: tickets to ship
"""

import os
import re
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from tf_lottery.store.atomic import (
    remove_leftovers,
)
from tf_lottery.store.config_file import (
    FLAGS_SEAL,
    check_flags_file,
    read_config,
    refuse_other_experiment,
    text_sha256,
    with_flags,
    write_config,
)
from tf_lottery.store.errors import (
    DamagedFileError,
    RunFolderError,
    as_storage_error,
)
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.lock import entries_of, exclusive, refuse_held
from tf_lottery.store.sealed_tensors import SealedTensors
from tf_lottery.store.tensors import refuse_pattern_characters

_LEVEL_NAME = re.compile(r"level_(0|[1-9]\d*)")
_EXPORT_NAME = re.compile(r"level_\d+(_saved_model)?")
_REPLICATE_NAME = re.compile(r"replicate_([1-9]\d*)")
_BRANCHES, _LANDSCAPE, _EXPORT = "branches", "landscape", "export"


class RunFolder:
    """A run folder, opened by `RunFolder.open` to work in it or by `RunFolder.read`."""

    def __init__(self, path: Path, config: dict[str, Any], resources: ExitStack):
        self._path = path
        self._config = config
        self._resources = resources

    @classmethod
    def open(
        cls,
        path: Path,
        identity: Mapping[str, Any],
        details: Mapping[str, Any],
        flags_text: str,
        defaults: Mapping[str, Any] | None = None,
        open_ended: Collection[str] = (),
    ) -> "RunFolder":
        """Makes or continues a run folder and locks it until the `with` block ends.

        Args:
          path: The folder; it is made when missing, with its parents.
          identity: What makes the experiment this one: JSON values by flag name.
          details: What else to remember, as JSON; kept from the first opening.
          flags_text: The flag file that replays the experiment; kept from the first opening.
          defaults: The default of each flag. A flag that did not exist when the folder was made
            counts as having had its default.
          open_ended: Flags with numbers that say how far an experiment goes. They may differ from
            before; the greatest is remembered.

        Returns:
          The run folder.

        Raises:
          StorageError: The folder cannot be made or written to.
          RunFolderBusyError: Another process works in it.
          RunFolderMismatchError: It holds an experiment of another identity.
          DamagedFileError: Its config.json is truncated or edited.
          RunFolderError: It is not a run folder, or one of another version of tf_lottery.
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
            remove_leftovers(path, except_below=(_BRANCHES, _LANDSCAPE, _EXPORT))
            # A link that leads nowhere is there, and is read in vain.
            if not os.path.lexists(path / "config.json"):
                write_config(path, identity, details, [text_sha256(flags_text)])
            config = read_config(path)
            refuse_other_experiment(path, config["identity"], identity, defaults, open_ended)
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
          path: As of `open`; it need not exist.
          identity: As of `open`.
          defaults: As of `open`.
          open_ended: As of `open`.

        Raises:
          RunFolderBusyError: Another process works in it.
          RunFolderMismatchError: It holds an experiment of another identity.
          DamagedFileError: Its config.json is missing, truncated or edited.
          RunFolderError: It is not a run folder, or one of another version of tf_lottery.
        """
        refuse_pattern_characters(path)
        if not path.is_dir():
            return
        _refuse_foreign_folder(path)
        refuse_held(path)
        if os.path.lexists(path / "config.json"):
            stored = read_config(path)["identity"]
            refuse_other_experiment(path, stored, identity, defaults, open_ended)

    @classmethod
    def read(cls, path: Path) -> "RunFolder":
        """Opens an existing run folder to read it, without locking it.

        Args:
          path: The folder.

        Returns:
          The run folder.

        Raises:
          RunFolderError: It is not a run folder, or one of another version of tf_lottery.
          DamagedFileError: Its config.json is truncated or edited.
        """
        path = Path(path)
        if not os.path.lexists(path / "config.json"):
            if path.is_dir() and any(_LEVEL_NAME.fullmatch(name) for name in entries_of(path)):
                raise DamagedFileError(path / "config.json", "is missing")
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
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def identity(self) -> dict[str, Any]:
        """What makes the experiment this one, as first written but for what has grown."""
        return self._config["identity"]

    @property
    def details(self) -> dict[str, Any]:
        """What else was remembered, as first written."""
        return self._config["details"]

    def remember(self, **details: Any) -> None:
        """Replaces some of the details; the folder must have been opened to work in it.

        Raises:
          StorageError: The disk is full, read-only, …
        """
        if any(self.details.get(name) != value for name, value in details.items()):
            changed = {**self.details, **details}
            write_config(self._path, self.identity, changed, self._config.get(FLAGS_SEAL))
            self._config = read_config(self._path)

    @property
    def flags_path(self) -> Path:
        """The flag file that replays the experiment."""
        return self._path / "flags.cfg"

    def check_flags(self) -> bool:
        """Checks that flags.cfg is as it was written.

        Returns:
          Whether there is anything to compare it with: folders of earlier versions have no seal
          of it, and of their flags those of the experiment alone are compared.

        Raises:
          DamagedFileError: It is missing, truncated or edited.
        """
        return check_flags_file(self.flags_path, self._config.get(FLAGS_SEAL), self.identity)

    @property
    def rewind(self) -> SealedTensors:
        """The state at the rewind step."""
        return SealedTensors(self._path / "rewind")

    @property
    def summary_csv(self) -> Path:
        """The table with a row per level."""
        return self._path / "summary.csv"

    @property
    def summary_png(self) -> Path:
        """The figure of the summary."""
        return self._path / "summary.png"

    def level(self, number: int) -> LevelFolder:
        """Returns the folder of a level, which need not exist."""
        if number < 0:
            raise ValueError(f"level must be at least 0, not {number}")
        return LevelFolder(self._path / f"level_{number}")

    @property
    def landscape(self) -> Path:
        """The folder for the results of analyses, which need not exist."""
        return self._path / _LANDSCAPE

    def exports(self) -> list[Path]:
        """Returns the folders of the exports that there are, by name."""
        folder = self._path / _EXPORT
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if _EXPORT_NAME.fullmatch(path.name))

    def saved_model(self, level: int) -> Path:
        """The folder of a level's ticket as a SavedModel, which need not exist."""
        return self.export / f"level_{level}_saved_model"

    @property
    def export(self) -> Path:
        """The folder for tickets to ship, which need not exist."""
        return self._path / _EXPORT

    def branch(self, label: str) -> Path:
        """Returns the run folder of a branch, which need not exist."""
        return self._path / _BRANCHES / label

    def branches(self) -> list[Path]:
        """Returns the folders of all branches, by name."""
        folder = self._path / _BRANCHES
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.is_dir())

    def tensorboard(self, level: int) -> Path:
        """Returns the folder for a level's TensorBoard logs, which need not exist."""
        return self._path / "tensorboard" / f"level_{level}"

    def finished_levels(self) -> list[int]:
        """Returns the complete levels from 0 up to the first that is not complete."""
        return list(takewhile(lambda number: self.level(number).is_complete(), count()))

    def complete_levels(self) -> list[int]:
        """Returns all complete levels; those of a branch need not be in a row."""
        names = (_LEVEL_NAME.fullmatch(entry.name) for entry in self._path.iterdir())
        numbers = sorted(int(name[1]) for name in names if name)
        return [number for number in numbers if self.level(number).is_complete()]


def data_name(identity: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    """Returns the name of a run's data: that of --dataset, unless it was run on other data."""
    return details.get("data_name", identity.get("dataset"))


def replicate_folders(path: Path) -> list[Path]:
    """The run folders that a path stands for.

    Args:
      path: A run folder, or the folder of an experiment that holds its replicates.

    Returns:
      The run folder alone, or those of all replicates in the order of their numbers.

    Raises:
      RunFolderError: It is neither.
      DamagedFileError: It is a run folder without its config.json.
    """
    path = Path(path)
    if os.path.lexists(path / "config.json"):
        return [path]
    names = [folder.name for folder in path.iterdir()] if path.is_dir() else []
    numbers = filter(None, map(_REPLICATE_NAME.fullmatch, names))
    found = [path / f"replicate_{number}" for number in sorted(int(n[1]) for n in numbers)]
    if not found:
        if any(map(_LEVEL_NAME.fullmatch, names)):
            raise DamagedFileError(path / "config.json", "is missing")
        raise RunFolderError(
            f"{path.absolute()} is neither a run folder, WORKDIR/NAME/replicate_R, nor one that "
            "holds run folders."
        )
    return found


def _refuse_foreign_folder(path: Path) -> None:
    foreign = entries_of(path)
    if foreign and "config.json" not in foreign:
        if any(_LEVEL_NAME.fullmatch(name) for name in foreign):
            raise DamagedFileError(path / "config.json", "is missing")
        listed = ", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else "")
        raise RunFolderError(
            f"{path.absolute()} is not a run folder and not empty: it holds {listed}. Choose "
            "another --workdir, --name or --replicate."
        )
