"""Counts and choices of pruning against a plain reference that sorts."""

import numpy as np
import pytest

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.scores.magnitudes import magnitude

SHAPES = {"first/kernel": (13, 7), "conv/kernel": (3, 3, 2, 5), "output/kernel": (7, 4)}


def reference_keep(
    scores: list[np.ndarray], masks: list[np.ndarray], count: int
) -> list[np.ndarray]:
    """Sorts the survivors by falling score, then by position, and keeps the first `count`."""
    survivors = [
        (-float(score), array, position)
        for array, (values, mask) in enumerate(zip(scores, masks, strict=True))
        for position, (score, alive) in enumerate(zip(values.ravel(), mask.ravel(), strict=True))
        if alive
    ]
    results = [np.zeros(mask.size, bool) for mask in masks]
    for _, array, position in sorted(survivors)[:count]:
        results[array][position] = True
    return [kept.reshape(mask.shape) for kept, mask in zip(results, masks, strict=True)]


def draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if kind == "distinct":
        return rng.normal(size=shape).astype(np.float32)
    if kind == "ties":
        return rng.integers(-2, 3, shape).astype(np.float32)
    if kind == "zeros":
        return np.where(rng.random(shape) < 0.7, 0, rng.normal(size=shape)).astype(np.float32)
    if kind == "signed zeros":
        return np.where(rng.random(shape) < 0.5, -0.0, 0.0).astype(np.float32)
    if kind == "infinite":
        return np.where(rng.random(shape) < 0.2, np.inf, rng.normal(size=shape))
    return np.where(rng.random(shape) < 0.5, -0.25, 0.25).astype(np.float32)


KINDS = ["distinct", "ties", "zeros", "signed zeros", "infinite", "equal magnitudes"]


def sizes_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, int]:
    return {name: int(np.prod(shape)) for name, shape in shapes.items()}


def expected_level(
    scores: dict[str, np.ndarray], mask: Mask, groups: list[tuple[list[str], int]]
) -> Mask:
    kept = {}
    for names, count in groups:
        arrays = reference_keep([scores[n] for n in names], [mask[n] for n in names], count)
        kept.update(zip(names, arrays, strict=True))
    return Mask(kept)


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_levels_against_sorting(scope: str, kind: str, seed: int):
    """Own rates: the output at half the rate, the convolution not at all."""
    rng = np.random.default_rng(seed)
    rates = {"first/kernel": 0.4, "conv/kernel": 0.0, "output/kernel": 0.2}
    sizes = sizes_of(SHAPES)
    plan = PruningPlan.build(sizes, rates, scope)
    mask = Mask({name: np.ones(shape, bool) for name, shape in SHAPES.items()})
    for level in range(1, 6):
        # New weights at every level: pruned ones look large again and must not come back.
        weights = {name: draw(kind, shape, rng) for name, shape in SHAPES.items()}
        scores = magnitude(weights, mask)
        groups = [([n], round(sizes[n] * (1 - rates[n]) ** level)) for n in SHAPES]
        new = plan.prune(scores, mask, level)
        assert new == expected_level(scores, mask, groups)
        assert all(not np.any(new[name] & ~mask[name]) for name in SHAPES)
        assert new["conv/kernel"].all()
        assert new.remaining == plan.remaining(level) == sum(count for _, count in groups)
        assert plan.density(level) == pytest.approx(new.density, abs=1e-15)
        mask = new


@pytest.mark.parametrize("kind", KINDS)
def test_global_scope_ranks_layers_of_one_rate_together(kind: str):
    rng = np.random.default_rng(5)
    rates = {"first/kernel": 0.2, "conv/kernel": 0.1, "output/kernel": 0.2}
    sizes = sizes_of(SHAPES)
    plan = PruningPlan.build(sizes, rates, "global")
    together = sizes["first/kernel"] + sizes["output/kernel"]
    mask = Mask({name: np.ones(shape, bool) for name, shape in SHAPES.items()})
    for level in range(1, 8):
        weights = {name: draw(kind, shape, rng) for name, shape in SHAPES.items()}
        weights["output/kernel"] *= 3
        scores = magnitude(weights, mask)
        groups = [
            (["first/kernel", "output/kernel"], round(together * 0.8**level)),
            (["conv/kernel"], round(sizes["conv/kernel"] * 0.9**level)),
        ]
        new = plan.prune(scores, mask, level)
        assert new == expected_level(scores, mask, groups)
        mask = new
    if kind == "distinct":
        densities = mask.densities()
        assert densities["output/kernel"] > 2 * densities["first/kernel"]


