"""Eigenvalues, densities and traces of matrices whose spectra are known."""

import numpy as np
import pytest
from scipy.stats import special_ortho_group

from tf_lottery.landscape.lanczos import (
    estimated_spectrum,
    spectral_density,
    top_eigenvalues,
    trace,
)
from tf_lottery.landscape.spectrum import EstimatedSpectrum, Spectrum


def matrix_of(eigenvalues: np.ndarray) -> np.ndarray:
    basis = special_ortho_group.rvs(len(eigenvalues), random_state=3)
    return (basis * eigenvalues) @ basis.T


def random() -> np.random.Generator:
    return np.random.default_rng(1)


SPECTRA = {
    "decaying": 100 / np.arange(1, 121) ** 2,
    "outliers, bulk and negative ones": np.concatenate(
        [[30, 21, 14, 9, -40, -12], np.linspace(-1, 1, 114)]
    ),
    "clusters": np.concatenate([5 + np.arange(4) * 1e-2, 2 + np.arange(4) * 1e-2, np.zeros(112)]),
    "negative": -(np.linspace(1, 3, 120) ** 2),
}
SOME_SPECTRA = pytest.mark.parametrize(
    "name",
    [
        *("decaying", "outliers, bulk and negative ones"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("clusters", "negative")),
    ],
)


@pytest.mark.parametrize("name", SPECTRA)
def test_top_eigenvalues_of_known_spectra(name: str):
    spectrum = np.sort(SPECTRA[name])[::-1]
    matrix = matrix_of(spectrum)
    found = top_eigenvalues(lambda v: matrix @ v, 120, 4, 1e-4, random=random())
    np.testing.assert_allclose(found.values, spectrum[:4], rtol=1e-3)
    nearest = np.abs(found.values[:, None] - spectrum).min(axis=1)
    assert np.all(nearest <= found.error_bounds + 1e-5 * np.abs(spectrum).max())
    assert np.all(found.error_bounds <= 1e-4 * np.abs(found.values))


def test_the_largest_are_algebraic_and_loose_tolerances_take_fewer_products():
    spectrum = SPECTRA["outliers, bulk and negative ones"]
    matrix, calls = matrix_of(spectrum), []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(vector)
        return matrix @ vector

    loose = top_eigenvalues(product, 120, 4, 0.1, random=random())
    assert len(calls) == loose.products < 40
    np.testing.assert_allclose(loose.values, [30, 21, 14, 9], rtol=0.1)
    tight = top_eigenvalues(product, 120, 4, 1e-6, random=random())
    assert tight.products > loose.products
    np.testing.assert_allclose(tight.values, [30, 21, 14, 9], rtol=1e-6)


