"""Spectra of Hessians: all eigenvalues, or a density that stands for them."""

from collections.abc import Callable, Sequence
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

    @classmethod
    def mean(cls, spectra: Sequence[Self]) -> Self:
        """The mean of several densities of the same matrix."""
        return cls(
            np.concatenate([spectrum.eigenvalues for spectrum in spectra]),
            np.concatenate([spectrum.fractions for spectrum in spectra]) / len(spectra),
            spectra[0].dimension,
        )

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


@dataclass(frozen=True)
class EstimatedSpectrum:
    """A spectrum, and from what one can tell how uncertain it is.

    Attributes:
      spectrum: the best estimate.
      by_probe: what each random vector alone gives; none if all eigenvalues are known.
      by_rule: what two rules of quadrature give, whose errors are nearly opposite; none if all
        eigenvalues are known.
    """

    spectrum: Spectrum
    by_probe: tuple[Spectrum, ...] = ()
    by_rule: tuple[Spectrum, ...] = ()

    def with_top(self, largest: np.ndarray) -> Self:
        """As `Spectrum.with_top`, of each density; nothing changes if all eigenvalues are known."""
        if not self.by_probe:
            return self
        return type(self)(
            self.spectrum.with_top(largest),
            tuple(spectrum.with_top(largest) for spectrum in self.by_probe),
            tuple(spectrum.with_top(largest) for spectrum in self.by_rule),
        )

    def value(self, of: Callable[[Spectrum], float]) -> tuple[float, float]:
        """Returns a function of the spectrum and its standard error.

        The error is that over the probes, together with half of the difference between the rules,
        which is about what the quadrature may be wrong by; 0 if all eigenvalues are known, NaN if
        the value is.
        """
        value = of(self.spectrum)
        if not self.by_probe:
            return value, 0.0 if np.isfinite(value) else float("nan")
        values = [of(spectrum) for spectrum in self.by_probe]
        over_probes = np.std(values, ddof=1) / np.sqrt(len(values))
        between_rules = np.ptp([of(spectrum) for spectrum in self.by_rule]) / 2
        return value, float(np.hypot(over_probes, between_rules))