@pytest.mark.parametrize("kind", ["distinct", "ties", "zeros", "signed zeros"])
def test_large_groups_against_sorting(kind: str):
    """Arrays and ties beyond what is ranked in one piece, in three groups."""
    shapes = {
        "first": (3, 3, 8, 64),
        "conv": (3, 3, 64, 128),
        "hidden": (300, 300),
        "out": (9, 700),
    }
    rates = {"first": 0.2, "conv": 0.3, "hidden": 0.2, "out": 0.1}
    sizes = sizes_of(shapes)
    plan = PruningPlan.build(sizes, rates, "global")
    rng = np.random.default_rng(3)
    mask = Mask.ones_like({name: np.empty(shape) for name, shape in shapes.items()})
    for level in (1, 2):
        weights = {name: draw(kind, shape, rng) for name, shape in shapes.items()}
        scores = magnitude(weights, mask)
        groups = [
            (names, round(sum(sizes[name] for name in names) * (1 - rate) ** level))
            for names, rate in ((["first", "hidden"], 0.2), (["conv"], 0.3), (["out"], 0.1))
        ]
        new = plan.prune(scores, mask, level)
        assert new == expected_level(scores, mask, groups)
        mask = new


@pytest.mark.parametrize("kind", ["distinct", "ties", "signed zeros"])
def test_fifteen_levels_of_lenet(kind: str):
    shapes = {"a": (784, 300), "b": (300, 100), "c": (100, 10)}
    sizes = sizes_of(shapes)
    plan = PruningPlan.build(sizes, dict.fromkeys(shapes, 0.2), "global")
    plan.check(15)
    rng = np.random.default_rng(0)
    mask = Mask({name: np.ones(shape, bool) for name, shape in shapes.items()})
    assert plan.remaining(0) == mask.total == 266_200
    for level in range(1, 16):
        weights = {name: draw(kind, shape, rng) for name, shape in shapes.items()}
        new = plan.prune(magnitude(weights, mask), mask, level)
        assert new.remaining == plan.remaining(level) == round(266_200 * 0.8**level)
        assert all(not np.any(new[name] & ~mask[name]) for name in shapes)
        mask = new
    assert mask.density == pytest.approx(0.8**15, rel=1e-4)


def test_layerwise_counts_are_each_layers_own():
    sizes = {"a": 235_200, "b": 30_000, "c": 1_000}
    plan = PruningPlan.build(sizes, {"a": 0.2, "b": 0.2, "c": 0.1}, "layerwise")
    for level in range(16):
        assert plan.remaining(level) == (
            round(235_200 * 0.8**level) + round(30_000 * 0.8**level) + round(1_000 * 0.9**level)
        )


def test_pruning_to_a_level_twice_changes_nothing():
    plan = PruningPlan.build({"a": 40}, {"a": 0.3}, "global")
    weights = {"a": np.random.default_rng(0).normal(size=40)}
    mask = plan.prune(magnitude(weights, Mask.ones_like(weights)), Mask.ones_like(weights), 2)
    assert plan.prune(magnitude(weights, mask), mask, 2) == mask
    with pytest.raises(ValueError, match="should remain"):
        plan.prune(magnitude(weights, mask), mask, 1)


def test_too_many_levels_are_an_error_that_says_how_many_are_possible():
    plan = PruningPlan.build({"big": 1000, "small": 10}, {"big": 0.5, "small": 0.5}, "layerwise")
    plan.check(4)  # 10 * 0.5^4 rounds to 1
    with pytest.raises(ValueError, match=r"levels=5.*small.*at most 4 levels"):
        plan.check(5)
    PruningPlan.build(
        {"big": 1000, "small": 10}, dict.fromkeys(("big", "small"), 0.5), "global"
    ).check(9)


def test_bad_plans_are_refused():
    with pytest.raises(ValueError, match=r"scope='local'.*global, layerwise"):
        PruningPlan.build({"a": 4}, {"a": 0.2}, "local")
    with pytest.raises(ValueError, match="no prunable weights"):
        PruningPlan.build({}, {}, "global")


def test_magnitude_ranks_by_absolute_value():
    weights = {"k": np.array([-3.0, 1.0, -0.0]), "bias": np.array([9.0])}
    scores = magnitude(weights, Mask({"k": np.ones(3, bool)}))
    assert list(scores) == ["k"]
    assert scores["k"].tolist() == [3.0, 1.0, 0.0]


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_rounds_lead_to_a_level_in_equal_ratios(scope: str):
    rng = np.random.default_rng(0)
    scores = {"a": rng.random((40, 30)), "b": rng.random(500)}
    plan = PruningPlan.build({"a": 1200, "b": 500}, {"a": 0.6, "b": 0.6}, scope)
    start = plan.prune(scores, Mask.ones_like(scores), 1)
    mask, counts = start, [start.remaining]
    for rounds_left in range(5, 0, -1):
        pruned = plan.prune(scores, mask, 2, progress=1 / rounds_left)
        assert not any(np.any(pruned[name] & ~mask[name]) for name in mask)
        mask = pruned
        counts.append(mask.remaining)
    ratio = 0.4 ** (1 / 5)
    np.testing.assert_allclose(np.divide(counts[1:], counts[:-1]), ratio, atol=0.01)
    assert counts[-1] == plan.remaining(2)
    assert mask == plan.prune(scores, start, 2), "the scores did not change on the way"


def test_a_round_counts_from_what_is_left_and_not_from_the_dense_network():
    scores = {"a": np.arange(100.0)}
    plan = PruningPlan.build({"a": 100}, {"a": 0.75}, "global")
    assert plan.prune(scores, Mask.ones_like(scores), 1, progress=0.5).remaining == 50
    half = Mask({"a": np.arange(100) % 2 == 0})
    assert plan.prune(scores, half, 1, progress=0.5).remaining == round(50 * (25 / 50) ** 0.5)


