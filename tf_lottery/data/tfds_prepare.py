"""Finding and preparing a set of tensorflow-datasets, with errors that say what to do.

tensorflow-datasets is imported where it is used: it is slow to import, and other data does not
need it.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tf_lottery.config.dataset_names import check_dataset
from tf_lottery.messages import listed
from tf_lottery.private_names import private_names

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_DOWNLOAD_RETRIES = 4
_LONGEST_CAUSE = 300
# tfds prepares ImageNet without the splits whose archives are missing.
_IMAGENET_ARCHIVE = re.compile(r"ILSVRC2012_img_\w+\.tar")


def find_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Finds the builder of a set.

    Args:
      name: "NAME", "NAME/CONFIG", "NAME:VERSION" or "NAME/CONFIG:VERSION".
      data_dir: where tensorflow-datasets keeps prepared sets; its own default without it.

    Returns:
      The builder; the set may still have to be prepared.

    Raises:
      ValueError: if no such set, configuration or version exists, if there is no such folder, or
        if the description of its prepared copy cannot be read.
    """
    import tensorflow_datasets as tfds

    check_dataset(name, data_dir)
    place = f"--data_dir={data_dir}" if data_dir else "the default --data_dir"
    try:
        return tfds.builder(name, data_dir=data_dir)
    except (ValueError, AssertionError, tfds.core.registered.DatasetNotFoundError) as error:
        raise ValueError(
            f"--dataset={name} cannot be found in tensorflow-datasets or {place}. "
            f"{_in_one_line(error)}"
        ) from error
    # Whatever else goes wrong here does so while a prepared copy's description is read.
    except Exception as error:
        raise ValueError(
            f"--dataset={name}: the prepared copy in {place} is damaged. {_in_one_line(error)} "
            "Delete its folder to prepare the set again."
        ) from error


def prepare_set(builder: tfds.core.DatasetBuilder, flag: str, manual_dir: str | None) -> None:
    """Downloads and prepares a set, unless a prepared copy exists.

    Args:
      builder: the set's builder.
      flag: the set as the user named it, such as "--dataset=mnist".
      manual_dir: a folder with the downloaded archives, or None.

    Raises:
      ValueError: if `manual_dir` does not exist, if the archives are neither there nor can be
        downloaded, if one has a wrong checksum, or if the set cannot be prepared. For a set that
        must be downloaded by hand, it says which files are needed.
    """
    import requests
    import tensorflow_datasets as tfds

    with private_names("tensorflow-datasets"):
        from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    if manual_dir is not None and not pathlib.Path(manual_dir).expanduser().is_dir():
        raise ValueError(
            f"--manual_dir={manual_dir} is not a folder: name the one that holds the downloaded "
            f"archives of {flag}, or leave the flag out to download them."
        )
    _check_archives(builder, flag, manual_dir)
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir, try_download_gcs=manual_dir is None
    )
    try:
        with _few_download_retries(), _nothing_left_empty(pathlib.Path(builder.data_dir_root)):
            builder.download_and_prepare(download_config=config)
    except NonMatchingChecksumError as error:
        raise ValueError(
            f"{flag}: an archive is damaged or not the published one. {_in_one_line(error)} "
            f"Replace that file{_in_folder(manual_dir)}."
        ) from error
    except (tfds.download.DownloadError, requests.RequestException, ConnectionError) as error:
        raise ValueError(
            f"{flag} cannot be downloaded ({_in_one_line(error)}). {_offline_advice(builder)}"
        ) from error
    # A set's own code runs here: it may raise anything, about archives, packages or the disk.
    except Exception as error:
        folder = _manual_folder(builder, manual_dir)
        if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not folder.exists():
            problem = f"there is no folder {folder}"
            raise ValueError(_by_hand(builder, flag, problem)) from error
        raise ValueError(
            f"{flag} cannot be prepared in --data_dir={builder.data_dir_root}"
            f"{_in_folder(manual_dir, ' from ')}: {_in_one_line(error)}"
        ) from error


def _check_archives(builder: tfds.core.DatasetBuilder, flag: str, manual_dir: str | None) -> None:
    """Refuses a folder that lacks archives, before tfds prepares a set of what there is."""
    folder = _manual_folder(builder, manual_dir)
    # Where there is no folder, tfds itself stops; under its mock_data, it needs none.
    if builder.data_path.exists() or not folder.is_dir():
        return
    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS or ""
    found = {path.name for path in folder.iterdir()}
    missing = sorted(set(_IMAGENET_ARCHIVE.findall(instructions)) - found)
    if missing or (instructions and not found):
        raise ValueError(_by_hand(builder, flag, f"{folder} lacks {', '.join(missing) or 'them'}"))


def _manual_folder(builder: tfds.core.DatasetBuilder, manual_dir: str | None) -> pathlib.Path:
    default = pathlib.Path(builder.data_dir_root, "downloads", "manual")
    return pathlib.Path(manual_dir).expanduser() if manual_dir else default


def _by_hand(builder: tfds.core.DatasetBuilder, flag: str, problem: str) -> str:
    instructions = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
    return (
        f"{flag} is made of files that must be downloaded by hand, and {problem}. Fill "
        f"--manual_dir as tensorflow-datasets says: {instructions} Or point --data_dir at a folder "
        f"with a prepared copy ({builder.info.full_name})."
    )


def _offline_advice(builder: tfds.core.DatasetBuilder) -> str:
    copy = (
        f"point --data_dir at a folder with a prepared copy ({builder.info.full_name}), which "
        "another machine can make"
    )
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        files = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
        return f"Without internet, fill --manual_dir ({files}), or {copy}."
    infos = (builder.url_infos or {}).items()
    files = [f"{info.filename} ({info.size}, {url})" for url, info in infos if info.filename]
    if not files:
        return f"Without internet, {copy}."
    return f"Without internet, put these files in --manual_dir: {listed(files, most=8)}; or {copy}."


@contextlib.contextmanager
def _few_download_retries() -> Iterator[None]:
    """Lets a machine without internet know within seconds; tfds would retry for minutes."""
    with private_names("tensorflow-datasets"):
        from tensorflow_datasets.core.download import downloader

    usual = downloader.MAX_RETRIES
    downloader.MAX_RETRIES = _DOWNLOAD_RETRIES
    try:
        yield
    finally:
        downloader.MAX_RETRIES = usual


@contextlib.contextmanager
def _nothing_left_empty(root: pathlib.Path) -> Iterator[None]:
    """Removes the empty files and folders that a failed attempt has begun with in a folder."""
    before = set(root.iterdir()) if root.is_dir() else set()
    try:
        yield
    except Exception:
        for begun in set(root.iterdir()) - before if root.is_dir() else ():
            for place, _, names in os.walk(begun, topdown=False):
                for path in (pathlib.Path(place, name) for name in names):
                    with contextlib.suppress(OSError):
                        if not path.stat().st_size:
                            path.unlink()
                with contextlib.suppress(OSError):
                    pathlib.Path(place).rmdir()
        raise


def _in_folder(manual_dir: str | None, preposition: str = " in ") -> str:
    return f"{preposition}--manual_dir={manual_dir}" if manual_dir else ""


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {text[:_LONGEST_CAUSE]}"
