"""Where a refused value comes from: a line of a flag file, or one of the values of --sweep."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from absl import flags

from tf_lottery.cli.flag_files import Line, flags_among, parts_of
from tf_lottery.cli.flag_uses import as_given
from tf_lottery.cli.sweeps import combinations
from tf_lottery.config.data_files import absolute_dataset

_QUOTED = re.compile(r"""[^=]*=(["']).*\1""")


def with_origins(problem: str, arguments: Sequence[str], flag_values: flags.FlagValues) -> str:
    """What is wrong, with the --sweep and the lines of flag files that it is about.

    Args:
      problem: what is wrong; names flags with their values.
      arguments: of the command line, the program first.
      flag_values: the flags, as far as they could be parsed.

    Returns:
      The text, behind the --sweep that has the value, and before lines that say in which lines of
      flag files values stand. Nothing is said of values that the command line itself has.
    """
    given: list[tuple[str, str, str]] = []
    with suppress(ValueError):  # A flag file that cannot be read, which is what is wrong.
        given = list(flags_among([line for _, lines in parts_of(arguments) for line in lines]))
    problem = _with_sweep(problem, [value for _, name, value in given if name == "sweep"])
    meant, last = {}, {name: place for place, (_, name, _) in enumerate(given)}
    for place, (argument, name, value) in enumerate(given):
        # Without its value, as in advice to give it, a flag is named as the one that counts.
        if place < last[name] and "=" not in argument:
            continue
        if any(_is_named(text, problem) for text in _spellings(argument, name, value, flag_values)):
            # Of several, the last one counts.
            meant[name] = argument
    places = [place_of(line) for line in meant.values() if isinstance(line, Line)]
    return "\n".join([problem, *places])


def place_of(line: Line) -> str:
    """Where a line of a flag file stands, in a sentence, and what in it may not be meant so."""
    more = ""
    if _QUOTED.fullmatch(line):
        more = "; in flag files, quotes are a part of the value"
    elif " #" in line:
        more = "; in flag files, # begins a comment at the beginning of a line alone"
    return f"{line} is {line.place}{more}."


def _with_sweep(problem: str, sweeps: Sequence[str]) -> str:
    for sweep in sweeps:
        with suppress(ValueError):  # One that cannot be read is named itself.
            for changes in combinations([sweep]):
                for name, (text, value) in changes.items():
                    shown = (f"--{name}={text}", f"--{name}={value}", *_of_truth(name, value))
                    if any(_is_named(spelling, problem) for spelling in shown):
                        return f"--sweep={sweep}: {problem}"
    return problem


def _of_truth(name: str, value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no{name}"


def _spellings(
    argument: str, name: str, value: str, flag_values: flags.FlagValues
) -> Iterator[str]:
    """How a problem may name a flag that was given."""
    yield argument if argument.startswith("--") else f"-{argument}"
    yield from (f"--{name}={part}" for part in {value, *map(str.strip, value.split(","))})
    if name == "dataset":
        with suppress(ValueError):
            yield f"--{name}={absolute_dataset(value)}"
    # As in what a run folder holds and a command says.
    yield f"--{name}:"
    if name in flag_values and flag_values[name].present:
        yield as_given(flag_values[name])


def _is_named(text: str, problem: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(text)}(?![\w=/%*-]|[.,:?]\w)", problem))