def test_units_of_a_plan_go_as_a_whole_and_near_to_its_count():
    rng = np.random.default_rng(1)
    scores = {"a": rng.random((30, 40)), "b": rng.random((40, 8)), "c": rng.random((3, 3, 4, 10))}
    sizes = sizes_of({name: array.shape for name, array in scores.items()})
    axes, unit_sizes = {"a": (-1,), "b": (0,), "c": (-1,)}, {"a": 30, "b": 8, "c": 36}
    rates = dict.fromkeys(sizes, 0.3)
    plan = PruningPlan.build(sizes, rates, "global", "units", axes, unit_sizes)
    mask = Mask.ones_like(scores)
    for level in (1, 2, 3):
        new = plan.prune(scores, mask, level)
        assert abs(new.remaining - plan.remaining(level)) <= 36 / 2
        for name, unit in axes.items():
            by_unit = np.moveaxis(new[name], unit, (-1,)).reshape(-1, scores[name].shape[unit[0]])
            assert np.array_equal(by_unit.any(axis=0), by_unit.all(axis=0)), name
            assert not np.any(new[name] & ~mask[name])
        mask = new


def test_two_of_four_are_kept_in_pruned_groups_alone():
    rng = np.random.default_rng(2)
    scores = {"a": rng.random((8, 5)), "b": rng.random((12, 3)), "dense": rng.random((4, 4))}
    sizes = sizes_of({name: array.shape for name, array in scores.items()})
    rates = {"a": 0.5, "b": 0.5, "dense": 0.0}
    axes = dict.fromkeys(sizes, (-1,))
    plan = PruningPlan.build(sizes, rates, "global", "2:4", axes)
    mask = plan.prune(scores, Mask.ones_like(scores), 1)
    assert mask["dense"].all()
    for name in ("a", "b"):
        rows = scores[name].reshape(-1, 4, scores[name].shape[1])
        highest = rows >= np.sort(rows, axis=1)[:, 2:3]
        np.testing.assert_array_equal(mask[name], highest.reshape(scores[name].shape))
    assert mask.remaining == plan.remaining(1)
    on_the_way = plan.prune(scores, Mask.ones_like(scores), 1, progress=0.5)
    assert on_the_way == Mask.ones_like(scores)


def test_unknown_structures_are_refused():
    with pytest.raises(ValueError, match=r"structure='blocks'.*weights, units, 2:4, 1x4"):
        PruningPlan.build({"a": 4}, {"a": 0.5}, "global", "blocks")


def test_rates_of_levels_group_the_weights_that_have_the_same():
    sizes, rates = {"a": 1000, "b": 1000, "c": 100}, {"a": (0.5, 0.2), "b": (0.5, 0.2), "c": 0.1}
    plan = PruningPlan.build(sizes, rates, "global")
    assert [group.names for group in plan.groups] == [("a", "b"), ("c",)]
    assert [plan.remaining(level) for level in range(4)] == [2100, 1090, 881, 713]


@pytest.mark.parametrize("count", [0, 1, 2, 57, 299, 300, 301, 640, 999, 1000])
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_one_pruning_leaves_exactly_a_count(scope, count):
    shapes = {"a": (600,), "b": (300,), "c": (100,)}
    plan = PruningPlan.build(sizes_of(shapes), {"a": 0.2, "b": 0.2, "c": 0.1}, scope)
    weights = {
        name: draw("distinct", shape, np.random.default_rng(0)) for name, shape in shapes.items()
    }
    mask = Mask.ones_like(weights)
    left = plan.leaving(mask, count).prune(magnitude(weights, mask), mask, 7)
    floor = len(plan.groups)
    assert plan.floor(mask) == floor
    assert left.remaining == max(count, floor)


def test_one_pruning_goes_equally_far_along_all_schedules():
    plan = PruningPlan.build(
        {"a": 10_000, "b": 10_000, "c": 500}, {"a": 0.2, "b": 0.1, "c": 0.0}, "layerwise"
    )
    dense = Mask({"a": np.ones(10_000, bool), "b": np.ones(10_000, bool), "c": np.ones(500, bool)})
    third = plan.leaving(dense, plan.remaining(3))
    assert [group.schedule.remaining(group.size, 1) for group in third.groups] == [
        group.schedule.remaining(group.size, 3) for group in plan.groups
    ]
    scores = {name: np.arange(array.size, dtype=np.float32) for name, array in dense.items()}
    mask = plan.prune(scores, dense, 2)
    on = plan.leaving(mask, plan.remaining(3))
    assert [group.schedule.remaining(group.size, 1) for group in on.groups] == [5120, 7290, 500]


@pytest.mark.parametrize("count", [-1, 101])
def test_one_pruning_cannot_leave_more_than_there_is(count):
    plan = PruningPlan.build({"a": 100}, {"a": 0.2}, "global")
    with pytest.raises(ValueError, match=f"count={count}: use 0 to 100"):
        plan.leaving(Mask({"a": np.ones(100, bool)}), count)
