"""Flag files on a command line: what stands in them, and where the run lies that they are of."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tf_lottery.config.arguments import expanded
from tf_lottery.config.experiment import config_options
from tf_lottery.messages import tell
from tf_lottery.store.run_folder import BRANCHES_FOLDER

_TRAINED = ("lottery", "train")
_OF_ALL_LEVELS = ("report", "list", "verify")
# What is no value that another takes the place of.
_SEVERAL_TIMES = ("run", "sweep", "experiment")
_FLAG = ("--flagfile", "-flagfile")
_A_FLAG_FILE = (
    "Give a file with a flag in each line, such as configs/digits_lenet.cfg, or one of those that "
    "`tf-lottery configs` lists (in a clone `python main.py configs`)."
)
_NUMBER = re.compile(r"\s*\d+\s*")


class Line(str):
    """A line of a flag file, which knows where it stands.

    Attributes:
      place: the line's number and its file, in words.
    """

    __slots__ = ("place",)

    def __new__(cls, text: str, place: str) -> "Line":
        """Makes one, which is its text wherever a text is expected."""
        line = super().__new__(cls, text)
        line.place = place
        return line


def with_content(arguments: Sequence[str]) -> list[str]:
    """A command line with the content of its flag files in their place.

    The flags.cfg of a run folder is of that run wherever it lies now: its --workdir and its --name
    are those of the folder. Given to a command on runs, it names the run, too; and what a flag file
    of an experiment says of --levels, the number of prunings, is no choice of levels. Beside other
    runs it says nothing else, as no flag of one run is for all.

    --experiment on the command line itself comes before that of flag files, wherever it stands.

    Args:
      arguments: of the command line, the program first.

    Returns:
      Arguments without --flagfile.

    Raises:
      ValueError: if a file is not named or cannot be read, or if the folder of a flags.cfg has a
        name that no run folder has.
    """
    parts = list(parts_of(arguments))
    asked = _value("experiment", [line for file, lines in parts if file is None for line in lines])
    of_files = [line for file, lines in parts if file is not None for line in lines]
    kind = asked or _value("experiment", of_files) or "lottery"
    are_several = kind not in (*_TRAINED, "list") and _are_several_runs(parts)
    found, places = list(arguments[:1]), []
    for file, lines in parts:
        if file is not None and _is_of_run(file):
            place = file.absolute().parent
            places.append(place)
            if are_several and place.parent.name != BRANCHES_FOLDER:
                # Where its own data are, it knows.
                plugins = _value("plugin", lines)
                found += [*([f"--plugin={plugins}"] if plugins else []), f"--run={place}"]
                continue
        if file is not None:
            _tell_of_overridden(found, file, lines)
            if _is_of_run(file):
                lines = _where_it_lies(file, lines, kind)
                if kind not in _TRAINED:
                    # Where the run left its own, not what is exported now.
                    lines = _without("export_dir", lines)
            if kind not in _TRAINED and _value("experiment", lines) in (None, *_TRAINED):
                lines = _without_number_of_levels(file, lines, kind)
        found = [*found, *lines]
    if kind not in (*_TRAINED, "list") and _value("run", found) is None:
        found += [f"--run={place}" for place in dict.fromkeys(places)]
    return found if asked is None else [*found, f"--experiment={asked}"]


def parts_of(arguments: Sequence[str]) -> Iterator[tuple[Path | None, list[str]]]:
    """The flag files of a command line with their lines, and what stands between them.

    Args:
      arguments: as of `with_content`.

    Raises:
      ValueError: if a file is not named or cannot be read.
    """
    rest = iter(arguments[1:])
    for argument in rest:
        flag, equals, name = argument.partition("=")
        if argument == "--":
            yield None, [argument, *rest]
        elif flag not in _FLAG:
            yield None, [argument]
        else:
            name = name if equals else next(rest, "")
            lines = list(_lines(name, ()))
            yield expanded("--flagfile", name), lines


def _lines(name: str, within: tuple[Path, ...]) -> Iterator[str]:
    """The flags in a file, and in those that it names.

    absl, which could read it too, takes a byte order mark for a part of the first flag.
    """
    if not name.strip():
        raise ValueError(f"--flagfile= names no file. {_A_FLAG_FILE}")
    file = expanded("--flagfile", name)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"--flagfile={name} is no flag file: it is not text ({error}). {_A_FLAG_FILE}"
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        spaces = " Write --flagfile=FILE without spaces." if " -" in name or name[0] == "=" else ""
        raise ValueError(
            f"--flagfile={name} cannot be read: {why}.{spaces} {_A_FLAG_FILE}"
        ) from error
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        flag, _, other = line.partition("=")
        if flag in _FLAG:
            if file.absolute() in within:
                raise ValueError(f"--flagfile={name} names itself; take that line out of it.")
            try:
                yield from _lines(other, (*within, file.absolute()))
            except ValueError as error:
                raise ValueError(f"{error}\n{line} is line {number} of {name}.") from error
        elif line and not line.startswith(("#", "//")):
            yield Line(line, f"line {number} of {name}")


def _read(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The flags among arguments, and their values."""
    return ((name, value) for _, name, value in flags_among(arguments))


