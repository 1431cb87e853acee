"""Adaptive pruning: the largest fraction that a known loss allows, and where it ends."""

import numpy as np
import pytest

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.adaptive import AdaptivePruner, AdaptiveRate
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import Method, find_method

SIZES = {"a": 600, "b": 400}


class Squares:
    """Evidence whose loss is a base plus the sum of squares of the weights that were pruned."""

    def __init__(self, weights, base=0.25):
        self.weights, self.base, self.masks = weights, base, []

    def loss(self, weights, mask):
        self.masks.append(mask)
        total = sum(float(np.sum(array.astype(float) ** 2)) for array in self.weights.values())
        return (
            self.base
            + total
            - sum(
                float(np.sum(array[mask[name]].astype(float) ** 2))
                for name, array in self.weights.items()
            )
        )


def drawn_weights(seed=0):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=size).astype(np.float32) for name, size in SIZES.items()}


def ones():
    return Mask({name: np.ones(size, bool) for name, size in SIZES.items()})


MAGNITUDE = find_method("magnitude")


def pruner_of(rate, method=MAGNITUDE, rates=0.2, scope="global"):
    rates = rates if isinstance(rates, dict) else dict.fromkeys(SIZES, rates)
    return AdaptivePruner(method, PruningPlan.build(SIZES, rates, scope), rate)


def largest_allowed(weights, rise):
    squares = np.sort(np.concatenate(list(weights.values())).astype(float) ** 2)
    return int(np.searchsorted(np.cumsum(squares), rise, side="right"))


@pytest.mark.parametrize("rise", [1.0, 20.0, 200.0])
def test_it_prunes_as_much_as_the_loss_allows(rise):
    weights = drawn_weights()
    pruned = pruner_of(AdaptiveRate(rise)).prune(weights, ones(), 1, Squares(weights))
    allowed, count = largest_allowed(weights, rise), 1000 - pruned.mask.remaining
    assert allowed - 1000 // 200 <= count <= allowed
    assert pruned.record["pruning_rate"] == pytest.approx(count / 1000)
    assert pruned.record["loss_before_pruning"] == pytest.approx(0.25)
    assert pruned.record["loss_after_pruning"] <= 0.25 + rise
    smallest = np.sort(np.abs(np.concatenate(list(weights.values()))))[:count]
    gone = np.concatenate([np.abs(weights[name][~pruned.mask[name]]) for name in SIZES])
    np.testing.assert_array_equal(np.sort(gone), smallest)


def test_the_rise_counts_from_the_network_as_it_was_pruned_before():
    weights = drawn_weights()
    pruner, evidence = pruner_of(AdaptiveRate(20.0)), Squares(weights)
    first = pruner.prune(weights, ones(), 1, evidence)
    second = pruner.prune(weights, first.mask, 2, evidence)
    assert second.record["loss_before_pruning"] == first.record["loss_after_pruning"]
    rise = second.record["loss_after_pruning"] - second.record["loss_before_pruning"]
    assert 0 < rise <= 20.0
    assert all(not (second.mask[name] & ~first.mask[name]).any() for name in SIZES)


@pytest.mark.parametrize(("rise", "count"), [(1e-9, 100), (1e9, 700)])
def test_rates_stay_between_least_and_most(rise, count):
    weights = drawn_weights()
    rate = AdaptiveRate(rise, least=0.1, most=0.7)
    pruned = pruner_of(rate).prune(weights, ones(), 1, Squares(weights))
    assert pruned.mask.remaining == 1000 - count
    assert pruned.record["pruning_rate"] == pytest.approx(count / 1000)


def test_a_loss_that_is_not_finite_counts_as_too_high():
    weights = drawn_weights()

    class Overflowing(Squares):
        def loss(self, weights, mask):
            return super().loss(weights, mask) if mask.remaining > 600 else float("nan")

    pruned = pruner_of(AdaptiveRate(1e9)).prune(weights, ones(), 1, Overflowing(weights))
    assert 600 < pruned.mask.remaining <= 606


