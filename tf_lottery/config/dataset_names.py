"""Names of data sets and the folder they are in: what is wrong is told without TensorFlow."""

import difflib
import re
from pathlib import Path

from tf_lottery.config.arguments import expanded
from tf_lottery.config.data_files import data_files, kinds_of_files
from tf_lottery.config.datasets import find_source, source_names
from tf_lottery.private_names import private_names

_NAME = re.compile(
    r"([\w-]+:)?[A-Za-z_]\w*(/[\w+.-]+)?(:(\d+|\*)\.(\d+|\*)\.(\d+|\*))?(/(\w+=[^,]+,?)+)?"
)
_MOST_SUGGESTED = 5
_USUAL = ("mnist", "fashion_mnist", "cifar10")


def check_dataset(name: str, data_dir: str | None) -> None:
    """Refuses a data set that is known nowhere, and files and folders that are not there.

    Args:
      name: as given to `--dataset`.
      data_dir: as given to `--data_dir`.

    Raises:
      ValueError: names the flag and what may have been meant.
    """
    if find_source(name) is not None:
        return
    files = data_files(name)
    if files is not None:
        files.check()
        return
    if not name:
        raise _unknown(name, [])
    # Slow to import, and other data does not need it.
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    path = name.partition(":")[2]
    if _kind_of(path):
        raise _unknown(name, known)
    if not _NAME.fullmatch(name):
        raise _unknown(name, known)
    _check_folder(data_dir, _set_name(name))
    if not _may_be_found(name, known, data_dir):
        raise _unknown(name, known)


def _set_name(name: str) -> str:
    return re.split("[/:]", name)[0]


def _may_be_found(name: str, known: list[str], data_dir: str | None) -> bool:
    """Whether tensorflow-datasets may know it, or have a prepared copy without its code."""
    with private_names("tensorflow-datasets"):
        from tensorflow_datasets.core import naming
        from tensorflow_datasets.core.utils import file_utils

    of_a_community = name.count(":") and not re.fullmatch(r"[^:]*:[\d*.]+(/.*)?", name)
    own = _set_name(name)
    if of_a_community or naming.camelcase_to_snakecase(own) in known:
        return True
    folders = [str(folder) for folder in file_utils.list_data_dirs(given_data_dir=data_dir)]
    return any("://" in folder or Path(folder, own).is_dir() for folder in folders)


def _check_folder(data_dir: str | None, set_name: str) -> None:
    """Refuses what is no folder, in whose place tensorflow-datasets would make one."""
    if data_dir is None or "://" in data_dir:
        return
    folder = expanded("--data_dir", data_dir)
    right = "name the folder in which tensorflow-datasets keeps prepared data sets"
    if not folder.is_dir():
        raise ValueError(
            f"--data_dir={data_dir} is no folder: {right}, or make it first, if a data set is to "
            "be downloaded into it."
        )
    if folder.name == set_name and any(folder.glob("**/dataset_info.json")):
        raise ValueError(
            f"--data_dir={data_dir} is the folder of the data set itself: {right}, here "
            f"--data_dir={Path(data_dir).parent}."
        )


def _kind_of(path: str) -> str | None:
    """How a file or folder that there is may be given to `--dataset`; None if it may not."""
    place = expanded("--dataset", path)
    if path and place.is_dir():
        return f"folder:{path}"
    if place.suffix in (".npz", ".csv") and place.is_file():
        ending = "?label=COLUMN" if place.suffix == ".csv" else ""
        return f"{place.suffix[1:]}:{path}{ending}"
    return None


def _unknown(name: str, known: list[str]) -> ValueError:
    own = re.sub(r"\W", "_", _set_name(name).lower())
    names = [*source_names(), *known]
    begun = [other for other in names if own and other.startswith(own)]
    close = list(dict.fromkeys([*begun, *difflib.get_close_matches(own, names, n=_MOST_SUGGESTED)]))
    files = _kind_of(name) or _kind_of(name.partition(":")[2])
    close = [f"--dataset={files}"] if files else close
    meant = f" Did you mean {' or '.join(close[:_MOST_SUGGESTED])}?" if close else ""
    own = ", ".join(kinds_of_files())
    return ValueError(
        f"--dataset={name} is not known.{meant} Choose {', '.join(source_names())} or an "
        f"image-classification set of tensorflow-datasets, such as {', '.join(_USUAL)} "
        f"(https://www.tensorflow.org/datasets/catalog/overview), or files of your own: {own}."
    )
