"""Flat vectors of the weights along which the landscape is looked at."""

from collections.abc import Mapping

import numpy as np


class Coordinates:
    """Some entries of some weight arrays, as one vector.

    Attributes:
      dimension: number of entries.
    """

    def __init__(self, chosen: Mapping[str, np.ndarray]):
        """Takes the entries.

        Args:
          chosen: weight name to a boolean array of the weight's shape, True where an entry counts.

        Raises:
          ValueError: if no entry is chosen.
        """
        self._shapes = {name: array.shape for name, array in chosen.items()}
        flags = [array.reshape(-1) for array in chosen.values()]
        self._ends = np.cumsum([flag.size for flag in flags])
        self._indices = np.flatnonzero(np.concatenate(flags))
        self.dimension = self._indices.size
        if not self.dimension:
            raise ValueError(f"no weight of {', '.join(chosen)} remains: there is no direction.")

    @property
    def names(self) -> list[str]:
        """Names of the weight arrays."""
        return list(self._shapes)

    def vector(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The chosen entries of named arrays; others are left out.

        Args:
          arrays: weight name to array; may hold other weights too.

        Returns:
          Vector, `[dimension]`.

        Raises:
          ValueError: if an array is missing or has another shape.
        """
        for name, shape in self._shapes.items():
            if name not in arrays or np.shape(arrays[name]) != shape:
                found = np.shape(arrays[name]) if name in arrays else "missing"
                raise ValueError(f"the weights need {name} of shape {shape}; it is {found}.")
        flat = np.concatenate([np.reshape(arrays[name], -1) for name in self._shapes])
        return flat[self._indices]

    def arrays(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Named arrays with the entries of a vector, and 0 where an entry is not chosen.

        Args:
          vector: `[dimension]`.

        Returns:
          Weight name to array, in the vector's dtype.

        Raises:
          ValueError: if the vector has another shape.
        """
        vector = np.asarray(vector)
        if vector.shape != (self.dimension,):
            raise ValueError(
                f"the vector has shape {vector.shape}, but there are {self.dimension} coordinates."
            )
        flat = np.zeros(self._ends[-1], vector.dtype)
        flat[self._indices] = vector
        parts = np.split(flat, self._ends[:-1])
        return {
            name: part.reshape(shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }
