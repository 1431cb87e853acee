"""The rule of matching, and how it is told."""

import math

import pytest

from tf_lottery.config.analyses import ANALYSES
from tf_lottery.config.matching import (
    DEFAULT_POINTS,
    DEFAULT_TOLERANCE,
    matches,
    matching_rule,
    tolerance_of,
)
from tf_lottery.experiments.commands import RunBranches, RunExperiments, WriteReport


@pytest.mark.parametrize(
    ("accuracy", "tolerance", "expected"),
    [
        (0.95, 0.0, True),
        (0.9, 0.0, True),
        (0.8999, 0.0, False),
        # In floats 0.9 - 0.07 is above 0.83, and 0.9 - 0.005 below 0.895.
        (0.83, 0.07, True),
        (0.895, 0.005, True),
        (0.8949, 0.005, False),
        (0.0, 1.0, True),
        (None, 1.0, False),
        (math.nan, 1.0, False),
    ],
)
def test_a_level_matches_if_it_is_not_further_below_than_the_tolerance(
    accuracy, tolerance, expected
):
    assert matches(accuracy, 0.9, tolerance) is expected


@pytest.mark.parametrize("dense", [None, math.nan])
def test_nothing_matches_a_dense_network_of_unknown_accuracy(dense):
    assert matches(0.9, dense, 1.0) is False


def test_the_rule_says_how_much_of_what_and_by_which_flag():
    assert matching_rule(DEFAULT_TOLERANCE) == (
        "A level matches if its test accuracy at the end of training is at most 0.5 points below "
        "that of the dense network of the same replicate (--matching_tolerance)."
    )
    assert matching_rule(0.0125, means=True) == (
        "A level matches if its mean test accuracy at the end of training is at most 1.25 points "
        "below the mean of the dense networks of the same replicates (--matching_tolerance)."
    )
    assert "at most 1 point below" in matching_rule(0.01)
    assert "at most 0 points below" in matching_rule(0.0)


def test_everything_that_judges_begins_with_the_same_tolerance():
    commands = (RunExperiments(()), RunBranches((), None, (), None, {}), WriteReport((), None))
    assert {command.matching_tolerance for command in commands} == {DEFAULT_POINTS}
    assert ANALYSES.find("successive_levels").defaults["matching_tolerance"] == DEFAULT_POINTS
    assert tolerance_of(DEFAULT_POINTS) == DEFAULT_TOLERANCE == 0.005


@pytest.mark.parametrize("points", [-0.1, 100.1, math.nan, math.inf])
def test_points_out_of_range_are_refused_by_the_name_of_the_flag(points):
    with pytest.raises(ValueError, match=rf"^--matching_tolerance={points} is out of range: use 0"):
        tolerance_of(points)
