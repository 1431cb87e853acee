"""Image files in class folders: which there are, how large they are, and what they hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.config.data_files import DataFiles
from tf_lottery.data.labels import check_known_classes
from tf_lottery.data.shared_memory import shareable_empty
from tf_lottery.data.undivided import chosen_for_test
from tf_lottery.messages import listed, tell
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = LazyModule("tensorflow")

# As Keras' image_dataset_from_directory reads them.
_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png"})
_FORMATS = ("BMP", "GIF", "JPEG", "PNG")
_GREY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"})
_OF_PALETTES = frozenset({"1", "P"})
_SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("validation", "valid", "val"), "validation"),
}
# Whatever is beside them; another name, or spelling, may be that of a class.
_NAMES_OF_SPLITS = ("train", "test", "validation", "val")
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_LONGEST_END = 16


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files that belong together, as all of a split.

    Attributes:
      paths: the files, `[images]`.
      labels: their classes, int32 `[images]`.
      shapes: `(height, width, channels)` of each, int32 `[images, 3]`; there is 1 channel or 3.
      substitutes: the file that is read for each of `paths`: the same, or another one where it
        cannot be read; None if all can be read.
    """

    paths: np.ndarray
    labels: np.ndarray
    shapes: np.ndarray
    substitutes: np.ndarray | None = None

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.paths)

    def at(self, places: np.ndarray) -> ImageFiles:
        """Those at some places, or where it is true of them."""
        substitutes = None if self.substitutes is None else self.substitutes[places]
        return ImageFiles(self.paths[places], self.labels[places], self.shapes[places], substitutes)

    @property
    def read_paths(self) -> np.ndarray:
        """The files that are read, `[images]`."""
        return self.paths if self.substitutes is None else self.substitutes


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """What a folder of class folders holds; `find_images` makes it.

    Attributes:
      files: the folder.
      class_names: names of the class folders, in order.
      splits: the images by split: "train", "test" and, if there are any, "validation".
      channels: of all images: 1 if none of them has colours, else 3.
      left_out: what was left out, in sentences.
    """

    files: DataFiles
    class_names: tuple[str, ...]
    splits: Mapping[str, ImageFiles]
    channels: int
    left_out: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of all images; None if they differ."""
        sizes = np.unique(
            np.concatenate([own.shapes[:, :2] for own in self.splits.values()]), axis=0
        )
        return None if len(sizes) > 1 else (int(sizes[0, 0]), int(sizes[0, 1]))

    def check_one_size(self) -> None:
        """Checks that all images have one size.

        Raises:
          ValueError: if they differ; names two.
        """
        if self.size is not None:
            return
        paths = np.concatenate([own.paths for own in self.splits.values()])
        sizes = np.concatenate([own.shapes[:, :2] for own in self.splits.values()])
        other = int(np.argmax((sizes != sizes[0]).any(axis=1)))
        named = " and ".join(
            f"{_relative(self.files, paths[place])} ({sizes[place, 0]}x{sizes[place, 1]})"
            for place in (0, other)
        )
        raise self.files.refusal(
            f"its images differ in size, such as {named}; say with --image_size to which size they "
            "are brought, such as --image_size=64"
        )


def find_images(files: DataFiles, skip_unreadable: bool) -> ImageFolder:
    """Finds the images of a folder, and reads the header of each.

    There is a folder for each class. As `tfds.ImageFolder` has them, they are below train/, test/
    and perhaps validation/ (or val/), which is tested on where there is no test/. As Keras'
    `image_dataset_from_directory` has them, they are in the folder itself; then the share `test` of
    each class is tested on, drawn in the same way every time. Classes are in the order of their
    names; files of other kinds, and hidden ones, are left out.

    Args:
      files: the folder.
      skip_unreadable: whether images that cannot be read are left out.

    Raises:
      ValueError: if there are no such folders, classes that are not trained on, or images that
        cannot be read; names them.
    """
    roots = _roots(files)
    names = _class_folders(roots["train"])
    if len(names) < 2:
        raise files.refusal(
            f"{roots['train']} needs a folder for each of at least 2 classes, and has "
            f"{', '.join(names) or 'none'}"
        )
    others: list[str] = []
    splits = {split: _files_of(files, root, split, names, others) for split, root in roots.items()}
    splits, unreadable = _with_shapes(files, splits)
    _refuse_or_tell(files, unreadable, skip_unreadable)
    for split, own in splits.items():
        if not len(own):
            raise files.refusal(
                f"there are no images for the {split} split; names of images end in "
                f"{', '.join(sorted(_SUFFIXES))}"
            )
    if "test" not in splits:
        held = chosen_for_test(files, splits["train"].labels)
        splits = {"train": splits["train"].at(~held), "test": splits["train"].at(held)}
    try:
        check_known_classes({split: own.labels for split, own in splits.items()}, names)
    except ValueError as error:
        raise files.refusal(str(error).rstrip(".")) from error
    channels = int(max(own.shapes[:, 2].max() for own in splits.values()))
    notes = []
    if len(others) == 1:
        notes.append(f"1 other file is left out: {others[0]}.")
    elif others:
        notes.append(f"{len(others)} other files are left out, such as {others[0]}.")
    if beside := _folders_beside(files, roots):
        notes.append(f"left out, as no split is called so: {', '.join(beside)}.")
    return ImageFolder(files, tuple(names), splits, channels, tuple(notes))


def decoded(encoded: bytes | tf.Tensor, channels: int) -> tf.Tensor:
    """The pixels of an encoded image, uint8 `[height, width, channels]`; the first of a GIF."""
    # Of BMP and GIF, TensorFlow makes images in colours alone; of a grey one, all three are alike.
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)[..., :channels]


def read_images(
    folder: ImageFolder, split: str, size: tuple[int, int], skip_unreadable: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Reads all images of a split into memory.

    Args:
      folder: the folder.
      split: "train", "test" or "validation".
      size: height and width to which images of another size are resized bilinearly, as Keras'
        `image_dataset_from_directory` does it.
      skip_unreadable: whether images that cannot be read are left out.

    Returns:
      Images, uint8 `[images, height, width, channels]`, and labels, int32 `[images]`.

    Raises:
      ValueError: if images cannot be read; names them.
    """
    own = folder.splits[split]
    images = shareable_empty((len(own), *size, folder.channels), np.dtype(np.uint8))

    def read(place: int) -> str | None:
        try:
            pixels = decoded(Path(own.paths[place]).read_bytes(), folder.channels)
        except (OSError, tf.errors.OpError) as error:
            return _reason(error)
        if tuple(pixels.shape[:2]) != size:
            pixels = tf.cast(tf.round(tf.image.resize(pixels, size)), tf.uint8)
        images[place] = pixels.numpy()
        return None

    with tf.device("CPU:0"):
        reasons = _in_threads(read, range(len(own)))
    unreadable = {own.paths[place]: reason for place, reason in enumerate(reasons) if reason}
    _refuse_or_tell(folder.files, unreadable, skip_unreadable)
    if unreadable:
        kept = np.array([reason is None for reason in reasons])
        return images[kept], own.labels[kept]
    return images, own.labels


