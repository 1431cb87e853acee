"""Masks: which weights of a network remain."""

import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tf_lottery.config.arguments import check_mapping, check_path, expanded, refusal
from tf_lottery.store.empty_layers import empty_layers

# By weight name, such as "dense_1/kernel".
Weights = Mapping[str, np.ndarray]

_MOST_COMPRESSED = 50


class Mask(Mapping[str, np.ndarray]):
    """Immutable mapping from weight name to boolean array, True where the weight remains."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        """Copies boolean arrays.

        Args:
          arrays: weight name, such as "dense_1/kernel", to a boolean array of the weight's shape.

        Raises:
          ValueError: if an array is not boolean.
        """
        check_mapping("arrays", arrays, '{"dense_1/kernel": weights != 0}')
        self._arrays = {}
        for name, array in arrays.items():
            if not isinstance(name, str):
                raise refusal("arrays", name, "use names of weights, such as 'dense_1/kernel'")
            kind = getattr(array, "dtype", type(array).__name__)
            if kind != np.bool_:
                raise ValueError(
                    f"mask of {name} has dtype {kind}; use bool: arrays of NumPy that are True "
                    "where the weight remains, such as weights != 0."
                )
            self._arrays[name] = _frozen(np.array(array, order="C"))

    @classmethod
    def of_new(cls, arrays: Mapping[str, np.ndarray]) -> "Mask":
        """Makes a mask of boolean arrays without copying them: nobody else may have them."""
        mask = cls({})
        mask._arrays = {name: _frozen(np.asarray(a, order="C")) for name, a in arrays.items()}
        return mask

    @classmethod
    def ones_like(cls, weights: Mapping[str, np.ndarray]) -> "Mask":
        """The mask of the dense network."""
        check_mapping("weights", weights, '{"dense_1/kernel": kernel}')
        return cls({name: np.ones(np.shape(weight), bool) for name, weight in weights.items()})

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.keys() == other.keys() and all(
            np.array_equal(array, other[name]) for name, array in self.items()
        )

    __hash__ = None

    def __repr__(self) -> str:
        return f"Mask({self.remaining} of {self.total} weights in {len(self)} arrays)"

    @property
    def total(self) -> int:
        """Number of prunable weights."""
        return sum(array.size for array in self.values())

    @property
    def remaining(self) -> int:
        """Number of weights that remain."""
        return sum(int(np.count_nonzero(array)) for array in self.values())

    @property
    def density(self) -> float:
        """Fraction of the prunable weights that remain."""
        if not self.total:
            raise ValueError("the mask is of no weights, so it has no density.")
        return self.remaining / self.total

    def empty_layers(self) -> tuple[str, ...]:
        """Names of the layers of which no weight remains, such as "conv_1"."""
        return empty_layers({name: int(np.count_nonzero(array)) for name, array in self.items()})

    def densities(self) -> dict[str, float]:
        """Fraction that remains of each weight array."""
        return {name: float(np.mean(array)) for name, array in self.items()}

    def overlap(self, other: "Mask") -> float:
        """Share of weights that remain in both masks among those that remain in either.

        Args:
          other: a mask of the same network.

        Returns:
          Jaccard index, from 0 (disjoint) to 1 (equal).

        Raises:
          ValueError: if the masks do not fit the same network.
        """
        check_mapping("other", other, "another Mask")
        _check_shapes(self, other, "the other mask")
        _check_shapes(other, self, "this mask")
        both = sum(int(np.count_nonzero(self[name] & other[name])) for name in self)
        either = sum(int(np.count_nonzero(self[name] | other[name])) for name in self)
        return both / either if either else 1.0

    def apply(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Sets pruned weights to +0.0; arrays without a mask are returned as they are.

        Args:
          weights: weight name to array; must hold every masked weight.

        Raises:
          ValueError: if a masked weight is missing or has another shape.
        """
        check_mapping("weights", weights, '{"dense_1/kernel": kernel}')
        _check_shapes(self, weights, "the weights")
        return {
            name: np.where(self[name], array, np.zeros((), array.dtype)) if name in self else array
            for name, array in weights.items()
        }

    def save(self, path: str | Path) -> None:
        """Writes an .npz: `names`, and `<name>:bits` (np.packbits) and `<name>:shape` of each.

        Raises:
          ValueError: if the file cannot be written.
        """
        path = _file(path)
        members: dict[str, Any] = {"names": np.array(list(self), np.str_)}
        for name, array in self.items():
            members[f"{name}:bits"] = np.packbits(array)
            members[f"{name}:shape"] = np.asarray(array.shape, np.int64)
        try:
            with path.open("wb") as file:
                # Older versions of NumPy would take allow_pickle=False for an array of that name.
                np.savez(file, **members)
        except OSError as error:
            right = f"it cannot be written ({error.strerror}); give another file"
            raise refusal("path", str(path), right) from error

    @classmethod
    def load(cls, path: str | Path) -> "Mask":
        """Reads what `save` wrote.

        Raises:
          ValueError: if the file is damaged or is not a mask; names the file.
          FileNotFoundError: if there is no such file; names it.
        """
        path = _file(path)
        if not path.exists():
            raise FileNotFoundError(
                f"path={str(path)!r}: there is no such file; give one that Mask.save has written."
            )
        with path.open("rb") as file:
            try:
                _refuse_bomb(file)
                with np.load(file, allow_pickle=False) as members:
                    return cls.of_new(dict(_unpack(members)))
            except Exception as error:  # Damage makes zipfile and NumPy raise nearly anything.
                raise ValueError(f"{path} is damaged or is not a mask file: {error}") from error


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _file(path: str | Path) -> Path:
    """The path of a file, which need not exist, but is no folder."""
    check_path("path", path)
    path = expanded("path", path)
    if path.is_dir():
        inside = path / "masks.npz"
        example = inside if inside.is_file() else Path("mask.npz")
        raise refusal("path", str(path), f"it is a folder; give a file, such as {example}")
    return path


def _refuse_bomb(file: BinaryIO) -> None:
    """Refuses an archive that claims far more than it holds: `save` does not compress."""
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    packed = file.seek(0, os.SEEK_END)
    file.seek(0)
    if unpacked > _MOST_COMPRESSED * packed:
        raise ValueError(
            f"its {packed:,} bytes claim to be masks of {8 * unpacked:,} weights; masks are not "
            "compressed"
        )


def _unpack(file: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    names = file["names"].tolist()
    if len(file) != 1 + 2 * len(names):
        raise ValueError("its members are not names and pairs of bits and shape")
    for name in names:
        shape = tuple(int(size) for size in file[f"{name}:shape"])
        bits, size = file[f"{name}:bits"], math.prod(shape)
        if min(shape, default=0) < 0:
            raise ValueError(f"{name} has shape {shape}")
        if bits.dtype != np.uint8 or bits.shape != (-(-size // 8),):
            raise ValueError(f"the bits of {name} do not fit its shape {shape}")
        yield name, np.unpackbits(bits, count=size).view(bool).reshape(shape)


def _check_shapes(mask: Mask, arrays: Mapping[str, np.ndarray], what: str) -> None:
    for name, array in mask.items():
        if name not in arrays:
            raise ValueError(f"{what} lacks {name}, which the mask prunes.")
        if np.shape(arrays[name]) != array.shape:
            raise ValueError(
                f"{name} has shape {np.shape(arrays[name])} in {what}, but {array.shape} in the "
                "mask."
            )
