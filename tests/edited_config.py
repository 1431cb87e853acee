"""What a run folder says of how it was made, changed, with a seal that fits."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from tf_lottery.store.seal import checksum, file_sha256


def edit_config(
    run: Path,
    identity: Mapping | None = None,
    details: Mapping | None = None,
    without: Collection[str] = (),
) -> None:
    """Changes the config.json of a run folder.

    Args:
      run: the folder.
      identity: flags that are to be others.
      details: what else is to be other.
      without: entries of both that it is to lack.
    """
    path = run / "config.json"
    config = json.loads(path.read_text())
    content = {
        "identity": config["identity"] | dict(identity or {}),
        "details": config["details"] | dict(details or {}),
    }
    for part in content.values():
        for name in without:
            part.pop(name, None)
    path.write_text(json.dumps({**config, **content, "sha256": checksum(content)}))


def add_flag(run: Path, flag: str) -> None:
    """Adds a flag to the flag file of a run folder."""
    flags, path = run / "flags.cfg", run / "config.json"
    flags.write_text(f"{flags.read_text()}{flag}\n")
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "flags_sha256": [file_sha256(flags)]}))


def edit_json(path: Path) -> None:
    """Changes a number in a JSON file with a record or flags; its seal does not fit any more."""
    content = json.loads(path.read_text())
    part = content.get("record", content.get("identity"))
    key = next(key for key, value in part.items() if isinstance(value, int | float))
    part[key] += 1
    path.write_text(json.dumps(content))
