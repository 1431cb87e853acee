"""The formats that a network can be exported in, by name."""

from collections.abc import Iterable

from tf_lottery.exporting.formats.export_format import ExportFormat
from tf_lottery.exporting.formats.keras_archive import KerasArchive
from tf_lottery.exporting.formats.saved_model import CompressedSavedModel, SavedModel
from tf_lottery.exporting.formats.tflite import (
    DynamicRangeTFLite,
    IntegerTFLite,
    SparseTFLite,
    TFLite,
)

FORMATS: dict[str, ExportFormat] = {
    kind.name: kind()
    for kind in (
        SavedModel,
        CompressedSavedModel,
        KerasArchive,
        TFLite,
        SparseTFLite,
        DynamicRangeTFLite,
        IntegerTFLite,
    )
}


def formats_named(names: Iterable[str]) -> list[ExportFormat]:
    """The formats of these names, without repetitions, in the order of `FORMATS`.

    Raises:
      ValueError: if there is no format of a name, or no name.
    """
    chosen = {names} if isinstance(names, str) else set(names)
    unknown = sorted(chosen - set(FORMATS))
    if unknown or not chosen:
        raise ValueError(
            f"formats: {', '.join(unknown) or 'nothing'} cannot be written; choose from "
            f"{', '.join(FORMATS)}."
        )
    return [kind for name, kind in FORMATS.items() if name in chosen]


__all__ = ["FORMATS", "ExportFormat", "formats_named"]
