"""Eigenvalues, densities and traces against full matrices: of networks, and drawn at random."""

from dataclasses import dataclass

import numpy as np
import pytest
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from tf_lottery.landscape.hessian import LossAtWeights
from tf_lottery.landscape.lanczos import spectral_density, top_eigenvalues, trace
from tf_lottery.masking.prunable import prunable
from tf_lottery.training.network import weights_of

TOLERANCE = 0.01
REPEATABLE = settings(deadline=None, derandomize=True, database=None)
# Numbers of inputs, hidden units and classes, and epochs of training.
NETWORKS = [(5, 8, 4, 1), (7, 8, 3, 30)]


@pytest.fixture(
    scope="module", params=[NETWORKS[0], pytest.param(NETWORKS[1], marks=pytest.mark.slow)]
)
def hessian(request) -> np.ndarray:
    """The full Hessian of a network by its 72 or 80 weights."""
    inputs, units, classes, epochs = request.param
    generator = np.random.default_rng(inputs)
    images = generator.normal(size=(60, inputs)).astype(np.float32)
    noise = generator.normal(size=(60, classes))
    labels = np.argmax(images @ generator.normal(size=(inputs, classes)) + noise, axis=1)
    layers = [
        keras.layers.Dense(units, "tanh", kernel_initializer=keras.initializers.GlorotNormal(1)),
        keras.layers.Dense(classes, kernel_initializer=keras.initializers.GlorotNormal(2)),
    ]
    model = prunable(keras.Sequential([keras.Input((inputs,)), *layers]))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, epochs=epochs, shuffle=False, verbose=0)
    loss = LossAtWeights(model, images, labels)
    product = loss.hessian(weights_of(model))
    columns = np.array([product(unit) for unit in np.eye(loss.coordinates.dimension)])
    np.testing.assert_allclose(columns, columns.T, atol=1e-6)
    return (columns + columns.T) / 2


def check_top_eigenvalues(matrix: np.ndarray, count: int, seed: int) -> None:
    """None is missing, and one lies within each error bound."""
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    found = top_eigenvalues(
        lambda vector: matrix @ vector, len(matrix), count, random=np.random.default_rng(seed)
    )
    largest = np.abs(eigenvalues).max()
    scale = np.maximum(np.abs(eigenvalues[:count]), 1e-3 * largest)
    errors = np.abs(found.values - eigenvalues[:count])
    assert np.all(errors <= TOLERANCE * scale), f"seed {seed}"
    nearest = np.abs(found.values[:, None] - eigenvalues).min(axis=1)
    assert np.all(nearest <= found.error_bounds + 1e-12 * largest)
    assert np.all(found.error_bounds <= TOLERANCE * scale)


@pytest.mark.parametrize(
    "seeds", [range(15), pytest.param(range(15, 150), marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize("count", [5, 10])
def test_the_largest_eigenvalues_of_a_network_are_found_from_any_first_vector(
    hessian, count, seeds
):
    assert len(hessian) > 4 * count + 20, "or there are no iterations"
    for seed in seeds:
        check_top_eigenvalues(hessian, count, seed)


@dataclass(frozen=True)
class Drawn:
    """A symmetric matrix that is told in one line; clusters are their centers, sizes and widths."""

    rows: int
    bulk: str
    clusters: list[tuple[float, int, float]]
    scale: float
    seed: int

    def matrix(self) -> np.ndarray:
        generator = np.random.default_rng(self.seed)
        eigenvalues = {
            "uniform": generator.uniform(-1, 1, self.rows),
            "chi2": generator.chisquare(1, self.rows),
            "decaying": 1 / np.arange(1, self.rows + 1) ** 2,
            "zeros": np.zeros(self.rows),
        }[self.bulk]
        clusters = [
            center + width * generator.random(size) for center, size, width in self.clusters
        ]
        eigenvalues = np.concatenate([*clusters, eigenvalues])[: self.rows]
        basis = ortho_group.rvs(self.rows, random_state=generator)
        matrix = self.scale * (basis * eigenvalues) @ basis.T
        return (matrix + matrix.T) / 2


CLUSTERS = st.tuples(
    st.sampled_from([-30.0, -3.0, 0.0, 0.5, 1.0, 2.0, 10.0, 100.0]),
    st.integers(1, 6),
    st.sampled_from([0, 1e-9, 1e-5, 1e-3, 1e-2, 0.1]),
)
DRAWN = st.builds(
    Drawn,
    st.integers(20, 80),
    st.sampled_from(["uniform", "chi2", "decaying", "zeros"]),
    st.lists(CLUSTERS, max_size=4),
    st.sampled_from([1.0, -1.0, 1e-30, -1e-12, 1e-3, 1e6, -1e30]),
    st.integers(0, 2**32),
)


@pytest.mark.slow
@settings(REPEATABLE, max_examples=300)
@given(drawn=DRAWN, count=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_the_largest_eigenvalues_of_random_matrices_are_found(drawn, count, seed):
    check_top_eigenvalues(drawn.matrix(), count, seed)


@settings(REPEATABLE, max_examples=50)
@given(drawn=DRAWN, seed=st.integers(0, 2**32))
def test_a_density_of_as_many_steps_as_rows_has_the_moments_of_its_probe(drawn, seed):
    """A vector of signs sees of every power of the matrix what the vector's products do."""
    matrix, random = drawn.matrix() / drawn.scale, np.random.default_rng(seed)
    rows, size = len(matrix), np.linalg.norm(matrix, 2) or 1
    density = spectral_density(lambda vector: matrix @ vector, rows, 1, rows, random)
    probe = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), rows)
    assert density.fractions.sum() == pytest.approx(1, abs=1e-12)
    image = probe.astype(np.float64)
    for power in range(1, 5):
        image = matrix @ image / size
        found = np.sum(density.fractions * (density.eigenvalues / size) ** power)
        assert found == pytest.approx(probe @ image / rows, abs=1e-5)


def deviation_of_probes(matrix: np.ndarray, probes: int) -> float:
    """Of the mean of a matrix's quadratic forms in vectors of signs."""
    return np.sqrt(2 * np.sum((matrix - np.diag(np.diag(matrix))) ** 2) / probes)


@settings(REPEATABLE, max_examples=50)
@given(drawn=DRAWN, seed=st.integers(0, 2**32))
def test_densities_and_traces_have_the_moments_of_the_full_matrix(drawn, seed):
    matrix, random = drawn.matrix(), np.random.default_rng(seed)
    matrix /= np.abs(matrix).max() or 1
    rows, probes = len(matrix), 30
    density = spectral_density(lambda vector: matrix @ vector, rows, probes, 6, random)
    for power, expected in ((1, matrix), (2, matrix @ matrix)):
        moment = rows * np.sum(density.fractions * density.eigenvalues**power)
        allowed = 5 * deviation_of_probes(expected, probes) + 1e-5 * rows
        assert moment == pytest.approx(np.trace(expected), abs=allowed)
    mean, error = trace(lambda vector: matrix @ vector, rows, probes, random)
    deviation = deviation_of_probes(matrix, probes)
    assert mean == pytest.approx(np.trace(matrix), abs=5 * deviation + 1e-5)
    assert 0.3 * deviation - 1e-5 <= error <= 2 * deviation + 1e-5
