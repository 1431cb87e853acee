"""Predicted and measured limits of pruning where they can be derived by hand or by brute force."""

import numpy as np
import pytest

from tf_lottery.landscape.lanczos import spectral_density, top_eigenvalues
from tf_lottery.landscape.pruning_limit import (
    angular_dimension,
    measured_pruning_ratio,
    one_shot_mask,
    predicted_pruning_ratio,
    pruning_scores,
    sharpness,
)
from tf_lottery.landscape.spectrum import Spectrum
from tf_lottery.masking.masks import Mask


def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_angular_dimension_is_the_sum_over_the_radii():
    eigenvalues = np.array([50.0, 3.0, 0.2, 0.0, -4.0])
    radii = np.sqrt(2 * 0.3 / eigenvalues[:3])
    expected = np.sum(radii**2 / (1.7**2 + radii**2)) + 2
    assert angular_dimension(Spectrum.of(eigenvalues), 0.3, 1.7) == pytest.approx(expected)


def test_the_angular_dimension_is_whole_at_the_minimum_and_flat_directions_stay_far_away():
    spectrum = Spectrum.of(np.array([1.0, 2.0, 0.0]))
    assert angular_dimension(spectrum, 0.1, 0.0) == pytest.approx(3)
    assert angular_dimension(spectrum, 0.1, 1e9) == pytest.approx(1)


def test_the_angular_dimension_from_a_density_is_that_of_all_eigenvalues():
    eigenvalues = np.concatenate([[40, 25, 15], np.linspace(-0.1, 1, 1997)])
    exact = angular_dimension(Spectrum.of(eigenvalues), 0.5, 2.0)

    def product(vector: np.ndarray) -> np.ndarray:
        return eigenvalues * vector

    gaussian = np.random.default_rng(0)
    top = top_eigenvalues(product, 2000, 3, 1e-4, random=gaussian)
    reflection = gaussian.normal(size=2000)
    reflection /= np.linalg.norm(reflection)

    def rotated(vector: np.ndarray) -> np.ndarray:
        mirrored = vector - 2 * reflection * (reflection @ vector)
        image = eigenvalues * mirrored
        return image - 2 * reflection * (reflection @ image)

    density = spectral_density(rotated, 2000, 10, 40, gaussian)
    found = angular_dimension(density.with_top(top.values), 0.5, 2.0)
    assert found == pytest.approx(exact, rel=1e-3)


def test_known_largest_eigenvalues_replace_the_top_of_a_density():
    density = Spectrum(np.array([1.0, 9.0, 0.0]), np.array([0.5, 0.1, 0.4]), 10)
    joined = density.with_top(np.array([8.0, 5.0]))
    assert joined.fractions.sum() == pytest.approx(1)
    mass = {value: joined.fractions[joined.eigenvalues == value].sum() for value in (8, 5, 1, 0)}
    assert mass == pytest.approx({8: 0.1, 5: 0.1, 1: 0.4, 0: 0.4})
    none_left = density.with_top(np.arange(10.0))
    assert none_left.fractions[10:].sum() == pytest.approx(0)
    with pytest.raises(ValueError, match="11 eigenvalues of 10"):
        density.with_top(np.arange(11.0))


@pytest.mark.parametrize("order", ["magnitude", "random"])
def test_the_prediction_for_equal_eigenvalues_and_weights_solves_a_quadratic(order: str):
    """2 eps / (2 eps + lambda p D w^2) >= p, for every order: R^2 = p D w^2."""
    size, rise, curvature, weight = 2000, 0.2, 3.0, -0.05
    a = curvature * size * weight**2 / (2 * rise)
    expected = (np.sqrt(1 + 4 * a) - 1) / (2 * a)
    spectrum, weights = Spectrum.of(np.full(size, curvature)), np.full(size, weight)
    found = predicted_pruning_ratio(spectrum, weights, rise, order)
    assert expected - 1 / size <= found <= expected + 1e-9
    assert 0.1 < found < 0.9


@pytest.mark.parametrize("order", ["magnitude", "random"])
def test_the_prediction_is_near_what_a_quadratic_loss_lets_be_pruned(order: str):
    """Solved for the weights that may move: with those of S at 0, H^-1 = C, the least rise is
    w_S^T (C_SS)^-1 w_S / 2."""
    size, rise, numbers = 400, 0.1, random()
    eigenvalues = 10 ** numbers.uniform(-4, 1, size)
    axes = np.linalg.qr(numbers.normal(size=(size, size)))[0]
    inverse, weights = (axes / eigenvalues) @ axes.T, 0.1 * numbers.normal(size=size)
    first = np.argsort(np.abs(weights)) if order == "magnitude" else np.arange(size)

    def least_rise(ratio: float) -> float:
        chosen = first[: round(ratio * size)]
        own = weights[chosen]
        return own @ np.linalg.solve(inverse[np.ix_(chosen, chosen)], own) / 2

    found = predicted_pruning_ratio(Spectrum.of(eigenvalues), weights, rise, order)
    # It rises with each weight that is pruned.
    assert least_rise(found - 0.1) < rise < least_rise(found + 0.1)