def unreadable_images(folder: ImageFolder) -> dict[str, str]:
    """Decodes all images of a folder; says of those that cannot be read why, by path."""

    def reason_of(path: str) -> str | None:
        try:
            decoded(Path(path).read_bytes(), folder.channels)
        except (OSError, tf.errors.OpError) as error:
            return _reason(error)
        return None

    with tf.device("CPU:0"):
        return {
            path: reason
            for own in folder.splits.values()
            for path, reason in zip(
                own.read_paths, _in_threads(reason_of, own.read_paths), strict=True
            )
            if reason
        }


def with_substitutes(folder: ImageFolder) -> ImageFolder:
    """The folder with another image of the class for each that cannot be read; says for which.

    All images are decoded to find them. The number of images and their order stay, so that a run
    that was begun before the damage was known can go on.

    Raises:
      ValueError: if no image of a class can be read.
    """
    tell(f"{folder.files.flag}: decoding all images, to find those that cannot be read.")
    unreadable = unreadable_images(folder)
    if not unreadable:
        return folder
    tell(
        f"{folder.files.flag}: cannot be read: {_named(folder.files, unreadable)}; another image "
        "of its class is taken in the place of each."
    )
    splits = {
        split: replace(own, substitutes=_substitutes(folder, split, unreadable))
        for split, own in folder.splits.items()
    }
    return replace(folder, splits=splits)


def unreadable_error(files: DataFiles, unreadable: Mapping[str, str]) -> ValueError:
    """The error of images that turn out in training to be unreadable.

    Args:
      files: the folder.
      unreadable: why each cannot be read, by path.
    """
    return files.refusal(
        f"images that cannot be read: {_named(files, unreadable)}; restore them, and the same "
        "command continues where it stopped. Where a file is damaged only inside, and its "
        "beginning, end and size are as they were, the command continues with --skip_unreadable "
        "too, which takes another image of the class in its place"
    )


def _substitutes(folder: ImageFolder, split: str, unreadable: Mapping[str, str]) -> np.ndarray:
    own = folder.splits[split]
    readable = np.array([path not in unreadable for path in own.paths], bool)
    paths = own.paths.copy()
    for place in np.flatnonzero(~readable):
        others = np.flatnonzero(readable & (own.labels == own.labels[place]))
        if not len(others):
            name = folder.class_names[own.labels[place]]
            raise folder.files.refusal(f"no image of {name} for the {split} split can be read")
        # The next one, so that several are not replaced by the same.
        paths[place] = own.paths[others[np.searchsorted(others, place) % len(others)]]
    return paths


def _roots(files: DataFiles) -> dict[str, Path]:
    """The folder of each split; that of all images, if they are not divided."""
    splits = _folders_of_splits(files)
    if "train" not in splits:
        if splits:
            raise files.refusal(f"it has {next(iter(splits.values())).name}/, and no train/")
        return {"train": files.path}
    if len(splits) == 1:
        raise files.refusal(f"it has {splits['train'].name}/, and neither test/ nor validation/")
    if "test" in files.options:
        raise files.refusal("test= is for folders without train/ and test/; leave it out")
    if "test" not in splits:
        return {"train": splits["train"], "test": splits["validation"]}
    return splits


