"""Spectra of Hessians: all eigenvalues, or a density that stands for them."""

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a symmetric matrix, and which fraction of all eigenvalues each stands for.

    Attributes:
      eigenvalues: `[nodes]`, in any order; NaN where the matrix is not finite.
      fractions: `[nodes]`, at least 0, of sum 1.
      dimension: number of rows of the matrix.
    """

    eigenvalues: np.ndarray
    fractions: np.ndarray
    dimension: int

    @classmethod
    def of(cls, eigenvalues: np.ndarray) -> Self:
        """The spectrum whose eigenvalues are all known, repeated ones as often as they occur."""
        values = np.asarray(eigenvalues, np.float64)
        return cls(values, np.full(values.size, 1 / values.size), values.size)

    def with_top(self, largest: np.ndarray) -> Self:
        """Puts known largest eigenvalues in the place of as many of this spectrum.

        A density from few probes finds where outliers are, but not how many there are.

        Args:
          largest: `[count]`, the largest eigenvalues of the same matrix.

        Returns:
          A spectrum of the same dimension, whose other eigenvalues do not exceed these.

        Raises:
          ValueError: if there are none, or more than the matrix has.
        """
        count = np.size(largest)
        if not 1 <= count <= self.dimension:
            raise ValueError(f"largest holds {count} eigenvalues of {self.dimension}.")
        descending = np.argsort(-self.eigenvalues)
        beyond = np.cumsum(self.fractions[descending]) - count / self.dimension
        rest = np.diff(np.maximum(beyond, 0), prepend=0)
        below = np.minimum(self.eigenvalues[descending], np.min(largest))
        return type(self)(
            np.concatenate([largest, below]),
            np.concatenate([np.full(count, 1 / self.dimension), rest]),
            self.dimension,
        )
