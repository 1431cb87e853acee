"""Eigenvalues and trace of a symmetric matrix of which only products with vectors are known."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from tf_lottery.landscape.spectrum import Spectrum

Product = Callable[[np.ndarray], np.ndarray]

# Below this part of the matrix's size, what is left of a vector is the rounding of float32.
_ROUNDING = 1e-6
# An eigenvalue is not asked to be more accurate than the tolerance times this part of the largest.
_SMALLEST_SCALE = 1e-3


class TopEigenvalues(NamedTuple):
    """The largest eigenvalues that were found.

    Attributes:
      values: `[count]`, the largest first; NaN where a product was not finite.
      error_bounds: `[count]`; an eigenvalue lies within this distance of each value, up to
        rounding. Infinite where a product was not finite.
      products: number of products taken.
    """

    values: np.ndarray
    error_bounds: np.ndarray
    products: int


class Trace(NamedTuple):
    """An estimate of a trace and its standard error."""

    mean: float
    standard_error: float


class _Tridiagonal(NamedTuple):
    """The matrix in an orthonormal basis; `remainder` is how much of it leads out of the basis."""

    diagonal: np.ndarray
    off_diagonal: np.ndarray
    remainder: float


def top_eigenvalues(
    product: Product,
    dimension: int,
    count: int,
    tolerance: float = 0.01,
    max_steps: int = 200,
    *,
    random: np.random.Generator,
) -> TopEigenvalues:
    """Finds the algebraically largest eigenvalues, as for the Hessians of arXiv 2210.03044, 3.3.

    Lanczos iterations with full reorthogonalization (Golub and Van Loan, Matrix Computations,
    section 10.3), until the residuals bound all errors. The basis takes 4 bytes times `dimension`
    for each step made. Eigenvalues that differ by less than their error bounds, and repeated ones,
    may be found once.

    Args:
      product: multiplies the matrix and a vector of float32.
      dimension: rows of the matrix.
      count: number of eigenvalues.
      tolerance: largest error, relative to the eigenvalue; for those below a thousandth of the
        largest, relative to that thousandth.
      max_steps: products after which it stops anyway, with the error bounds reached.
      random: draws the first vector.

    Raises:
      ValueError: if there are fewer rows or steps than eigenvalues asked for.
    """
    steps = min(max_steps, dimension)
    if not 1 <= count <= steps:
        raise ValueError(
            f"count={count} eigenvalues must be at least 1 and at most both dimension={dimension} "
            f"and max_steps={max_steps}."
        )
    start = random.standard_normal(dimension)
    for taken, matrix in enumerate(_lanczos(product, start, steps, random), start=1):
        if not np.isfinite(matrix.remainder):
            break
        if taken < count:
            continue
        found = (taken - count, taken - 1)
        values, vectors = eigh_tridiagonal(
            matrix.diagonal, matrix.off_diagonal, select="i", select_range=found
        )
        bounds = matrix.remainder * np.abs(vectors[-1])
        scale = np.maximum(np.abs(values), _SMALLEST_SCALE * np.abs(values).max())
        if taken == steps or np.all(bounds <= tolerance * scale):
            return TopEigenvalues(values[::-1], bounds[::-1], taken)
    return TopEigenvalues(np.full(count, np.nan), np.full(count, np.inf), taken)


def spectral_density(
    product: Product, dimension: int, probes: int, steps: int, random: np.random.Generator
) -> Spectrum:
    """Estimates the density of the eigenvalues by stochastic Lanczos quadrature.

    Ubaru, Chen and Saad, Fast estimation of tr(f(A)), 2017, section 3; for Hessians of networks
    arXiv 1901.10159, section 2. The basis takes 4 bytes times `dimension` times `steps`.

    Args:
      product: multiplies the matrix and a vector of float32.
      dimension: rows of the matrix.
      probes: random vectors whose quadratures are averaged; the error falls as its square root.
      steps: products, and so nodes, of each probe.
      random: draws the probes, vectors of signs.

    Returns:
      The nodes of all probes and their weights, which sum to 1. If a product is not finite: one
      node, NaN.

    Raises:
      ValueError: if `probes` or `steps` is not positive.
    """
    if probes < 1 or steps < 1:
        raise ValueError(f"probes={probes} and steps={steps} must be at least 1.")
    nodes, weights = [], []
    for _ in range(probes):
        matrix = None
        for matrix in _lanczos(product, _signs(random, dimension), min(steps, dimension)):
            if not np.isfinite(matrix.remainder):
                return Spectrum(np.array([np.nan]), np.array([1.0]), dimension)
        values, vectors = eigh_tridiagonal(matrix.diagonal, matrix.off_diagonal)
        nodes.append(values)
        weights.append(vectors[0] ** 2)
    fractions = np.concatenate(weights)
    return Spectrum(np.concatenate(nodes), fractions / fractions.sum(), dimension)


def trace(product: Product, dimension: int, probes: int, random: np.random.Generator) -> Trace:
    """Estimates the trace from products with vectors of random signs.

    Hutchinson, A stochastic estimator of the trace of the influence matrix, 1989.

    Args:
      product: multiplies the matrix and a vector of float32.
      dimension: rows of the matrix.
      probes: number of vectors, at least 2.
      random: draws them.

    Returns:
      Mean and standard error; NaN if a product is not finite.

    Raises:
      ValueError: if there are fewer than 2 probes.
    """
    if probes < 2:
        raise ValueError(f"probes={probes} must be at least 2, to estimate the error.")
    vectors = (_signs(random, dimension) for _ in range(probes))
    samples = np.array([np.dot(vector, product(vector).astype(np.float64)) for vector in vectors])
    if not np.isfinite(samples).all():
        return Trace(np.nan, np.nan)
    return Trace(float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(probes)))


def _signs(random: np.random.Generator, dimension: int) -> np.ndarray:
    return random.choice(np.array([-1, 1], np.float32), dimension)


def _lanczos(
    product: Product,
    start: np.ndarray,
    steps: int,
    random: np.random.Generator | None = None,
) -> Iterator[_Tridiagonal]:
    """Yields the tridiagonal matrix after each step; its remainder is NaN if a product is.

    Where products no longer lead out of the basis, iterations go on from a random vector, with an
    off-diagonal of 0; without `random` they end.
    """
    basis = np.empty((steps, start.size), np.float32)
    diagonal, off_diagonal, size = [], [], 0.0
    vector, norm = start, np.linalg.norm(start)
    for step in range(steps):
        basis[step] = vector / norm
        image = np.asarray(product(basis[step]), np.float64)
        if not np.isfinite(image).all():
            yield _Tridiagonal(np.array([np.nan]), np.array([]), np.nan)
            return
        diagonal.append(np.dot(basis[step], image))
        size = max(size, np.linalg.norm(image))
        vector = _orthogonal(image, basis[: step + 1])
        norm = np.linalg.norm(vector)
        ended = norm <= _ROUNDING * size
        yield _Tridiagonal(np.array(diagonal), np.array(off_diagonal), 0.0 if ended else norm)
        if ended and random is None:
            return
        off_diagonal.append(0.0 if ended else norm)
        if ended:
            vector = _orthogonal(random.standard_normal(start.size), basis[: step + 1])
            norm = np.linalg.norm(vector)


def _orthogonal(vector: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What is left of a vector without its parts along the basis."""
    # Once leaves a part of the rounding of large parts; twice is enough (Kahan and Parlett).
    for _ in range(2):
        vector = vector - (basis @ vector.astype(np.float32)) @ basis
    return vector
