"""Points in training: "500it", "12ep" and "5%" as iteration numbers."""

import re
from fractions import Fraction

from tf_lottery.config.arguments import is_whole, shown

# Training counts in 64 bits; nobody trains longer.
_MOST = 10**12
_LONGEST = 40

_PATTERN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>it|ep|%)?")


def refuse_no_state(flag: str, point: str, step: int, train_steps: int) -> None:
    """Refuses a point whose state is to be kept if training does not go on from there.

    Args:
      flag: that names it, with its value.
      point: as it was given.
      step: its iteration.
      train_steps: at which training ends.

    Raises:
      ValueError: if it is not before the end.
    """
    if step >= train_steps:
        raise ValueError(
            f"{flag}: {point} is iteration {step}, and training ends at {train_steps}; use points "
            "before its end."
        )


def scaled_point(text: str, fraction: float) -> str:
    """A point in training that is a share as long, such as "50it" for a tenth of "500it".

    Args:
      text: as of `parse_steps`; "0it" stays, and other iterations stay at least 1.
      fraction: the share.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None or match["unit"] == "%":
        return text
    number, unit = Fraction(match["number"]) * Fraction(str(fraction)), match["unit"] or "it"
    if unit == "ep":
        return f"{float(number):g}ep"
    return f"{max(round(number), min(1, int(match['number'])))}it"


def is_same_point(one: str, other: str) -> bool:
    """Whether two texts name the same point in any training: "60" and "60it", "0it" and "0ep"."""
    parts = [_PATTERN.fullmatch(text.strip()) for text in (one, other)]
    named = {(Fraction(part["number"]), part["unit"] or "it") for part in parts if part}
    return all(parts) and (len(named) == 1 or not any(number for number, _ in named))


def known_steps(
    text: str | int, *, steps_per_epoch: int | None, total_steps: int | None = None, argument: str
) -> int | None:
    """Converts a point in training as `parse_steps` does, if that can be done already.

    Args:
      text: as of `parse_steps`.
      steps_per_epoch: iterations in an epoch; None where it is not known yet.
      total_steps: iterations in the whole training; None where it is not known yet.
      argument: as of `parse_steps`.

    Returns:
      The iteration number; None if it depends on a length that is not known yet.

    Raises:
      ValueError: if `text` is not such a point.
    """
    match = _PATTERN.fullmatch(str(text).strip())
    unit = match and match["unit"]
    if (unit == "ep" and steps_per_epoch is None) or (unit == "%" and total_steps is None):
        parse_steps(text, steps_per_epoch=1, total_steps=1, argument=argument)
        return None
    return parse_steps(
        text, steps_per_epoch=steps_per_epoch, total_steps=total_steps, argument=argument
    )


def parse_steps(
    text: str | int,
    *,
    steps_per_epoch: int | None,
    total_steps: int | None = None,
    argument: str,
) -> int:
    """Converts a point in training to an iteration number.

    Args:
      text: "500it" or 500 (iterations), "12ep" or "0.5ep" (epochs) or "5%" (of `total_steps`).
        Fractions are rounded to the nearest iteration.
      steps_per_epoch: iterations in an epoch; None where it is unknown.
      total_steps: iterations in the whole training; None where percentages make no sense.
      argument: name of the flag or argument, for error messages.

    Returns:
      The iteration number, at least 0.

    Raises:
      ValueError: if `text` is not such a point, or its unit needs a length that is unknown.
    """
    readable = isinstance(text, str) or is_whole(text)
    match = _PATTERN.fullmatch(str(text).strip()) if readable else None
    if match is None or len(match["number"]) > _LONGEST:
        raise ValueError(
            f"{argument}: {shown(text)} is not a point in training; write iterations as '500it', "
            f"epochs as '2ep' or a share of training as '1%'.{_for_several(argument, text)}"
        )
    number, unit = Fraction(match["number"]), match["unit"] or "it"
    if number * (steps_per_epoch or 1 if unit == "ep" else 1) > _MOST:
        raise ValueError(f"{argument}: {text!r} is too far; use at most {_MOST:,} iterations.")
    if unit == "%":
        if total_steps is None:
            raise ValueError(
                f"{argument}: {text!r} is a percentage; use iterations or epochs here."
            )
        return round(number * total_steps / 100)
    if unit == "ep":
        if steps_per_epoch is None:
            raise ValueError(
                f"{argument}: {text!r} counts epochs, but the number of iterations in an epoch is "
                "unknown; write iterations ('500it') or pass steps_per_epoch."
            )
        return round(number * steps_per_epoch)
    if number.denominator != 1:
        raise ValueError(f"{argument}: {text!r}: iterations are whole numbers.")
    return int(number)


def _for_several(argument: str, text: str | int) -> str:
    if argument != "--rewind_step" or "," not in str(text):
        return ""
    return f" For a run from each of several, give --sweep=rewind_step:{text}."
