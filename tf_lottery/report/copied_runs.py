"""Copies of run folders, which are no replicates: they would count twice."""

from collections.abc import Sequence
from pathlib import Path

from tf_lottery.report.run_records import RunRecord


def without_copies(records: Sequence[RunRecord]) -> tuple[list[RunRecord], list[str]]:
    """Leaves out run folders that are beside another of the same replicate.

    Args:
      records: of run folders.

    Returns:
      The others, in the same order; and a sentence for each that is left out.
    """
    kept: dict[tuple[Path, int], RunRecord] = {}
    sentences = {}
    for record in sorted(records, key=_has_other_name):
        if "replicate" not in record.identity:
            continue
        number = record.identity["replicate"]
        original = kept.setdefault((record.path.parent, number), record)
        if original is not record:
            sentences[record.path] = (
                f"{record.path} is left out: its config.json says replicate {number}, as that of "
                f"{original.path.name} beside it does, and a copy is no replicate."
            )
    others = [record for record in records if record.path not in sentences]
    return others, list(sentences.values())


def _has_other_name(record: RunRecord) -> bool:
    return record.path.name != f"replicate_{record.identity.get('replicate')}"
