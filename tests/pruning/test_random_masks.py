"""Random masks, and layerwise numbers of weights against formulas solved in another way."""

import numpy as np
import pytest
import scipy.optimize

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.random_masks import erk_counts, random_mask_of, uniform_counts

# Two convolutions, two matrices and one so small that Erdős-Rényi kernels fill it.
SHAPES = {
    "conv_1": (3, 3, 1, 4),
    "conv_2": (3, 3, 16, 32),
    "dense": (128, 50),
    "wide": (20, 301),
    "output": (4, 3),
}
SIZES = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
PROPORTIONS = {
    "uniform": dict.fromkeys(SHAPES, 1.0),
    "erk": {name: sum(shape) / np.prod(shape) for name, shape in SHAPES.items()},
}
COUNTS = {"uniform": uniform_counts, "erk": erk_counts}


def mask_of(counts: dict[str, int]) -> Mask:
    """A mask whose first weights remain."""
    return Mask(
        {n: (np.arange(SIZES[n]) < count).reshape(SHAPES[n]) for n, count in counts.items()}
    )


def exact_counts(kind: str, free: list[str], total: int) -> dict[str, float]:
    """Numbers whose densities are proportional, or 1, found by searching for the proportion."""

    def of(scale: float) -> dict[str, float]:
        return {n: min(1.0, scale * PROPORTIONS[kind][n]) * SIZES[n] for n in free}

    return of(scipy.optimize.brentq(lambda scale: sum(of(scale).values()) - total, 0, 1e4))


@pytest.mark.parametrize("kind", COUNTS)
@pytest.mark.parametrize("density", [0.003, 0.04, 0.31, 0.8, 0.97])
def test_counts_follow_the_formula_and_add_up(kind: str, density: float):
    given = {name: max(1, int(size * density)) for name, size in SIZES.items()}
    counts = COUNTS[kind](mask_of(given))
    assert list(counts) == list(SHAPES)
    assert sum(counts.values()) == sum(given.values())
    for name, exact in exact_counts(kind, list(SHAPES), sum(given.values())).items():
        assert abs(counts[name] - exact) < 1, name
        assert counts[name] <= SIZES[name]


def test_kernels_that_are_full_pass_their_weights_on():
    counts = erk_counts(mask_of({name: size // 2 for name, size in SIZES.items()}))
    assert counts["conv_1"] == SIZES["conv_1"]
    assert counts["output"] == SIZES["output"]
    left = [name for name in SHAPES if counts[name] < SIZES[name]]
    scales = [counts[name] / sum(SHAPES[name]) for name in left]
    assert len(left) >= 2
    np.testing.assert_allclose(scales, scales[0], rtol=0.01)


def test_uniform_density_does_not_depend_on_where_the_weights_are():
    weights = {"conv_1": 1, "conv_2": 4607, "dense": 1, "wide": 6019, "output": 1}
    density = sum(weights.values()) / sum(SIZES.values())
    for name, count in uniform_counts(mask_of(weights)).items():
        assert abs(count - density * SIZES[name]) < 1, name


@pytest.mark.parametrize("kind", COUNTS)
def test_layers_that_are_dense_stay_dense(kind: str):
    given = {name: size // 5 for name, size in SIZES.items()} | {"conv_2": SIZES["conv_2"]}
    counts = COUNTS[kind](mask_of(given))
    assert counts["conv_2"] == SIZES["conv_2"]
    free = [name for name in SHAPES if name != "conv_2"]
    total = sum(given[name] for name in free)
    assert sum(counts[name] for name in free) == total
    for name, exact in exact_counts(kind, free, total).items():
        assert abs(counts[name] - exact) < 1, name
    assert COUNTS[kind](mask_of(SIZES)) == SIZES


@pytest.mark.parametrize("kind", COUNTS)
def test_any_number_of_weights_is_met_exactly(kind: str):
    dice = np.random.default_rng(0)
    for _ in range(200):
        given = {name: int(dice.integers(0, size)) for name, size in SIZES.items()}
        counts = COUNTS[kind](mask_of(given))
        assert sum(counts.values()) == sum(given.values())
        assert all(0 <= counts[name] <= size for name, size in SIZES.items())


def test_a_random_mask_has_the_shapes_and_the_counts():
    counts = {"conv_1": 0, "conv_2": 7, "dense": 6400, "wide": 3000, "output": 1}
    mask = random_mask_of(mask_of(SIZES), counts, np.random.default_rng(0))
    assert {name: array.shape for name, array in mask.items()} == SHAPES
    assert {name: int(array.sum()) for name, array in mask.items()} == counts


def test_a_random_mask_follows_its_generator():
    counts = {name: size // 2 for name, size in SIZES.items()}
    masks = [
        random_mask_of(mask_of(counts), counts, np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    assert masks[0] == masks[1] != masks[2]


def test_every_weight_is_as_likely_to_remain():
    first = mask_of({"output": 3})
    dice = np.random.default_rng(0)
    draws = [random_mask_of(first, {"output": 3}, dice)["output"] for _ in range(4000)]
    # The standard deviation of a frequency is 0.007.
    np.testing.assert_allclose(np.mean(draws, axis=0), 0.25, atol=0.03)
