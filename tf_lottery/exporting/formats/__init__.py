"""The formats that a network can be exported in: one file per runtime; each registers itself."""

from collections.abc import Iterable, Mapping

from tf_lottery.exporting.formats.export_format import (
    FORMATS,
    ExportFormat,
    register_export_format,
)


def known_formats() -> Mapping[str, ExportFormat]:
    """All formats by name, in the order in which they are written."""
    return dict(sorted(FORMATS.all().items(), key=lambda item: (item[1].place, item[0])))


def formats_named(names: Iterable[str]) -> list[ExportFormat]:
    """The formats of these names, without repetitions, in the order in which they are written.

    Raises:
      ValueError: if there is no format of a name, or no name.
    """
    chosen, known = {names} if isinstance(names, str) else set(names), known_formats()
    unknown = sorted(chosen - set(known))
    if unknown or not chosen:
        raise ValueError(
            f"formats: {', '.join(unknown) or 'nothing'} cannot be written; choose from "
            f"{', '.join(known)}."
        )
    return [kind for name, kind in known.items() if name in chosen]


__all__ = ["ExportFormat", "formats_named", "known_formats", "register_export_format"]
