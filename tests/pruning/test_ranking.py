"""The highest scores against a stable sort, and how much memory finding them takes."""

import tracemalloc

import numpy as np
import pytest

from tf_lottery.pruning.ranking import ScoredBy, keep_highest

# Below and above the size of the pieces in which arrays are ranked.
SHAPES = [(7, 5), (300, 300), (1,), (0, 4), (2, 2, 20_000), (9,)]


def stable_sort(scores: list[np.ndarray], masks: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Keeps the first `count` survivors in the order of falling scores, then of position."""
    alive = np.flatnonzero(np.concatenate([mask.ravel() for mask in masks]))
    values = np.concatenate([score.ravel() for score in scores])[alive].astype(np.float64)
    kept = np.zeros(sum(mask.size for mask in masks), bool)
    kept[alive[np.argsort(-values, kind="stable")[:count]]] = True
    ends = np.cumsum([mask.size for mask in masks])[:-1]
    return [part.reshape(m.shape) for part, m in zip(np.split(kept, ends), masks, strict=True)]


def draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    normal = rng.normal(size=shape)
    match kind:
        case "distinct":
            return normal.astype(np.float32)
        case "float64":
            return 1 + normal * 1e-12
        case "float16":
            return normal.astype(np.float16)
        case "integers":
            return rng.integers(-3, 4, shape)
        case "ties":
            return rng.integers(-2, 3, shape).astype(np.float32)
        case "signed zeros":
            return np.where(normal < 0, -0.0, 0.0).astype(np.float32)
        case "mostly zeros":
            return np.where(rng.random(shape) < 0.7, 0, normal).astype(np.float32)
        case "denormal":
            return (normal * 1e-42).astype(np.float32)
        case "infinite":
            return np.where(rng.random(shape) < 0.2, np.copysign(np.inf, normal), normal)
        case "transposed":
            return normal.astype(np.float32).T.copy().T
    raise AssertionError(kind)


KINDS = (
    "distinct", "float64", "float16", "integers", "ties", "signed zeros", "mostly zeros",
    "denormal", "infinite", "transposed",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("density", [1.0, 0.5, 0.001])
def test_against_a_stable_sort(kind: str, density: float):
    rng = np.random.default_rng(0)
    scores = [draw(kind, shape, rng) for shape in SHAPES]
    masks = [rng.random(shape) < density for shape in SHAPES]
    alive = sum(int(mask.sum()) for mask in masks)
    for count in (0, 1, alive // 5, alive // 2, alive - 1, alive):
        kept = keep_highest(scores, masks, count)
        assert sum(int(array.sum()) for array in kept) == count
        for ours, theirs in zip(kept, stable_sort(scores, masks, count), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(20))
def test_small_arrays_of_mixed_kinds(seed: int):
    rng = np.random.default_rng(seed)
    shapes = [tuple(rng.integers(1, 7, rng.integers(1, 4))) for _ in range(rng.integers(1, 5))]
    scores = [draw(rng.choice(KINDS), shape, rng) for shape in shapes]
    masks = [rng.random(shape) < 0.8 for shape in shapes]
    for count in range(sum(int(mask.sum()) for mask in masks) + 1):
        kept = keep_highest(scores, masks, count)
        for ours, theirs in zip(kept, stable_sort(scores, masks, count), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_scores_of_which_a_sample_tells_nothing():
    scores = np.arange(1 << 19, dtype=np.float32)
    for step in (3, 5):
        scores[::step] = -1
    mask = np.ones(scores.shape, bool)
    for count in (1, 1000, 200_000, 300_000, 500_000):
        kept = keep_highest([scores], [mask], count)
        np.testing.assert_array_equal(kept[0], stable_sort([scores], [mask], count)[0])


def test_arguments_are_not_touched():
    scores, masks = [np.array([3.0, 1.0, 2.0])], [np.array([True, True, False])]
    assert keep_highest(scores, masks, 1)[0].tolist() == [True, False, False]
    assert masks[0].tolist() == [True, True, False]
    assert scores[0].tolist() == [3.0, 1.0, 2.0]


def test_first_of_equal_scores_remain():
    ones = [np.ones((2, 2)), np.ones(3)]
    kept = keep_highest(ones, [np.ones((2, 2), bool), np.ones(3, bool)], 5)
    assert kept[0].all()
    assert kept[1].tolist() == [True, False, False]


def test_nan_of_a_survivor_is_an_error():
    scores = np.array([1.0, np.nan, 2.0])
    for count in (0, 1):
        with pytest.raises(ValueError, match="NaN"):
            keep_highest([scores], [np.array([True, True, True])], count)
    assert keep_highest([scores], [np.array([True, False, True])], 1)[0].tolist() == [0, 0, 1]


def test_more_than_survive_cannot_be_kept():
    with pytest.raises(ValueError, match=r"3 weights.*only 2"):
        keep_highest([np.ones(4)], [np.array([True, True, False, False])], 3)


@pytest.mark.parametrize("tied", [False, True])
def test_scores_are_not_gathered(tied: bool):
    """Beside the new masks, a quarter of the scores' size, only pieces are held."""
    rng = np.random.default_rng(0)
    shape = (1000, 1000)
    scores = [np.ones(shape, np.float32) if tied else rng.random(shape, np.float32)] * 6
    masks = [np.ones(shape, bool)] * 6
    tracemalloc.start()
    try:
        keep_highest(scores, masks, 4_800_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * sum(score.nbytes for score in scores)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [np.abs, np.negative])
def test_a_key_ranks_as_what_it_gives(kind: str, key: np.ufunc):
    rng = np.random.default_rng(0)
    values = [draw(kind, shape, rng) for shape in SHAPES]
    masks = [rng.random(value.shape) < 0.7 for value in values]
    expected = [key(value) for value in values]
    for count in (0, 1, 5_000, sum(int(mask.sum()) for mask in masks)):
        kept = keep_highest(values, masks, count, key)
        for own, right in zip(kept, stable_sort(expected, masks, count), strict=True):
            assert np.array_equal(own, right)


def test_scores_by_a_key_are_a_mapping_of_what_it_gives():
    scores = ScoredBy(np.abs, {"a": np.array([-1.0, 2.0]), "b": np.array([[-3.0]])})
    assert list(scores) == ["a", "b"] and len(scores) == 2
    assert {name: array.tolist() for name, array in scores.items()} == {"a": [1, 2], "b": [[3]]}


def test_a_key_takes_no_memory_for_all_scores():
    weights, masks = [np.full(1 << 22, -1.0, np.float32)], [np.ones(1 << 22, bool)]
    tracemalloc.start()
    try:
        keep_highest(weights, masks, 1 << 21, np.abs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.75 * weights[0].nbytes
