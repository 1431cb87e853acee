"""Data sets in files of one's own: `--dataset=KIND:PATH`, with `?OPTION=VALUE&OPTION=VALUE`."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tf_lottery.config.arguments import expanded

# Options of each kind, with what is written for them.
_KINDS: dict[str, dict[str, str]] = {
    "folder": {"test": "a share, such as 0.2"},
    "npz": {},
    "csv": {
        "label": "the column of the classes",
        "drop": "columns that are no features, separated by commas",
        "test": "another table, or a share, such as 0.2",
        "validation": "another table",
    },
}
_FORM = re.compile(rf"({'|'.join(_KINDS)}):(.+)", re.DOTALL)
_OPTIONS = re.compile(r"\?(?=\w+=)")
_VERSION = re.compile(r":(\d+|\*)\.(\d+|\*)\.(\d+|\*)(?=/|$)")
# Of each class, where the data are not divided.
_TEST_SHARE = 0.2


@dataclass(frozen=True)
class DataFiles:
    """What `--dataset=KIND:PATH` names.

    Attributes:
      kind: "folder", "npz" or "csv".
      path: the file or folder, absolute.
      options: by name.
    """

    kind: str
    path: Path
    options: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """As it is given to --dataset."""
        return self._text(self.path, self.options)

    @property
    def flag(self) -> str:
        """The flag, for messages."""
        return f"--dataset={self}"

    @property
    def name(self) -> str:
        """The same, without the folders that the files are in."""
        own = {name: Path(text).name for name, text in self.options.items() if self._is_path(name)}
        return self._text(self.path.name, {**self.options, **own})

    @property
    def reading(self) -> str:
        """How the files are read: the kind and the options, without where and what they are.

        Options that are at their defaults, or in another order, read the same.
        """
        own = {name: text for name, text in self.options.items() if not self._is_path(name)}
        if "drop" in own:
            own["drop"] = ",".join(sorted(part.strip() for part in own["drop"].split(",")))
        share = _as_number(own.get("test", ""))
        if share is not None:
            own["test"] = f"{share:g}"
        if own.get("test") == f"{_TEST_SHARE:g}":
            del own["test"]
        return self._text("", dict(sorted(own.items())))

    @property
    def test_share(self) -> float:
        """The share of each class that is tested on where the data are not divided.

        Raises:
          ValueError: if it is none.
        """
        text = self.options.get("test", str(_TEST_SHARE))
        share = _as_number(text)
        if share is None or not 0 < share < 1:
            raise self.refusal(f"test={text}: use a share of the examples, such as 0.2")
        return share

    def file_of(self, option: str) -> Path | None:
        """The file that an option names; None without it, or where it is a number."""
        return Path(self.options[option]) if self._is_path(option) else None

    def absolute(self) -> DataFiles:
        """The same with absolute paths, which mean the same in any folder."""

        def absolute(path: Path | str) -> Path:
            return expanded("--dataset", path, str(self)).absolute()

        own = {n: str(absolute(text)) for n, text in self.options.items() if self._is_path(n)}
        return replace(self, path=absolute(self.path), options={**self.options, **own})

    def check(self) -> None:
        """Checks what can be told at a glance.

        Raises:
          ValueError: if there are no such files, or an option is not known.
        """
        known = _KINDS[self.kind]
        for option in self.options:
            if option not in known:
                takes = ", ".join(f"{name}: {what}" for name, what in known.items())
                raise self.refusal(
                    f"{option} is no option of {self.kind}; "
                    + (f"its options are {takes}" if takes else "it has none")
                )
        if "test" in known and not self._is_path("test"):
            _ = self.test_share
        is_folder = self.kind == "folder"
        for path in [self.path, *filter(None, map(self.file_of, self.options))]:
            if not path.exists():
                raise self.refusal(
                    f"there is no {'folder' if is_folder else 'file'} {path}; where the data of a "
                    "run have moved or been renamed, say so with "
                    f"--dataset={self._text('PATH', self.options)}"
                )
        if is_folder and not self.path.is_dir():
            raise self.refusal(f"{self.path} is no folder; name the one that holds the images")
        if self.kind == "npz" and self.path.is_dir():
            raise self.refusal(f"{self.path} is a folder; name the file")

    def state(self) -> str:
        """Tells whether the files have changed since they were read in this process."""
        found = []
        for path in [self.path, *filter(None, map(self.file_of, self.options))]:
            below = (
                Path(place, name)
                for place, folders, files in os.walk(path)
                for name in (*folders, *files)
            )
            for part in [path, *sorted(below)]:
                with suppress(OSError):
                    about = part.stat()
                    found.append((str(part), about.st_mtime_ns, about.st_size))
        return hashlib.sha256(repr(found).encode()).hexdigest()

    def refusal(self, problem: str) -> ValueError:
        """The error of the flag.

        Args:
          problem: what is wrong, and what is right; without a full stop.
        """
        return ValueError(f"{self.flag}: {problem}.")

    def _is_path(self, option: str) -> bool:
        # Of a folder, a part is given as a share alone.
        if self.kind != "csv" or option not in ("test", "validation"):
            return False
        text = self.options.get(option)
        return text is not None and _as_number(text) is None

    def _text(self, path: Path | str, options: Mapping[str, str]) -> str:
        given = "&".join(f"{name}={text}" for name, text in options.items())
        return f"{self.kind}:{path}{f'?{given}' if given else ''}"


def data_files(dataset: str) -> DataFiles | None:
    """Reads a value of `--dataset`.

    Returns:
      The files that it names, as they are written; None if it is the name of a set.

    Raises:
      ValueError: if an option is given twice.
    """
    form = _FORM.fullmatch(dataset)
    if form is None:
        return None
    path, *given = _OPTIONS.split(form[2], maxsplit=1)
    options = {}
    for part in (part for text in given for part in text.split("&")):
        name, _, text = part.partition("=")
        if name in options:
            raise ValueError(
                f"--dataset={dataset}: {name} is given twice, as {options[name]} and as {text}; "
                "give it once."
            )
        options[name] = text
    return DataFiles(form[1], Path(path), options)


def absolute_dataset(dataset: str) -> str:
    """A value of `--dataset` that means the same in any folder."""
    files = data_files(dataset)
    return dataset if files is None else str(files.absolute())


def dataset_name(dataset: str) -> str:
    """What people call a data set: without the folder of its files, or without its version."""
    files = data_files(dataset)
    return _VERSION.sub("", dataset, count=1) if files is None else files.name


def dataset_reading(dataset: str) -> str:
    """What of a data set is told apart before examples are read: not what its files are called.

    Whether the examples are the same is told by their fingerprint.
    """
    files = data_files(dataset)
    return dataset_name(dataset) if files is None else files.reading


def short_name(dataset: str) -> str:
    """A name for run folders."""
    files = data_files(dataset)
    if files is None:
        return dataset_name(dataset)
    return f"{files.kind}_{files.path.name.removesuffix(f'.{files.kind}')}"


def kinds_of_files() -> Iterable[str]:
    """The kinds of files that data may be in, as they are given to --dataset."""
    return [
        f"{kind}:PATH{'?label=COLUMN' if 'label' in options else ''}"
        for kind, options in _KINDS.items()
    ]


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