@pytest.mark.parametrize("dimension", [30, 400])
def test_too_few_steps_leave_no_values(dimension: int):
    spectrum, calls = np.linspace(0, 1, dimension), []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(vector)
        return spectrum * vector

    enough = top_eigenvalues(product, dimension, 3, random=random())
    np.testing.assert_allclose(enough.values, spectrum[:-4:-1], rtol=0.01)
    for steps in (3, enough.products // 2, enough.products - 1, enough.products):
        calls.clear()
        found = top_eigenvalues(product, dimension, 3, max_steps=steps, random=random())
        assert found.products == len(calls) == steps
        known = steps == enough.products
        assert np.isfinite(found.values).tolist() == [known] * 3
        assert np.isfinite(found.error_bounds).tolist() == [known] * 3


@pytest.mark.parametrize("spectrum", [[3.0] * 6, [0.0] * 6, [2.0, 2.0, 1.0, 0.0, 0.0, 0.0], [7.0]])
def test_all_eigenvalues_of_matrices_with_few_different_ones(spectrum: list[float]):
    matrix = matrix_of(np.array(spectrum)) if len(spectrum) > 1 else np.array([spectrum])
    size = len(spectrum)
    found = top_eigenvalues(lambda v: matrix @ v, size, size, random=random())
    np.testing.assert_allclose(found.values, spectrum, atol=1e-5)


def test_more_eigenvalues_than_the_rank_are_zeros():
    spectrum = np.concatenate([[4.0, 2.0, 1.0], np.zeros(97)])
    matrix = matrix_of(spectrum)
    found = top_eigenvalues(lambda v: matrix @ v, 100, 6, random=random())
    np.testing.assert_allclose(found.values, [4, 2, 1, 0, 0, 0], atol=1e-4)
    assert found.products < 40


@pytest.mark.parametrize("count", [1, 7, 60])
@pytest.mark.parametrize("value", [0.0, 2.5, -2.5])
def test_a_matrix_of_one_eigenvalue(value: float, count: int):
    found = top_eigenvalues(lambda v: value * v, 300, count, random=random())
    np.testing.assert_allclose(found.values, np.full(count, value), rtol=1e-6)
    assert found.products < 200


@pytest.mark.parametrize(
    "count", [1, 9, *(pytest.param(each, marks=pytest.mark.slow) for each in (5, 12))]
)
def test_repeated_eigenvalues_of_a_softmax_of_equal_probabilities(count: int):
    """By the kernel of its one layer, every eigenvalue is there classes - 1 times."""
    inputs = np.random.default_rng(0).normal(size=(200, 30)) / np.arange(1, 31)
    squares, classes = inputs.T @ inputs / 200, 10
    spectrum = np.repeat(np.linalg.eigvalsh(squares)[::-1] / classes, classes - 1)

    def product(vector: np.ndarray) -> np.ndarray:
        image = squares @ vector.reshape(30, classes) / classes
        return (image - image.mean(axis=1, keepdims=True)).ravel()

    for seed in range(20):
        found = top_eigenvalues(product, 300, count, random=np.random.default_rng(seed))
        np.testing.assert_allclose(found.values, spectrum[:count], rtol=1e-4)


@SOME_SPECTRA
def test_a_density_has_the_moments_of_the_spectrum(name: str):
    """As many steps as rows would be exact; 30 are for all polynomials of degree below 60."""
    spectrum, matrix = SPECTRA[name], matrix_of(SPECTRA[name])
    density = spectral_density(lambda v: matrix @ v, 120, 40, 30, random())
    assert density.dimension == 120
    assert density.fractions.sum() == pytest.approx(1, abs=1e-12)
    assert density.fractions.min() >= 0
    samples = 40 * 120
    for power in (1, 2):
        error = np.std(spectrum**power) * np.sqrt(2 / samples)
        found = np.sum(density.fractions * density.eigenvalues**power)
        assert found == pytest.approx(np.mean(spectrum**power), abs=4 * error)
    negative = density.fractions[density.eigenvalues < -1e-4].sum()
    assert negative == pytest.approx(np.mean(spectrum < -1e-4), abs=0.08)


def test_a_density_stops_where_the_products_lead_nowhere():
    density = spectral_density(lambda v: 2 * v, 50, 3, 10, random())
    np.testing.assert_allclose(density.eigenvalues, [2, 2, 2], rtol=1e-6)
    np.testing.assert_allclose(density.fractions, [1 / 3] * 3)


def flat_part(spectrum: Spectrum) -> float:
    """Of a kink at 0, on a scale thousands of times smaller than the largest eigenvalue."""
    return float(np.sum(spectrum.fractions / (1 + np.maximum(spectrum.eigenvalues, 0) / 0.004)))


def test_densities_resolve_a_kink_near_0_within_their_errors():
    spectrum = np.concatenate([12 / np.arange(1, 901) ** 2, -0.05 / np.arange(1, 601) ** 2])
    reflection = random().normal(size=1500)
    reflection /= np.linalg.norm(reflection)

    def product(vector: np.ndarray) -> np.ndarray:
        image = spectrum * (vector - 2 * reflection * (reflection @ vector))
        return image - 2 * reflection * (reflection @ image)

    exact = flat_part(Spectrum.of(spectrum))
    offs = []
    for seed in range(6):
        dice = np.random.default_rng(seed)
        found, error = estimated_spectrum(product, 1500, 4, 80, dice).value(flat_part)
        assert found == pytest.approx(exact, abs=0.01)
        assert error < 0.02
        offs.append((found - exact) / error)
    assert 0.1 < np.sqrt(np.mean(np.square(offs))) < 2


def test_all_eigenvalues_are_taken_where_that_is_no_more_work():
    spectrum, calls = np.linspace(-1, 3, 60), []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(vector)
        return spectrum * vector

    whole = estimated_spectrum(product, 60, 3, 20, random())
    assert len(calls) == 60
    np.testing.assert_allclose(np.sort(whole.spectrum.eigenvalues), spectrum, atol=1e-12)
    assert whole.with_top(np.array([2.9])) == whole
    assert whole.value(flat_part) == (flat_part(Spectrum.of(spectrum)), 0)
    calls.clear()
    assert estimated_spectrum(product, 60, 3, 19, random()).value(flat_part)[1] > 0
    assert len(calls) == 57


def test_an_error_is_as_large_as_the_differences_between_probes_and_between_rules():
    parts = [Spectrum.of(np.array([value])) for value in (0.0, 1.0, 2.0, 5.0)]
    mean = Spectrum.mean(parts)
    estimate = EstimatedSpectrum(mean, tuple(parts), (parts[1], parts[3]))
    value, error = estimate.value(lambda spectrum: spectrum.eigenvalues @ spectrum.fractions)
    assert value == 2
    assert error == pytest.approx(np.hypot(np.std([0, 1, 2, 5], ddof=1) / 2, 2))


@SOME_SPECTRA
def test_traces_and_their_errors(name: str):
    matrix = matrix_of(SPECTRA[name])
    found = trace(lambda v: matrix @ v, 120, 400, random())
    off_diagonal = matrix - np.diag(np.diag(matrix))
    deviation = np.sqrt(2 * np.sum(off_diagonal**2))
    assert found.standard_error == pytest.approx(deviation / 20, rel=0.2)
    assert found.mean == pytest.approx(np.trace(matrix), abs=4 * found.standard_error)


def test_the_trace_of_a_diagonal_is_exact():
    diagonal = np.linspace(-1, 5, 40)
    found = trace(lambda v: diagonal * v, 40, 2, random())
    assert found.mean == pytest.approx(diagonal.sum(), rel=1e-6)
    assert found.standard_error == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("after", [0, 3, 17])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_products_that_are_not_finite_give_nan(value: float, after: int):
    calls = []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(vector)
        broken = np.where(np.arange(vector.size) == 4, value, vector)
        return broken if len(calls) > after else np.arange(vector.size) * vector

    for dimension in (20, 30):  # all columns, and iterations
        calls.clear()
        found = top_eigenvalues(product, dimension, 2, random=random())
        assert np.isnan(found.values).all() and np.isinf(found.error_bounds).all()
        assert found.products == after + 1
    calls.clear()
    density = spectral_density(product, 30, 2, 20, random())
    assert np.isnan(density.eigenvalues).all() and density.fractions.sum() == 1
    for steps in (10, 20):  # iterations, and all columns
        calls.clear()
        estimate = estimated_spectrum(product, 30, 2, steps, random())
        assert np.isnan(estimate.value(flat_part)).all()
    calls.clear()
    assert np.isnan(trace(product, 30, 20, random())).all()


def test_arguments_out_of_range_are_errors():
    with pytest.raises(ValueError, match=r"count=4 .* dimension=3"):
        top_eigenvalues(lambda v: v, 3, 4, random=random())
    with pytest.raises(ValueError, match="max_steps=3"):
        top_eigenvalues(lambda v: v, 30, 4, max_steps=3, random=random())
    with pytest.raises(ValueError, match="probes=0"):
        spectral_density(lambda v: v, 3, 0, 4, random())
    with pytest.raises(ValueError, match="probes=1"):
        estimated_spectrum(lambda v: v, 3, 1, 4, random())
    with pytest.raises(ValueError, match="probes=1"):
        trace(lambda v: v, 3, 1, random())
