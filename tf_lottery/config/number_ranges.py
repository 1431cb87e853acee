"""Sets of numbers as people write them: "0-5,8"."""

import re

_PART = re.compile(r"(\d{1,18})(?:\s*-\s*(\d{1,18}))?")
_NEGATIVE = re.compile(r"\s*-\s*\d+\s*")
# More are a slip of the finger, and would fill the memory.
_MOST = 10_000


def parse_ranges(text: str, argument: str) -> list[int]:
    """Reads numbers and ranges, separated by commas.

    Args:
      text: such as "0-5,8": both ends of a range belong to it.
      argument: name of the flag or argument, for error messages.

    Returns:
      The numbers in rising order, each once.

    Raises:
      ValueError: if the text is not such a set, or one of more than 10,000 numbers.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        first, last = (match[1], match[2] or match[1]) if match else ("1", "0")
        if match and int(first) > int(last):
            raise ValueError(
                f"{argument}={text}: the range {part.strip()!r} ends before it begins; write "
                f"'{last}-{first}'."
            )
        if not match:
            wrong = "negative" if _NEGATIVE.fullmatch(part) else "neither a number nor a range"
            raise ValueError(
                f"{argument}={text}: {part.strip()!r} is {wrong}; write "
                "a number such as 5, or '0-5,8' for 0, 1, 2, 3, 4, 5 and 8."
            )
        if int(last) - int(first) >= _MOST:
            raise ValueError(
                f"{argument}={text}: {part.strip()!r} names {int(last) - int(first) + 1:,} "
                f"numbers; name at most {_MOST:,}."
            )
        numbers.update(range(int(first), int(last) + 1))
    return sorted(numbers)