def flags_among(arguments: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The flags among arguments: the argument itself, the flag's name, its value."""
    known = config_options()
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        flag, equals, value = argument.partition("=")
        name = flag.lstrip("-")
        if not argument.startswith("-") or not name:
            continue
        option = known.get(name.removeprefix("no"), known.get(name))
        if equals:
            yield argument, name, value
        elif option is not None and isinstance(option.default, bool):
            yield argument, option.name, str(name == option.name)
        else:
            yield argument, name, following


def _value(flag: str, arguments: Sequence[str]) -> str | None:
    """The last value of a flag among arguments; None if it is not given."""
    return dict(_read(arguments)).get(flag)


def _are_several_runs(parts: Iterable[tuple[Path | None, Sequence[str]]]) -> bool:
    """Whether a flags.cfg of a run stands beside one of another, or beside a --run of another."""
    files = [file for file, _ in parts if file is not None and _is_of_run(file)]
    places = {file.resolve().parent for file in files}
    others = (line for file, lines in parts if file not in files for line in lines)
    named = [value for flag, value in _read(list(others)) if flag == "run" and value]
    return len(places) > 1 or any(
        not place.is_relative_to(expanded("--run", run).resolve())
        for place in places
        for run in named
    )


def _without(flag: str, lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.partition("=")[0].lstrip("-") != flag]


def _is_of_run(file: Path) -> bool:
    return file.name == "flags.cfg" and (file.parent / "config.json").exists()


def _where_it_lies(file: Path, lines: list[str], kind: str) -> list[str]:
    """The flags of a run folder or of a branch's, with the places where they are now."""
    folder = file.absolute().parent
    if folder.parent.name == BRANCHES_FOLDER:
        return [*_without("run", lines), f"--run={folder.parents[1]}"]
    workdir, name = folder.parents[1], folder.parent.name
    replicate = f"replicate_{_value('replicate', lines) or 1}"
    if kind in _TRAINED and folder.name != replicate:
        raise ValueError(
            f"--flagfile={file}: it is of a run that is continued in a folder WORKDIR/NAME/"
            f"{replicate}, but lies in one of the name {folder.name}; give the folder its name "
            "again."
        )
    former = _value("workdir", lines)
    if former is not None and Path(former) != workdir:
        lines = [*(_moved(line, Path(former), workdir) for line in lines), f"--workdir={workdir}"]
    return lines if _value("name", lines) == name else [*lines, f"--name={name}"]


def _moved(line: str, former: Path, workdir: Path) -> str:
    """A line whose path lay among the runs, and is not there any more, with its place now."""
    flag, _, value = line.partition("=")
    option = config_options().get(flag.lstrip("-"))
    if option is None or not option.metadata["path"] or Path(value).exists():
        return line
    if not Path(value).is_relative_to(former):
        return line
    return f"{flag}={workdir / Path(value).relative_to(former)}"


def _without_number_of_levels(file: Path, lines: list[str], kind: str) -> list[str]:
    """The flags of an experiment without its number of prunings, which chooses no levels."""
    levels = _value("levels", lines)
    if levels is None or not _NUMBER.fullmatch(levels):
        return lines
    if not _is_of_run(file):
        if kind in _OF_ALL_LEVELS:
            return lines  # What they say of --levels is said of this one.
        tell(
            f"Note: --levels={levels} of --flagfile={file} is the number of prunings of an "
            "experiment, and chooses none of the levels that there are; to choose some, give "
            "--levels on the command line."
        )
    return _without("levels", lines)


def _tell_of_overridden(before: Sequence[str], file: Path, lines: Sequence[str]) -> None:
    """Says which flags of the command line a flag file that stands behind them overrides."""
    later = dict(_read(lines))
    for name, value in _read(before[1:]):
        other = later.get(name, value)
        if other.lower() != value.lower() and name not in _SEVERAL_TIMES:
            tell(
                f"Note: {_written(name, value)} has no effect: --flagfile={file} stands behind it, "
                f"and has {_written(name, other)}. Give the flag behind the file."
            )


def _written(name: str, value: str) -> str:
    return {"true": f"--{name}", "false": f"--no{name}"}.get(value.lower(), f"--{name}={value}")
