"""config.json, which says what a run folder is of, and flags.cfg, which replays it."""

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import POINTS, is_same_value
from tf_lottery.store.atomic import read_json, read_text, write_json, write_text
from tf_lottery.store.errors import DamagedFileError, RunFolderError, RunFolderMismatchError
from tf_lottery.store.identity import Identity
from tf_lottery.store.recorded import Recorded
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.seal import CHANGED, checksum, file_sha256

_FORMAT = 1
_SEEDS = ("init_seed", "data_seed")
# What the length of an epoch depends on.
_OF_EPOCHS = ("dataset", "batch_size", "validation_examples")
_FLAGS_SEAL = "flags_sha256"
_FLAG_LINE = re.compile(r"--?([A-Za-z][A-Za-z0-9_]*)(?:=(.*))?")
_FLAGS_REMEDY = (
    "Restore it from a backup, or delete it and start the run's command again, which writes it "
    "anew."
)


@dataclass(frozen=True)
class StoredConfig:
    """The content of a config.json.

    Attributes:
      identity: what makes the experiment this one: its flags, also those of plug-ins.
      remembered: what else there is, as it stands in the file.
      flags_seal: the SHA-256 of each flags.cfg that the folder has had; None in folders of earlier
        versions.
    """

    identity: Identity
    remembered: Recorded
    flags_seal: Sequence[str] | None

    @cached_property
    def details(self) -> RunDetails:
        """What else there is; raises `DamagedFileError` if it lacks something."""
        return RunDetails.from_json(self.remembered)


def check_flags_file(
    path: Path, seals: Collection[str] | None, identity: Mapping[str, Any]
) -> bool:
    """Checks that flags.cfg is as it was written.

    Args:
      path: the file.
      seals: the SHA-256 of each that the folder has had; None in folders of earlier versions.
      identity: of the experiment.

    Returns:
      Whether there is anything to compare it with: without a seal, the flags of the experiment
      alone are compared.

    Raises:
      DamagedFileError: it is missing, truncated or edited.
    """
    try:
        text = read_text(path)
        if seals is None:
            _check_unsealed_flags(path, text, identity)
        elif text_sha256(text) not in seals:
            raise DamagedFileError(path, CHANGED)
    except DamagedFileError as error:
        raise DamagedFileError(error.path, error.problem, _FLAGS_REMEDY) from None
    return seals is not None


def write_config(
    path: Path,
    identity: Mapping[str, Any],
    details: Mapping[str, Any],
    flags_seal: Sequence[str] | None,
) -> None:
    """Writes the config.json of a run folder.

    Args:
      path: the folder.
      identity: what makes the experiment this one.
      details: what else is remembered.
      flags_seal: the SHA-256 of each flags.cfg that the folder has had.
    """
    content = {"identity": dict(identity), "details": dict(details)}
    content = {"format": _FORMAT, **content, "sha256": checksum(content)}
    if flags_seal is not None:
        content[_FLAGS_SEAL] = list(flags_seal)
    write_json(path / "config.json", content)


def with_flags(
    path: Path,
    config: StoredConfig,
    identity: Mapping[str, Any],
    flags_text: str,
    open_ended: Collection[str],
) -> StoredConfig:
    """Writes flags.cfg and config.json where they are missing or have grown; returns the latter."""
    # Numbers that are greater than they were.
    grown = {name: identity[name] for name in open_ended if identity[name] > config.identity[name]}
    missing = not os.path.lexists(path / "flags.cfg")
    if not grown and not missing:
        return config
    # The flag file that is still in place counts too: the process may be killed in between.
    seals = [*(config.flags_seal or ()), text_sha256(flags_text)]
    if config.flags_seal is None and not missing:
        seals.insert(0, file_sha256(path / "flags.cfg"))
    stored = {**config.identity, **grown}
    write_config(path, stored, config.remembered, list(dict.fromkeys(seals)))
    write_text(path / "flags.cfg", flags_text)
    return read_config(path)


def text_sha256(text: str) -> str:
    """The seal of a text that is yet to be written."""
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


def read_config(path: Path) -> StoredConfig:
    """Reads the config.json of a run folder.

    Raises:
      DamagedFileError: it is truncated or edited.
      RunFolderError: it is no such file, or one of another version of tf_lottery.
    """
    file = path / "config.json"
    config = read_json(file)
    if "format" not in config:
        raise RunFolderError(
            f"{file.absolute()} is not of a run; a run folder is WORKDIR/NAME/replicate_R, and a "
            "branch's is in its branches folder."
        )
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
    seals = config.get(_FLAGS_SEAL)
    if not isinstance(seals, list | None):
        raise DamagedFileError(file, f"is damaged: {_FLAGS_SEAL} is no list")
    identity = Identity(Recorded(config["identity"], file, typed=False))
    return StoredConfig(identity, Recorded(config["details"], file), seals)


def refuse_other_experiment(
    path: Path,
    stored: Mapping[str, Any],
    identity: Mapping[str, Any],
    defaults: Mapping[str, Any] | None,
    open_ended: Collection[str],
) -> None:
    """Refuses to go on with another experiment than the one that is stored.

    Raises:
      RunFolderMismatchError: names every flag that differs.
    """
    given = json.loads(json.dumps(dict(identity)))
    given |= {name: stored.get(name) for name in open_ended}
    was = {**json.loads(json.dumps(dict(defaults or {}))), **stored}
    differences = []
    for name in sorted(stored.keys() | given.keys()):
        if name in was and name in given and _is_same(path, name, was, given):
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


def _is_same(path: Path, name: str, was: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether a flag means what it meant when the run folder was begun."""
    one, other = was[name], given[name]
    if is_same_value(name, one, other):
        return True
    if name in _SEEDS:
        # Unset, they are the replicate's number.
        seeds = [was.get("replicate") if one is None else one]
        return seeds == [given.get("replicate") if other is None else other]
    if name not in POINTS or not all(
        is_same_value(flag, was.get(flag), given.get(flag)) for flag in _OF_EPOCHS
    ):
        return False
    is_share = name != "train_steps" and "%" in f"{one}{other}"
    if is_share and not _is_same(path, "train_steps", was, given):
        return False
    with suppress(ValueError):
        details = read_config(path).details
        return details.iteration(one, name) == details.iteration(other, name)
    return False
