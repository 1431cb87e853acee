"""Copies of run folders, which are no replicates: they would count twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from tf_lottery.store.identity import Identity


class _Run(Protocol):
    @property
    def path(self) -> Path: ...

    @property
    def identity(self) -> Identity: ...


Run = TypeVar("Run", bound=_Run)


def without_copies(records: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Leaves out run folders that are beside another of the same replicate.

    Args:
      records: run folders, or what is known of them.

    Returns:
      The others, in the same order; and a sentence for each that is left out.
    """
    kept: dict[tuple[Path, int], Run] = {}
    sentences = {}
    for record in sorted(records, key=_has_other_name):
        if "replicate" not in record.identity:
            continue
        number = record.identity["replicate"]
        original = kept.setdefault((record.path.parent, number), record)
        if original is not record:
            sentences[record.path] = copy_text(record.path, number, original.path)
    others = [record for record in records if record.path not in sentences]
    return others, list(sentences.values())


def copy_text(path: Path, number: int, original: Path) -> str:
    """Says that a run folder is left out, since another beside it is of the same replicate."""
    return (
        f"{path} is left out: its config.json says replicate {number}, as that of {original.name} "
        "beside it does, and a copy is no replicate."
    )


def _has_other_name(record: _Run) -> bool:
    return record.path.name != f"replicate_{record.identity.get('replicate')}"
