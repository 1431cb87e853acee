"""Eigenvalues and trace of a symmetric matrix of which only products with vectors are known."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from tf_lottery.landscape.eigensolver import (
    FiniteProduct,
    NoAnswer,
    Product,
    eigenvalues_from_the_top,
)
from tf_lottery.landscape.spectrum import EstimatedSpectrum, Spectrum

# Below this part of the matrix's size, what is left of a vector is the rounding of float32.
_ROUNDING = 1e-6


class TopEigenvalues(NamedTuple):
    """The largest eigenvalues that were found.

    Attributes:
      values: `[count]`, the largest first; all NaN if a product was not finite, or too many would
        have been needed.
      error_bounds: `[count]`; an eigenvalue lies within this distance of each value, up to the
        rounding of the products. Infinite if the values are NaN.
      products: number of products taken.
    """

    values: np.ndarray
    error_bounds: np.ndarray
    products: int


class Trace(NamedTuple):
    """An estimate of a trace and its standard error."""

    mean: float
    standard_error: float


def top_eigenvalues(
    product: Product,
    dimension: int,
    count: int,
    tolerance: float = 0.01,
    max_steps: int = 1000,
    *,
    random: np.random.Generator,
) -> TopEigenvalues:
    """Finds the algebraically largest eigenvalues, as for the Hessians of arXiv 2210.03044, 3.3.

    ARPACK's implicitly restarted Lanczos iterations (`scipy.sparse.linalg.eigsh`) go on until the
    residuals are a hundredth of the tolerance. Then, from another vector, the largest of the other
    eigenvalues is looked for, and is added as long as it exceeds the smallest of those wanted by
    more than the tolerance. So repeated eigenvalues are found as often as they occur. That the
    values are the largest is as certain as that two random vectors are not both nearly orthogonal
    to the same eigenvector. All columns of the matrix are taken instead if that is no more work, or
    if as many products have not been enough.

    Takes 8 bytes times `dimension` for each of 5 * `count` + 24 vectors.

    Args:
      product: multiplies the matrix and a vector of float64.
      dimension: rows of the matrix.
      count: number of eigenvalues.
      tolerance: largest error, relative to the eigenvalue; for those below a thousandth of the
        largest absolute value, relative to that thousandth.
      max_steps: products after which it gives up, without values.
      random: draws the vectors.

    Raises:
      ValueError: if there are fewer rows or steps than eigenvalues asked for.
    """
    if not 1 <= count <= min(max_steps, dimension):
        raise ValueError(
            f"count={count} eigenvalues must be at least 1 and at most both dimension={dimension} "
            f"and max_steps={max_steps}."
        )
    finite = FiniteProduct(product, max_steps)
    try:
        values, bounds = eigenvalues_from_the_top(finite, dimension, count, tolerance, random)
    except NoAnswer:
        values, bounds = np.full(count, np.nan), np.full(count, np.inf)
    return TopEigenvalues(values, bounds, finite.taken)


def spectral_density(
    product: Product, dimension: int, probes: int, steps: int, random: np.random.Generator
) -> Spectrum:
    """Estimates the density of the eigenvalues by stochastic Lanczos quadrature.

    Ubaru, Chen and Saad, Fast estimation of tr(f(A)), 2017, section 3; for Hessians of networks
    arXiv 1901.10159, section 2. Lanczos iterations with full reorthogonalization (Golub and Van
    Loan, Matrix Computations, section 10.3), whose basis takes 4 bytes times `dimension` times
    `steps`. Of each probe, the mean of the Gauss rule and the anti-Gauss rule of the same products,
    whose errors are nearly opposite (Laurie, Anti-Gaussian quadrature formulas, 1996).

    Args:
      product: multiplies the matrix and a vector of float32.
      dimension: rows of the matrix.
      probes: random vectors whose quadratures are averaged; the error falls as its square root.
      steps: products of each probe.
      random: draws the probes, vectors of signs.

    Returns:
      The nodes of all probes and their weights, which sum to 1. If a product is not finite: one
      node, NaN.

    Raises:
      ValueError: if `probes` or `steps` is not positive.
    """
    rules = _rules_of_probes(product, dimension, probes, steps, random)
    if rules is None:
        return Spectrum(np.array([np.nan]), np.array([1.0]), dimension)
    return Spectrum.mean([_mean_of_rules(*pair) for pair in rules])


def estimated_spectrum(
    product: Product,
    dimension: int,
    probes: int,
    steps: int,
    random: np.random.Generator,
    probed: Callable[[], None] = lambda: None,
) -> EstimatedSpectrum:
    """Finds the spectrum with up to `probes` times `steps` products, and how uncertain it is.

    All eigenvalues, from all columns of the matrix, if that is no more work; or else the density of
    `spectral_density`.

    Args:
      product: as of `spectral_density`.
      dimension: as of `spectral_density`.
      probes: as of `spectral_density`, at least 2, to estimate the error.
      steps: as of `spectral_density`.
      random: as of `spectral_density`.
      probed: is called after each probe; not at all if all columns are taken.

    Returns:
      The spectrum; one node, NaN, if a product is not finite.

    Raises:
      ValueError: if there are fewer than 2 probes, or no steps.
    """
    if probes < 2:
        raise ValueError(f"probes={probes} must be at least 2, to estimate the error.")
    unknown = EstimatedSpectrum(Spectrum(np.array([np.nan]), np.array([1.0]), dimension))
    if dimension <= probes * steps:
        matrix = np.array([product(unit) for unit in np.eye(dimension, dtype=np.float32)])
        if not np.isfinite(matrix).all():
            return unknown
        return EstimatedSpectrum(Spectrum.of(np.linalg.eigvalsh((matrix + matrix.T) / 2)))
    rules = _rules_of_probes(product, dimension, probes, steps, random, probed)
    if rules is None:
        return unknown
    by_rule = tuple(Spectrum.mean(spectra) for spectra in zip(*rules, strict=True))
    by_probe = tuple(_mean_of_rules(*pair) for pair in rules)
    return EstimatedSpectrum(Spectrum.mean(by_probe), by_probe, by_rule)


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


def _rules_of_probes(
    product: Product,
    dimension: int,
    probes: int,
    steps: int,
    random: np.random.Generator,
    probed: Callable[[], None] = lambda: None,
) -> list[tuple[Spectrum, Spectrum]] | None:
    """The Gauss and the anti-Gauss rule of each probe; None if a product is not finite."""
    if probes < 1 or steps < 1:
        raise ValueError(f"probes={probes} and steps={steps} must be at least 1.")
    found = []
    for _ in range(probes):
        tridiagonal = _lanczos(product, _signs(random, dimension), min(steps, dimension))
        if tridiagonal is None:
            return None
        probed()
        diagonal, off_diagonal = tridiagonal
        if len(diagonal) in (1, dimension) or len(diagonal) < steps:
            # Without further steps, or before the first, there is nothing to correct.
            exact = _rule(diagonal, off_diagonal, dimension)
            found.append((exact, exact))
            continue
        doubled = np.append(off_diagonal[:-1], np.sqrt(2) * off_diagonal[-1])
        gauss = _rule(diagonal[:-1], off_diagonal[:-1], dimension)
        found.append((gauss, _rule(diagonal, doubled, dimension)))
    return found


def _mean_of_rules(gauss: Spectrum, anti_gauss: Spectrum) -> Spectrum:
    return gauss if gauss is anti_gauss else Spectrum.mean([gauss, anti_gauss])


def _rule(diagonal: np.ndarray, off_diagonal: np.ndarray, dimension: int) -> Spectrum:
    """The quadrature that a tridiagonal matrix stands for."""
    values, vectors = eigh_tridiagonal(diagonal, off_diagonal)
    fractions = vectors[0] ** 2
    return Spectrum(values, fractions / fractions.sum(), dimension)


def _lanczos(
    product: Product, start: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Diagonal and off-diagonal of the matrix in the basis of the iterations from a vector.

    They end early where the products lead nowhere. None if a product is not finite.
    """
    basis = np.empty((steps, start.size), np.float32)
    diagonal, off_diagonal, size = [], [], 0.0
    vector, norm = start, np.linalg.norm(start)
    for step in range(steps):
        basis[step] = vector / norm
        image = np.asarray(product(basis[step]), np.float64)
        if not np.isfinite(image).all():
            return None
        diagonal.append(np.dot(basis[step], image))
        size = max(size, np.linalg.norm(image))
        vector = _orthogonal(image, basis[: step + 1])
        norm = np.linalg.norm(vector)
        if norm <= _ROUNDING * size:
            break
        off_diagonal.append(norm)
    return np.array(diagonal), np.array(off_diagonal[: len(diagonal) - 1])


def _orthogonal(vector: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What is left of a vector without its parts along the basis."""
    # Once leaves a part of the rounding of large parts; twice is enough (Kahan and Parlett).
    for _ in range(2):
        vector = vector - (basis @ vector.astype(np.float32)) @ basis
    return vector
