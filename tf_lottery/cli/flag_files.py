"""Flag files on a command line: what stands in them, and where the run lies that they are of."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags

from tf_lottery.config.experiment import config_options
from tf_lottery.messages import tell
from tf_lottery.store.run_folder import BRANCHES_FOLDER

_TRAINED = ("lottery", "train")
_OF_ALL_LEVELS = ("report", "list", "verify")
_SEVERAL_TIMES = ("run", "sweep", "flagfile")
_NUMBER = re.compile(r"\s*\d+\s*")


def with_content(arguments: Sequence[str]) -> list[str]:
    """A command line with the content of its flag files in their place.

    The flags.cfg of a run folder is of that run wherever it lies now: its --workdir and its --name
    are those of the folder. Given to a command on runs, it names the run, too; and what a flag file
    of an experiment says of --levels, the number of prunings, is no choice of levels.

    --experiment on the command line itself comes before that of flag files, wherever it stands.

    Args:
      arguments: of the command line, the program first.

    Returns:
      Arguments without --flagfile.

    Raises:
      ValueError: if the folder of a flags.cfg has a name that no run folder has.
      absl.flags.CantOpenFlagFileError: if a file cannot be read.
      UnicodeDecodeError: if a file is no text.
    """
    parts = list(_parts(arguments))
    own = [argument for file, lines in parts if file is None for argument in lines]
    asked = _value("experiment", own)
    found, of_files, places = list(arguments[:1]), [], []
    for file, lines in parts:
        if file is not None:
            of_files += lines
    kind = asked or _value("experiment", of_files) or "lottery"
    for file, lines in parts:
        if file is not None:
            _tell_of_overridden(found, file, lines)
            if _is_of_run(file):
                lines = _where_it_lies(file, lines, kind)
                places.append(file.absolute().parent)
                if kind not in _TRAINED:
                    # Where the run left its own, not what is exported now.
                    lines = _without("export_dir", lines)
            if kind not in _TRAINED and _value("experiment", lines) in (None, *_TRAINED):
                lines = _without_number_of_levels(file, lines, kind)
        found = [*found, *lines]
    if kind not in (*_TRAINED, "list") and _value("run", found) is None:
        found += [f"--run={place}" for place in dict.fromkeys(places)]
    return found if asked is None else [*found, f"--experiment={asked}"]


def _parts(arguments: Sequence[str]) -> Iterator[tuple[Path | None, list[str]]]:
    """Flag files with their lines, and what stands between them."""
    reader = flags.FlagValues()
    rest = iter(arguments[1:])
    for argument in rest:
        flag, equals, name = argument.partition("=")
        if argument == "--":
            yield None, [argument, *rest]
        elif flag not in ("--flagfile", "-flagfile"):
            yield None, [argument]
        else:
            name = name if equals else next(rest, "")
            lines = reader.read_flags_from_files([f"--flagfile={name}"])
            yield Path(name).expanduser(), list(lines)


def _value(flag: str, arguments: Sequence[str]) -> str | None:
    """The last value of a flag among arguments; None if it is not given."""
    found = None
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in (f"--{flag}", f"-{flag}"):
            found = value if equals else next(iter(arguments[place + 1 :]), "")
    return found


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
    for argument in before[1:]:
        flag, equals, value = argument.partition("=")
        name = flag.lstrip("-")
        later = _value(name, lines)
        if equals and later not in (None, value) and name not in (*_SEVERAL_TIMES, "experiment"):
            tell(
                f"Note: --{name}={value} has no effect: --flagfile={file} stands behind it, and "
                f"has --{name}={later}. Give the flag behind the file."
            )
