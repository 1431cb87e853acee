"""The run folder: everything one replicate of an experiment leaves on the disk.

config.json  flags.cfg  rewind/  level_0/ … level_N/  summary.csv  summary.png  tensorboard/
branches/LABEL/: run folders of the controls that start from its levels
landscape/: results of analyses
export/level_N/, export/level_N_saved_model/: tickets to ship
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from tf_lottery.store.atomic import (
    read_json,
    read_text,
    remove_leftovers,
    write_json,
    write_text,
)
from tf_lottery.store.errors import (
    DamagedFileError,
    RunFolderError,
    RunFolderMismatchError,
    as_storage_error,
)
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.lock import entries_of, exclusive, refuse_held
from tf_lottery.store.recorded import Recorded
from tf_lottery.store.seal import CHANGED, checksum, file_sha256
from tf_lottery.store.sealed_tensors import SealedTensors
from tf_lottery.store.tensors import refuse_pattern_characters

_FORMAT = 1
_LEVEL_NAME = re.compile(r"level_(0|[1-9]\d*)")
_EXPORT_NAME = re.compile(r"level_\d+(_saved_model)?")
_REPLICATE_NAME = re.compile(r"replicate_([1-9]\d*)")
_BRANCHES, _LANDSCAPE, _EXPORT = "branches", "landscape", "export"
# In config.json: the SHA-256 of each flags.cfg that the folder has had.
_FLAGS_SEAL = "flags_sha256"
_FLAG_LINE = re.compile(r"--?([A-Za-z][A-Za-z0-9_]*)(?:=(.*))?")
_FLAGS_REMEDY = (
    "Restore it from a backup, or delete it and start the same command again, which writes it anew."
)


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
                _write_config(path, identity, details, [_sha256(flags_text)])
            config = _read_config(path)
            _refuse_other_experiment(path, config["identity"], identity, defaults, open_ended)
            config = _with_flags(path, config, identity, flags_text, open_ended)
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
            stored = _read_config(path)["identity"]
            _refuse_other_experiment(path, stored, identity, defaults, open_ended)

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
        return cls(path, _read_config(path), ExitStack())

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
            _write_config(self._path, self.identity, changed, self._config.get(_FLAGS_SEAL))
            self._config = _read_config(self._path)

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
        seals = self._config.get(_FLAGS_SEAL)
        try:
            text = read_text(self.flags_path)
            if seals is None:
                _check_unsealed_flags(self.flags_path, text, self.identity)
            elif _sha256(text) not in seals:
                raise DamagedFileError(self.flags_path, CHANGED)
        except DamagedFileError as error:
            raise DamagedFileError(error.path, error.problem, _FLAGS_REMEDY) from None
        return seals is not None

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


def _write_config(
    path: Path,
    identity: Mapping[str, Any],
    details: Mapping[str, Any],
    flags_seal: Sequence[str] | None,
) -> None:
    content = {"identity": dict(identity), "details": dict(details)}
    content = {"format": _FORMAT, **content, "sha256": checksum(content)}
    if flags_seal is not None:
        content[_FLAGS_SEAL] = list(flags_seal)
    write_json(path / "config.json", content)


def _with_flags(
    path: Path,
    config: dict[str, Any],
    identity: Mapping[str, Any],
    flags_text: str,
    open_ended: Collection[str],
) -> dict[str, Any]:
    """Writes flags.cfg and config.json where they are missing or have grown; returns the latter."""
    grown = _grown(config["identity"], identity, open_ended)
    missing = not os.path.lexists(path / "flags.cfg")
    if not grown and not missing:
        return config
    # The flag file that is still in place counts too: the process may be killed in between.
    seals = [*(config.get(_FLAGS_SEAL) or ()), _sha256(flags_text)]
    if config.get(_FLAGS_SEAL) is None and not missing:
        seals.insert(0, file_sha256(path / "flags.cfg"))
    stored = {**config["identity"], **grown}
    _write_config(path, stored, config["details"], list(dict.fromkeys(seals)))
    write_text(path / "flags.cfg", flags_text)
    return _read_config(path)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_unsealed_flags(path: Path, text: str, identity: Mapping[str, Any]) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        flag = _FLAG_LINE.fullmatch(line)
        if line.strip() and not flag:
            raise DamagedFileError(path, f"is damaged: line {number} is no flag")
        known = identity.get(flag[1]) if flag else None
        if flag and flag[1] == "levels" and "branch" in identity:
            continue  # Those that the branch starts from; those of config.json are of its run.
        if flag and flag[2] is not None and known is not None and flag[2] != str(known):
            raise DamagedFileError(
                path, f"is damaged: --{flag[1]}={flag[2]} is {known} in config.json"
            )
    if not text.endswith("\n"):
        raise DamagedFileError(path, "is damaged: it ends in the middle of a line")


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


def _read_config(path: Path) -> dict[str, Any]:
    file = path / "config.json"
    config = read_json(file)
    if config.get("format") != _FORMAT:
        raise RunFolderError(
            f"{file.absolute()} has format {config.get('format')!r}; this version of tf_lottery "
            f"reads format {_FORMAT} only. Choose another --name or --replicate."
        )
    content = {key: config.get(key) for key in ("identity", "details")}
    if not all(isinstance(value, dict) for value in content.values()):
        raise RunFolderError(f"{file.absolute()} has no identity or no details of an experiment")
    if config.get("sha256") != checksum(content):
        raise DamagedFileError(file, CHANGED)
    if not isinstance(config.get(_FLAGS_SEAL, []), list):
        raise DamagedFileError(file, f"is damaged: {_FLAGS_SEAL} is no list")
    identity = Recorded(config["identity"], file, typed=False)
    return {**config, "identity": identity, "details": Recorded(config["details"], file)}


def _grown(
    stored: Mapping[str, Any], given: Mapping[str, Any], names: Collection[str]
) -> dict[str, Any]:
    """Those of the numbers that are greater than they were."""
    return {name: given[name] for name in names if given[name] > stored[name]}


def _refuse_other_experiment(
    path: Path,
    stored: dict[str, Any],
    identity: Mapping[str, Any],
    defaults: Mapping[str, Any] | None,
    open_ended: Collection[str],
) -> None:
    given = json.loads(json.dumps(dict(identity)))
    given |= {name: stored.get(name) for name in open_ended}
    was = {**json.loads(json.dumps(dict(defaults or {}))), **stored}
    differences = []
    for name in sorted(stored.keys() | given.keys()):
        if name in was and name in given and was[name] == given[name]:
            continue
        has = f"has {json.dumps(stored[name])}" if name in stored else "was made without it"
        says = f"says {json.dumps(given[name])}" if name in given else "has no such flag"
        differences.append(f"  --{name}: the run folder {has}, this command {says}")
    if differences:
        raise RunFolderMismatchError(
            f"the run folder {path.absolute()} holds another experiment:\n"
            + "\n".join(differences)
            + "\nGive the flags their old values to continue it, or choose another --name or "
            "--replicate for a new one."
        )
