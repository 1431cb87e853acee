"""Names of the files in landscape/: what was measured, then the settings, in words.

Such as successive_levels__30_points__union__estimated__test.csv; older versions wrote
successive_levels,30,union,estimated,test.csv.
"""

from collections.abc import Sequence
from pathlib import Path

from tf_lottery.config.analyses import result_files
from tf_lottery.store.result_columns import SOLUTIONS

_SEPARATOR, _OLD_SEPARATOR = "__", ","
# How settings of lines are written; those of other results stand at their `ResultFile`.
LINE_SETTINGS = ("{}_points", "{}", "{}", "{}")
# In place of "estimated" of networks with batch normalization; earlier versions estimated its
# statistics from the first training examples, in the order in which they are stored.
ESTIMATED_AT_RANDOM = "estimated_at_random"
_TEXTS = {
    "union": "weights of either solution",
    "intersection": "weights of both solutions",
    "first": "weights of the first solution",
    "second": "weights of the second solution",
    "estimated": "batch statistics estimated anew",
    ESTIMATED_AT_RANDOM: "batch statistics estimated anew on random examples",
    "interpolated": "batch statistics interpolated",
    "test": "test data",
    "train": "training data",
    "both": "test and training data",
    "fresh_noise": "fresh SGD noise",
    "aligned_by_weights": "units matched by their weights",
}


def result_stem(name: str, settings: Sequence[str | None]) -> str:
    """Returns the name of a file of results, without a suffix.

    Args:
      name: of the analysis, or the ends of a line.
      settings: their values as text, in the order of the analysis; None for those left out.
    """
    file = result_files().get(name)
    forms = LINE_SETTINGS if file is None else file.settings
    # A file of a version to come may have more.
    forms = (*forms, *("{}",) * (len(settings) - len(forms)))
    given = zip(forms, settings, strict=False)
    written = (form.format(text) for form, text in given if text is not None)
    return _SEPARATOR.join([name, *written])


def current_stem(stem: str) -> str:
    """Returns how the name of a file, maybe of an older version, is written today."""
    if _OLD_SEPARATOR not in stem:
        return stem
    name, *settings = stem.split(_OLD_SEPARATOR)
    return result_stem(name, settings)


def analysis_of(stem: str) -> str:
    """Returns the name of the analysis, or the ends of the line, of a file's name."""
    return current_stem(stem).split(_SEPARATOR)[0]


def text_columns(stem: str) -> tuple[str, ...]:
    """Returns the columns of texts in a file of this name; all others are of numbers."""
    file = result_files().get(analysis_of(stem))
    return (SOLUTIONS,) if file is None else (*file.texts, SOLUTIONS)


def settings_of(stem: str) -> tuple[str, ...]:
    """Returns the settings of a file's name in words, for people."""
    parts = current_stem(stem).split(_SEPARATOR)[1:]
    texts = (_TEXTS.get(part, part.replace("_", " ")) for part in parts)
    return tuple(f"{text} on a line" if text.endswith(" points") else text for text in texts)


def result_path(folder: Path, name: str, settings: Sequence[str | None]) -> Path:
    """Returns the path of a file of results: that of an older version, if there is only that.

    Args:
      folder: that it is in.
      name: of the analysis, or the ends of a line.
      settings: as of `result_stem`.
    """
    path = folder / f"{result_stem(name, settings)}.csv"
    given = (text for text in settings if text is not None)
    old = folder / f"{_OLD_SEPARATOR.join([name, *given])}.csv"
    return old if old.exists() and not path.exists() else path