def test_the_prediction_by_magnitude_removes_the_smallest_weights_first():
    weights, rise = np.array([3.0, 0.1, -0.2, 4.0]), 0.01
    spectrum = Spectrum.of(np.array([1.0, 1.0, 0.0, 0.0]))

    def enough(pruned: int) -> bool:
        squares = np.sort(weights**2)[:pruned].sum()
        return 2 * 0.02 / (0.02 + squares) + 2 >= pruned

    assert [enough(count) for count in (1, 2, 3, 4)] == [True, True, False, False]
    assert predicted_pruning_ratio(spectrum, weights, rise) == 0.5
    assert predicted_pruning_ratio(spectrum, weights, rise, "random") == 0.5


def test_flat_landscapes_let_everything_be_pruned_and_steep_ones_nothing():
    weights = random().normal(size=300)
    flat, steep = Spectrum.of(np.zeros(300)), Spectrum.of(np.full(300, 1e12))
    for order in ("magnitude", "random"):
        assert predicted_pruning_ratio(flat, weights, 1e-3, order) == 1.0
        assert predicted_pruning_ratio(steep, weights, 1e-3, order) == 0.0
    flatter = [Spectrum.of(np.full(300, curvature)) for curvature in (10, 1, 0.1)]
    ratios = [predicted_pruning_ratio(spectrum, weights, 0.1) for spectrum in flatter]
    assert ratios == sorted(ratios) and ratios[0] < ratios[2]


def test_predictions_without_finite_numbers_are_nan():
    weights = np.ones(4)
    broken = Spectrum(np.array([np.nan]), np.array([1.0]), 4)
    assert np.isnan(angular_dimension(broken, 0.1, 1.0))
    assert np.isnan(predicted_pruning_ratio(broken, weights, 0.1))
    assert np.isnan(predicted_pruning_ratio(Spectrum.of(weights), weights * np.nan, 0.1))


WEIGHTS = {
    "a/kernel": random().normal(size=(20, 30)),
    "a/bias": np.full(30, 0.01),
    "b/kernel": random().normal(size=(30, 10)) ** 3,
}
MASK = Mask(
    {
        name: np.random.default_rng(len(WEIGHTS[name])).random(WEIGHTS[name].shape) < 0.7
        for name in ("a/kernel", "b/kernel")
    }
)
CURVATURES = {name: random().random(array.shape) for name, array in WEIGHTS.items()}


def convex_loss(weights: dict[str, np.ndarray]) -> float:
    solution = MASK.apply(WEIGHTS)
    return 0.7 + sum(
        float(np.sum(CURVATURES[name] * (weights[name] - solution[name]) ** 2)) for name in WEIGHTS
    )


@pytest.mark.parametrize("rise", [1e-6, 0.1, 3.0, 40.0, 1e6])
def test_the_measured_ratio_is_that_of_brute_force(rise: float):
    sizes = [(abs(WEIGHTS[name][index]), CURVATURES[name][index])
             for name in MASK for index in zip(*np.nonzero(MASK[name]), strict=True)]  # fmt: skip
    rises = np.cumsum([curvature * size**2 for size, curvature in sorted(sizes)])
    expected = np.count_nonzero(rises <= rise) / MASK.remaining
    found = measured_pruning_ratio(convex_loss, WEIGHTS, MASK, rise)
    assert found == pytest.approx(expected, abs=1e-9)


def test_retraining_lets_the_others_make_up_for_what_is_pruned():
    """Least squares: the best that the remaining weights can do, against brute force."""
    dice = np.random.default_rng(5)
    inputs = dice.normal(size=(60, 40)) @ dice.normal(size=(40, 40)) ** 3
    solution = dice.normal(size=40)
    targets = inputs @ solution

    def loss_at(weights: dict[str, np.ndarray]) -> float:
        return float(np.mean((inputs @ weights["w/kernel"][:, 0] - targets) ** 2))

    def best(mask: np.ndarray) -> np.ndarray:
        weights = np.zeros(40)
        weights[mask] = np.linalg.lstsq(inputs[:, mask], targets, rcond=None)[0]
        return weights

    def retrain(weights: dict[str, np.ndarray], mask: Mask, limit: float) -> bool:
        assert not weights["w/kernel"][~mask["w/kernel"]].any()
        return loss_at({"w/kernel": best(mask["w/kernel"][:, 0])[:, np.newaxis]}) <= limit

    weights = {"w/kernel": solution[:, np.newaxis]}
    dense = Mask({"w/kernel": np.ones((40, 1), bool)})
    order = np.argsort(np.abs(solution))
    losses = [
        np.mean((inputs @ best(np.isin(np.arange(40), order[count:])) - targets) ** 2)
        for count in range(40)
    ]
    rise = float(np.quantile(losses, 0.6))
    expected = max(count for count, loss in enumerate(losses) if loss <= rise) / 40
    found = measured_pruning_ratio(loss_at, weights, dense, rise, retrain=retrain)
    fixed = measured_pruning_ratio(loss_at, weights, dense, rise)
    assert found == pytest.approx(expected)
    assert fixed < found