def test_a_network_without_a_finite_loss_is_an_error():
    weights = drawn_weights()
    with pytest.raises(ValueError, match="before the pruning of level 3 is nan"):
        pruner_of(AdaptiveRate()).prune(weights, ones(), 3, Squares(weights, base=float("nan")))


def test_it_ends_at_the_density_exactly_and_not_before():
    weights = drawn_weights()
    rate = AdaptiveRate(30.0, density=0.123)
    pruner, evidence, mask, levels = pruner_of(rate), Squares(weights), ones(), 0
    while not pruner.ends_at(mask):
        levels += 1
        mask = pruner.prune(weights, mask, levels, evidence).mask
    assert mask.remaining == 123
    assert 1 < levels <= rate.most_levels()


def test_what_is_missing_to_the_density_after_a_pruning_is_pruned_with_it():
    weights = drawn_weights()
    allowed = largest_allowed(weights, 20.0)
    near = AdaptiveRate(20.0, density=(1000 - allowed - 8) / 1000)
    pruned = pruner_of(near).prune(weights, ones(), 1, Squares(weights))
    assert pruned.mask.remaining == 1000 - allowed - 8
    assert pruned.record["loss_after_pruning"] - 0.25 > 20.0
    far = AdaptiveRate(20.0, density=(1000 - allowed - 80) / 1000)
    pruned = pruner_of(far).prune(weights, ones(), 1, Squares(weights))
    assert pruned.mask.remaining >= 1000 - allowed


def test_it_ends_where_nothing_more_can_be_pruned():
    weights = drawn_weights()
    pruner, mask = pruner_of(AdaptiveRate(1e9), rates={"a": 0.2, "b": 0.0}), ones()
    evidence = Squares(weights)
    for level in range(1, 50):
        if pruner.ends_at(mask):
            break
        mask = pruner.prune(weights, mask, level, evidence).mask
    assert {name: int(mask[name].sum()) for name in SIZES} == {"a": 1, "b": 400}


@pytest.mark.parametrize("least", [0.05, 0.2, 0.5])
def test_as_many_levels_as_the_least_rate_takes(least):
    levels = AdaptiveRate(least=least, density=0.01).most_levels()
    assert (1 - least) ** levels <= 0.01 < (1 - least) ** (levels - 1)
    assert AdaptiveRate(least=0.5, density=0.25).most_levels() == 2
    assert AdaptiveRate().most_levels() is None


def test_a_score_is_taken_once_but_one_of_several_rounds_each_time():
    weights = drawn_weights()
    calls = []

    def score(weights, mask, evidence):
        calls.append(mask)
        return {name: np.abs(weights[name]) for name in mask}

    pruner_of(AdaptiveRate(20.0), Method(score)).prune(weights, ones(), 1, Squares(weights))
    assert len(calls) == 1
    pruned = pruner_of(AdaptiveRate(20.0), Method(score, rounds=3)).prune(
        weights, ones(), 1, Squares(weights)
    )
    assert len(calls) > 4
    once = pruner_of(AdaptiveRate(20.0)).prune(weights, ones(), 1, Squares(weights))
    assert pruned.mask == once.mask


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss_rise": 0.0}, "loss_rise=0.0: use a positive"),
        ({"loss_rise": float("nan")}, "loss_rise=nan"),
        ({"least": 0.0}, "least=0.0"),
        ({"least": 0.5, "most": 0.4}, "least=0.5: use at most most=0.4"),
        ({"most": 1.0}, "most=1.0"),
        ({"density": 1.0}, "density=1.0"),
    ],
)
def test_rates_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveRate(**arguments)


def test_defaults_are_those_of_the_flags():
    pruning, rate = ExperimentConfig().pruning, AdaptiveRate()
    assert (rate.loss_rise, rate.least, rate.most) == (
        pruning.auto_loss_rise,
        pruning.auto_least_rate,
        pruning.auto_most_rate,
    )
