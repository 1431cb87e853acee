"""Plans that end at a given density."""

import numpy as np
import pytest

from tf_lottery.pruning.model_plan import planned_levels
from tf_lottery.pruning.plan import PruningPlan


def plan_of(
    sizes: dict[str, int], rates: dict[str, float] | float, scope: str = "global"
) -> PruningPlan:
    rates = rates if isinstance(rates, dict) else dict.fromkeys(sizes, rates)
    return PruningPlan.build(sizes, rates, scope)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("density", [0.95, 0.5, 0.3, 0.05, 0.0101])
def test_a_target_density_is_met_by_the_last_of_as_few_levels_as_it_takes(
    rate: float, density: float
):
    sizes = {"a": 235_200, "b": 30_000, "c": 1_000}
    plan = plan_of(sizes, rate)
    ending, levels = plan.ending_at(density)
    assert ending.remaining(levels) == round(266_200 * density)
    assert plan.density(levels) <= density < plan.density(levels - 1)
    for level in range(levels):
        assert ending.remaining(level) == plan.remaining(level)
    ending.check(levels)


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_own_rates_end_at_the_target_density_together(scope: str):
    """All groups stop at the same part of a level, each rounding its own count."""
    sizes = {"a": 235_200, "b": 30_000, "c": 1_000, "d": 4_097}
    rates = {"a": 0.2, "b": 0.3, "c": 0.1, "d": 0.0}
    plan, total = plan_of(sizes, rates, scope), sum(sizes.values())
    for density in (0.9, 0.31, 0.02):
        ending, levels = plan.ending_at(density)
        assert ending.remaining(levels) == pytest.approx(density * total, abs=4 / 2)
        assert plan.density(levels) <= density < plan.density(levels - 1)
        parts = []
        for before, after in zip(plan.groups, ending.groups, strict=True):
            for level in range(levels):
                size = before.size
                counts = (before.schedule.remaining(size, level),) * 2
                assert counts == (counts[0], after.schedule.remaining(size, level))
            if before.schedule.pruning_rate:
                last = after.schedule.density(levels) / before.schedule.density(levels - 1)
                parts.append(np.log(last) / np.log(1 - before.schedule.pruning_rate))
            else:
                assert after.schedule.remaining(before.size, levels) == before.size
        np.testing.assert_allclose(parts, parts[0], rtol=1e-6)
        assert 0 < parts[0] < 1


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("levels", [1, 3, 12])
def test_a_density_that_a_level_has_anyhow_changes_no_count(rate: float, levels: int):
    plan = plan_of({"a": 235_205, "b": 31_000}, rate)
    ending, found = plan.ending_at((1 - rate) ** levels)
    assert found == levels
    for level in range(levels + 1):
        assert ending.remaining(level) == plan.remaining(level)


def test_half_a_weight_is_rounded_as_without_a_target():
    plan = plan_of({"a": 5}, 0.1)
    assert plan.remaining(1) == round(4.5) == plan.ending_at(0.9)[0].remaining(1)


def test_densities_that_dense_layers_keep_out_of_reach():
    plan = plan_of({"a": 600, "b": 400}, {"a": 0.5, "b": 0.0})
    for density in (0.4, 0.1):
        with pytest.raises(
            ValueError, match=rf"target_density={density}: 400 of the 1000 .* above 0\.4\."
        ):
            plan.ending_at(density)
    ending, levels = plan.ending_at(0.41)
    assert (ending.remaining(levels), levels) == (410, 6)
    with pytest.raises(ValueError, match="target_density"):
        plan_of({"a": 600}, 0.0).ending_at(0.5)


@pytest.mark.parametrize(
    ("density", "sizes", "message"),
    [
        (
            *(1e-4, {"a": 1000}),
            "--target_density=0.0001: none of the 1000 weights of a would remain at level 35, and "
            "it takes 42; use a higher density.",
        ),
        (
            *(0.01, {"a": 1000, "b": 30}),
            "--target_density=0.01: none of the 30 weights of b would remain at level 19, and it "
            "takes 21; use a higher density, or a lower pruning rate for these layers.",
        ),
        (
            *(0.99999, {"a": 1000}),
            "--target_density=0.99999: it prunes none of the 1000 weights; use a lower one.",
        ),
    ],
)
def test_densities_at_which_nothing_is_left_or_pruned(density: float, sizes, message: str):
    plan = plan_of(sizes, 0.2, "layerwise")
    with pytest.raises(ValueError) as error:
        planned_levels(plan, None, density, together=False, flag="--")
    assert str(error.value) == message
