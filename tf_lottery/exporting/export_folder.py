"""The folder of an export, and what else may be in its place."""

from pathlib import Path

from tf_lottery.exporting.formats import FORMATS

TABLE = "export.csv"
COMPACTION = "compaction.csv"
CARD = "README.md"


def check_export_folder(folder: str | Path, overwrite: bool) -> Path:
    """Checks that an export may be written to a folder.

    Args:
      folder: the folder.
      overwrite: whether an earlier export gives way.

    Returns:
      Its absolute path.

    Raises:
      ValueError: if there is a file, a folder of something else, or an export that is to stay.
    """
    target = Path(folder).expanduser().absolute()
    if not target.exists():
        return target
    if not target.is_dir():
        raise ValueError(f"folder={folder} is a file; choose a folder.")
    names = {entry.name for entry in target.iterdir()}
    if not names:
        return target
    own = {kind.file_name for kind in FORMATS.values()} | {TABLE, COMPACTION, CARD}
    if names - own or TABLE not in names:
        raise ValueError(
            f"folder={folder} holds {', '.join(sorted(names - own or names)[:5])}, which is no "
            "part of an export; choose a new or an empty folder."
        )
    if not overwrite:
        raise ValueError(
            f"folder={folder} holds an export; give overwrite=True (--overwrite) to replace it, "
            "or choose another folder."
        )
    return target