def _folders_of_splits(files: DataFiles) -> dict[str, Path]:
    """Folders that are called as a split, in that order; none if the images are not divided."""
    names = _class_folders(files.path)
    if not {name.lower() for name in names} <= _SPLIT_OF.keys():
        names = [name for name in names if name in _NAMES_OF_SPLITS]
    splits: dict[str, Path] = {}
    for name in names:
        split = _SPLIT_OF[name.lower()]
        if split in splits:
            raise files.refusal(
                f"it has {splits[split].name}/ and {name}/, both for {split}; keep one of them"
            )
        splits[split] = files.path / name
    return {split: splits[split] for split in ("train", "test", "validation") if split in splits}


def _folders_beside(files: DataFiles, roots: Mapping[str, Path]) -> list[str]:
    """Folders beside those of the splits, such as valid/; none if the images are not divided."""
    if roots["train"] == files.path:
        return []
    return sorted(set(_class_folders(files.path)) - {root.name for root in roots.values()})


def _class_folders(root: Path) -> list[str]:
    return sorted(
        path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _files_of(
    files: DataFiles, root: Path, split: str, names: Sequence[str], others: list[str]
) -> ImageFiles:
    """The images of a split, without their shapes; files of other kinds are added to `others`."""
    paths, labels = [], []
    for name in _class_folders(root):
        found = []
        for path in _walk(root / name):
            if path.suffix.lower() in _SUFFIXES:
                found.append(str(path))
            else:
                others.append(_relative(files, path))
        if found and name not in names:
            raise files.refusal(
                f"{_relative(files, root / name)} is a class that the training images lack; leave "
                "it out, or train on some"
            )
        paths += found
        labels += [names.index(name)] * len(found) if found else []
    return ImageFiles(
        np.array(paths, object), np.array(labels, np.int32), np.zeros((len(paths), 3))
    )


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in order, without those that are hidden; and links to folders."""
    for place, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        # They are not followed, as one may lead to a folder that it is in.
        links = [name for name in below if Path(place, name).is_symlink()]
        files = sorted(name for name in names if not name.startswith("."))
        yield from (Path(place, name) for name in (*files, *links))


def _with_shapes(
    files: DataFiles, splits: Mapping[str, ImageFiles]
) -> tuple[dict[str, ImageFiles], dict[str, str]]:
    """The splits with the shapes of their images; why the others cannot be read, by path."""
    complete, unreadable = {}, {}
    for split, own in splits.items():
        looked_at = _in_threads(_shape_or_reason, own.paths)
        readable = np.array([not isinstance(found, str) for found in looked_at], bool)
        unreadable |= {
            path: found
            for path, found in zip(own.paths, looked_at, strict=True)
            if isinstance(found, str)
        }
        shapes = [found for found in looked_at if not isinstance(found, str)]
        complete[split] = ImageFiles(
            own.paths[readable], own.labels[readable], np.array(shapes, np.int32).reshape(-1, 3)
        )
    return complete, unreadable


def _shape_or_reason(path: str) -> tuple[int, int, int] | str:
    """The shape of an image from its header, or why it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            channels = 1 if image.mode in _GREY else 3
            end = _ENDS.get(image.format or "")
            if image.format == "BMP" and image.mode in _OF_PALETTES:
                return "a BMP with a palette, whose colours TensorFlow ignores; make it a PNG"
        if end is not None and end not in _last_bytes(path):
            # Cut off, or something follows the image.
            decoded(Path(path).read_bytes(), channels)
    # Pillow raises all kinds of errors where a header is damaged.
    except Exception as error:
        return _reason(error)
    return height, width, channels


def _last_bytes(path: str) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(-min(_LONGEST_END, Path(path).stat().st_size), os.SEEK_END)
        return file.read()


def _reason(error: Exception) -> str:
    # Without what TensorFlow says of its own functions.
    text = " ".join(re.sub(r"\{\{.*?\}\}|\[Op:.*?\]", "", str(error)).split())
    if "cannot identify image file" in text or not text:
        return "no JPEG, PNG, BMP or GIF"
    return text[:80]


def _refuse_or_tell(files: DataFiles, unreadable: Mapping[str, str], skip: bool) -> None:
    if not unreadable:
        return
    named = _named(files, unreadable)
    if not skip:
        raise files.refusal(
            f"images that cannot be read: {named}; replace them, or give --skip_unreadable to "
            "leave them out"
        )
    tell(f"{files.flag}: left out, as they cannot be read: {named}.")


def _named(files: DataFiles, unreadable: Mapping[str, str]) -> str:
    named = (f"{_relative(files, path)} ({reason})" for path, reason in unreadable.items())
    return listed(named, between="; ")


def _relative(files: DataFiles, path: Path | str) -> str:
    return os.path.relpath(path, files.path)


def _in_threads(function, items) -> list:
    with ThreadPoolExecutor() as threads:
        return list(threads.map(function, items))
