"""Options: fields of a configuration that are flags too, and what their values may be."""

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tf_lottery.config.arguments import (
    LARGEST_WHOLE,
    check_path,
    check_truth,
    is_number,
    is_several,
    is_whole,
    refusal,
    shown,
)

AutoOnOff = Literal["auto", "on", "off"]

# What training computes in: beyond these, numbers are 0 or infinite.
_SMALLEST_FLOAT, _LARGEST_FLOAT = 1.2e-38, 3.4e38
_OF_FLOAT32 = f"use a number that float32 can hold, from {_SMALLEST_FLOAT} to {_LARGEST_FLOAT}"


@dataclass(frozen=True)
class Range:
    """Which values of the right type an option takes.

    Attributes:
      right: what to write, for error messages.
      holds: whether a value is one of them.
      of_positive: what to write in place of a positive number that is none; empty: `right`.
    """

    right: str
    holds: Callable[[Any], bool]
    of_positive: str = ""

    def right_for(self, value: Any) -> str:
        """What to write in place of a value."""
        return self.of_positive if self.of_positive and value > 0 else self.right


def at_least(least: int) -> Range:
    """Numbers from `least` on."""
    return Range(f"use {least} or more", lambda value: value >= least)


def between(least: int, most: int, right: str = "") -> Range:
    """Numbers from `least` to `most`, both among them."""
    return Range(right or f"use {least} to {most}", lambda value: least <= value <= most)


def below_one(name: str) -> Range:
    """Numbers from 0 to below 1; `name` says what they are."""
    return Range(f"use 0 <= {name} < 1", lambda value: 0 <= value < 1)


def fraction(right: str) -> Range:
    """Numbers between 0 and 1."""
    return Range(right, lambda value: 0 < value < 1)


def positive(right: str = "use a positive number") -> Range:
    """Positive numbers that training can compute with."""
    return Range(right, is_positive, _OF_FLOAT32)


def positive_or_zero() -> Range:
    """0, and positive numbers that training can compute with."""
    return Range("use 0 or more", lambda value: value == 0 or is_positive(value), _OF_FLOAT32)


def is_positive(value: float) -> bool:
    """Whether a number is positive, and one that float32 can hold."""
    return _SMALLEST_FLOAT <= value <= _LARGEST_FLOAT


def option(
    default: Any,
    text: str,
    *,
    within: Range | None = None,
    reads: Callable[[str, Any], Any] | None = None,
    path: bool = False,
) -> Any:
    """A field of a configuration that is a flag too.

    Its choices are those of a `Literal` in its type.

    Args:
      default: its value if it is not given.
      text: what it does, for --help.
      within: which values it takes.
      reads: reads the name of the flag and a value, and raises `ValueError` if it cannot.
      path: whether it names a file or folder.
    """
    metadata = {"help": text, "within": within, "reads": reads, "path": path}
    return field(default=default, metadata=metadata)


def choices_of(annotation: Any) -> tuple[str, ...]:
    """The texts among which an option of this type chooses; none if it takes anything else too."""
    kinds = [kind for kind in kinds_of(annotation) if kind is not type(None)]
    return tuple(kinds) if all(isinstance(kind, str) for kind in kinds) else ()


def kinds_of(annotation: Any) -> list[Any]:
    """The types of an annotation, and the values of a literal in it."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return [kind for part in typing.get_args(annotation) for kind in kinds_of(part)]
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [annotation]


def options_of(section: Any) -> tuple[dataclasses.Field, ...]:
    """The options among the fields of a section."""
    return tuple(each for each in dataclasses.fields(section) if "help" in each.metadata)


def names_of(section: Any) -> tuple[str, ...]:
    """The names of a section's options."""
    return tuple(each.name for each in options_of(section))


def check_options(section: Any) -> None:
    """Checks each option of a section: its type, its choices, its range.

    Args:
      section: a dataclass of `option`s.

    Raises:
      ValueError: names the first flag that is wrong, its value, and what is right.
    """
    for each in options_of(section):
        value = getattr(section, each.name)
        if value is None and each.default is None:
            continue
        flag = f"--{each.name}"
        choices = choices_of(each.type)
        if choices:
            right = f"use one of {', '.join(choices)}"
            require(isinstance(value, str) and value in choices, each.name, value, right)
        elif each.metadata["path"]:
            check_path(flag, value)
        else:
            _check_type(flag, each, value)
        within, reads = each.metadata["within"], each.metadata["reads"]
        if within is not None and not isinstance(value, str):
            require(within.holds(value), each.name, value, within.right_for(value))
        if reads is not None:
            reads(flag, value)


def require(holds: bool, name: str, value: Any, right: str) -> None:
    """Refuses a value that no other flag would make right.

    Raises:
      ValueError: unless it holds.
    """
    if not holds:
        text = value if isinstance(value, str) else shown(value)
        raise ValueError(f"--{name}={text} is out of range: {right}.")


def refuse_together(
    clash: bool, name: str, value: Any, other: str, other_value: Any, right: str
) -> None:
    """Refuses two values that are right, but not together.

    Raises:
      ValueError: if they clash.
    """
    if clash:
        raise ValueError(
            f"{_given(name, value)} does not go with {_given(other, other_value)}: {right}."
        )


def _given(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={value if isinstance(value, str) else shown(value)}"


def _check_type(flag: str, each: dataclasses.Field, value: Any) -> None:
    kinds = kinds_of(each.type)
    if bool in kinds:
        check_truth(flag, value)
    elif int in kinds:
        if not is_whole(value):
            raise refusal(flag, value, "use a whole number")
        if abs(value) > LARGEST_WHOLE:
            raise refusal(flag, value, "use a whole number below 2**63")
    elif float in kinds:
        if not is_number(value) and not (isinstance(value, str) and value in kinds):
            texts = [kind for kind in kinds if isinstance(kind, str)]
            raise refusal(flag, value, " or ".join(["use a number", *texts]))
    elif not isinstance(value, str):
        example = ",".join(map(str, value)) if is_several(value) else each.default or "a name"
        raise refusal(flag, value, f"use a text, such as {example!r}")
