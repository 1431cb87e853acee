"""The largest eigenvalues by ARPACK, and a check that none of them is missing."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

Product = Callable[[np.ndarray], np.ndarray]

# An eigenvalue is not asked to be more accurate than the tolerance times this part of the largest
# absolute value.
_SMALLEST_SCALE = 1e-3
# An eigenvector to which the first vector happens to be nearly orthogonal appears late: after
# others have converged to the tolerance, but before they have converged to this part of it.
_MARGIN = 0.01
# Added to all eigenvalues, as part of the largest absolute value: ARPACK's tolerance is relative to
# the sum, so that it does not look for the digits of eigenvalues that are 0.
_SHIFT = 0.01


class NoAnswer(Exception):
    """A product was not finite, or more were needed than are allowed."""


class FiniteProduct:
    """Products with a matrix, up to a number of them and as long as they are finite.

    Attributes:
      taken: number of products so far.
      left: number of those that are still allowed.
    """

    def __init__(self, product: Product, limit: int):
        self._product = product
        self.taken, self.left = 0, limit

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        if not self.left:
            raise NoAnswer
        self.taken, self.left = self.taken + 1, self.left - 1
        image = np.asarray(self._product(vector), np.float64)
        if not np.isfinite(image).all():
            raise NoAnswer
        return image


class _Pairs(NamedTuple):
    """Eigenvalues, bounds of their residuals, and eigenvectors, which are columns."""

    values: np.ndarray
    bounds: np.ndarray
    vectors: np.ndarray


def eigenvalues_from_the_top(
    product: FiniteProduct,
    dimension: int,
    count: int,
    tolerance: float,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the largest eigenvalues of a symmetric matrix, repeated ones as often as they occur.

    Args:
      product: multiplies the matrix and a vector of float64.
      dimension: rows of the matrix.
      count: number of eigenvalues, at most `dimension`.
      tolerance: as for `top_eigenvalues`.
      random: draws the vectors.

    Returns:
      The eigenvalues, the largest first, and their error bounds.

    Raises:
      NoAnswer: if a product is not finite, or more are needed than are allowed.
    """
    # ARPACK would take about as many products as there are columns.
    if dimension > 2 * _basis_size(count):
        try:
            return _by_arpack(product, dimension, count, tolerance, random)
        except ArpackError as error:
            if product.left < dimension:
                raise NoAnswer from error
    matrix = np.array([product(unit) for unit in np.eye(dimension)])
    return np.linalg.eigvalsh((matrix + matrix.T) / 2)[::-1][:count], np.zeros(count)


def _by_arpack(
    product: Product, dimension: int, count: int, tolerance: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    start = random.standard_normal(dimension)
    size = _size(product, start)
    if size == 0:
        return np.zeros(count), np.zeros(count)

    def scaled(vector: np.ndarray) -> np.ndarray:
        # ARPACK takes numbers below 4e-11 for 0.
        return product(vector) / size + _SHIFT * vector

    found = _solve(scaled, start, count, _MARGIN * tolerance, random)
    while (missing := _missing(scaled, found, count, tolerance, random)) is not None:
        found = _joined(found, missing)
    largest = np.argsort(-found.values)[:count]
    return (found.values[largest] - _SHIFT) * size, found.bounds[largest] * size


def _size(product: Product, start: np.ndarray) -> float:
    """About the largest absolute value of the eigenvalues, and not more than that."""
    image = product(start / np.linalg.norm(start))
    norm = np.linalg.norm(image)
    return float(np.linalg.norm(product(image / norm))) if norm > 0 else 0.0


def _missing(
    scaled: Product, found: _Pairs, count: int, tolerance: float, random: np.random.Generator
) -> _Pairs | None:
    """Another eigenvalue that is larger than the smallest wanted, if there is one in sight."""
    start = random.standard_normal(len(found.vectors))
    start -= found.vectors @ (found.vectors.T @ start)
    others = _without(scaled, found)
    rough = _solve(others, start, 1, tolerance, random)
    smallest = np.sort(found.values)[-count]
    scale = max(abs(smallest - _SHIFT), _SMALLEST_SCALE)
    if rough.values[0] <= smallest + tolerance * scale:
        return None
    return _solve(others, rough.vectors[:, 0], 1, _MARGIN * tolerance, random)


def _basis_size(count: int) -> int:
    """Vectors of ARPACK's basis: some more than twice the eigenvalues make it restart seldom."""
    return 2 * count + 10


def _solve(
    product: Product, start: np.ndarray, count: int, tolerance: float, random: np.random.Generator
) -> _Pairs:
    """The largest eigenvalues that can be seen from a first vector."""
    dimension, basis = start.size, _basis_size(count)
    operator = LinearOperator((dimension, dimension), product, dtype=np.float64)
    values, vectors = eigsh(
        *(operator, count),
        which="LA",
        v0=start,
        ncv=basis,
        # Later, all columns would have been the better choice.
        maxiter=1 + dimension // (basis - count),
        tol=tolerance,
        rng=random,
    )
    # ARPACK goes on until the residuals are this small.
    return _Pairs(values, tolerance * np.abs(values), vectors)


def _without(product: Product, found: _Pairs) -> Product:
    """The same matrix, but that the eigenvectors that were found belong to a value below those."""
    vectors, below = found.vectors, 2 * np.abs(found.values).max()

    def others(vector: np.ndarray) -> np.ndarray:
        parts = vectors.T @ vector
        image = product(vector - vectors @ parts)
        return image - vectors @ (vectors.T @ image + below * parts)

    return others


def _joined(found: _Pairs, other: _Pairs) -> _Pairs:
    """Adds one of the matrix without those found, which differs by no more than their residuals."""
    bounds = np.hypot(other.bounds, np.linalg.norm(found.bounds))
    return _Pairs(
        np.append(found.values, other.values),
        np.append(found.bounds, bounds),
        np.hstack([found.vectors, other.vectors]),
    )
