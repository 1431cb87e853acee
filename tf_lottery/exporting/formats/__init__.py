"""The formats that a network can be exported in: one file per runtime; each registers itself."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from tf_lottery.config.arguments import check_names, refusal
from tf_lottery.exporting.formats.export_format import (
    FORMATS,
    ExportFormat,
    format_faults_named,
    register_export_format,
)


def known_formats() -> Mapping[str, ExportFormat]:
    """All formats by name, in the order in which they are written."""
    return dict(sorted(FORMATS.all().items(), key=lambda item: (item[1].place, item[0])))


def default_formats() -> list[ExportFormat]:
    """The formats that are written unless some are named."""
    return [kind for kind in known_formats().values() if kind.by_default]


def check_formats(argument: str, value: Any, names: Collection[str]) -> None:
    """Checks that there are formats of some names, and the packages that they need.

    Args:
      argument: what the user calls them.
      value: as they were given.
      names: the names in it.

    Raises:
      ValueError: if there is no format of a name, or no name, or a package is not installed.
    """
    known = known_formats()
    choices = f"choose from {', '.join(known)}"
    if not names or "" in names:
        least = "name at least one format" if not any(names) else "leave out the empty name"
        raise refusal(argument, value, f"{least}; {choices}")
    unknown = sorted(set(names) - set(known))
    if unknown:
        are = "is no format" if len(unknown) == 1 else "are no formats"
        raise refusal(argument, value, f"{', '.join(unknown)} {are}; {choices}")
    for name in sorted(set(names)):
        missing = known[name].packages_missing()
        if missing:
            raise refusal(argument, value, missing)


def formats_named(names: Iterable[str]) -> list[ExportFormat]:
    """The formats of these names, without repetitions, in the order in which they are written.

    Raises:
      ValueError: as `check_formats`.
    """
    known = known_formats()
    named = [names] if isinstance(names, str) else names
    named = list(named) if isinstance(named, Iterator) else named
    check_names("formats", named, '["tflite"]')
    chosen = set(named)
    check_formats("formats", names, chosen)
    return [kind for name, kind in known.items() if name in chosen]


__all__ = [
    "ExportFormat",
    "check_formats",
    "default_formats",
    "format_faults_named",
    "formats_named",
    "known_formats",
    "register_export_format",
]