def test_random_orders_follow_their_numbers_and_prune_less():
    ratios = [
        measured_pruning_ratio(
            convex_loss, WEIGHTS, MASK, 3.0, "random", np.random.default_rng(seed)
        )
        for seed in (1, 1, 2)
    ]
    assert ratios[0] == ratios[1] != ratios[2]
    assert 0 < max(ratios) < measured_pruning_ratio(convex_loss, WEIGHTS, MASK, 3.0)


def test_where_the_loss_falls_again_the_ratio_is_still_one_that_keeps_it():
    def loss(weights: dict[str, np.ndarray]) -> float:
        left = sum(np.count_nonzero(weights[name]) for name in MASK) / MASK.remaining
        return 5.0 if 0.3 < left < 0.8 else 1.0

    found = measured_pruning_ratio(loss, WEIGHTS, MASK, 0.5)
    assert found in (pytest.approx(0.2, abs=2e-3), 1.0)
    scores = pruning_scores(WEIGHTS, MASK, "magnitude")
    pruned = one_shot_mask(scores, MASK, round(found * MASK.remaining))
    assert loss(pruned.apply(WEIGHTS)) == 1.0


def test_losses_that_are_not_finite_are_too_high_or_make_the_ratio_nan():
    def broken_by_pruning(weights: dict[str, np.ndarray]) -> float:
        left = sum(np.count_nonzero(weights[name]) for name in MASK)
        return np.nan if left < 0.6 * MASK.remaining else 1.0

    found = measured_pruning_ratio(broken_by_pruning, WEIGHTS, MASK, 0.5)
    assert found == pytest.approx(0.4, abs=2e-3)
    for value in (np.nan, np.inf):
        broken = measured_pruning_ratio(lambda _, value=value: value, WEIGHTS, MASK, 0.5)
        assert np.isnan(broken)


def test_large_networks_are_bisected_to_a_thousandth():
    weights = {"k": random().normal(size=54_321)}
    mask, calls = Mask.ones_like(weights), []

    def loss(pruned: dict[str, np.ndarray]) -> float:
        calls.append(pruned)
        return float(np.count_nonzero(pruned["k"] == 0))

    found = measured_pruning_ratio(loss, weights, mask, 0.2345 * 54_321)
    assert 0 <= 0.2345 - found <= 1e-3
    assert len(calls) <= 12


def test_pruning_stays_within_the_mask_and_prunes_the_number_asked_for():
    for order in ("magnitude", "random"):
        scores = pruning_scores(WEIGHTS, MASK, order, random())
        pruned = one_shot_mask(scores, MASK, 100)
        assert pruned.remaining == MASK.remaining - 100
        assert all(not np.any(pruned[name] & ~MASK[name]) for name in MASK)


def test_sharpness_is_the_curvature_along_a_direction():
    matrix = np.array([[2.0, 1.0], [1.0, -3.0]])
    direction = np.array([3.0, 4.0])
    expected = direction @ matrix @ direction / 25
    assert sharpness(lambda v: matrix @ v, direction) == pytest.approx(expected)
    assert np.isnan(sharpness(lambda v: v * np.nan, direction))


def test_arguments_that_do_not_fit_are_errors():
    spectrum = Spectrum.of(np.ones(3))
    for call, message in (
        (lambda: angular_dimension(spectrum, 0.0, 1.0), "loss_rise=0.0"),
        (lambda: angular_dimension(spectrum, 1.0, -1.0), "distance=-1.0"),
        (lambda: predicted_pruning_ratio(spectrum, np.ones(4), 1.0), "dimension 3"),
        (lambda: predicted_pruning_ratio(spectrum, np.ones(3), 1.0, "size"), "order='size'"),
        (lambda: measured_pruning_ratio(convex_loss, WEIGHTS, MASK, -1.0), "loss_rise=-1.0"),
        (lambda: measured_pruning_ratio(convex_loss, WEIGHTS, MASK, 1.0, "random"), "generator"),
        (lambda: sharpness(lambda v: v, np.zeros(3)), "direction is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
