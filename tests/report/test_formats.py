import pytest

from tf_lottery.report.formats import (
    format_accuracy,
    format_count,
    format_density,
    format_duration,
    format_levels,
    format_points,
    format_range,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (42.2, "42 s"),
        (59.6, "1 min 00 s"),
        (190, "3 min 10 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (7199, "2 h 00 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_duration_has_two_units_and_carries(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("density", "text"),
    [
        (1, "100%"),
        (0.8, "80.0%"),
        (0.8**3, "51.2%"),
        (0.8**12, "6.87%"),
        (0.8**25, "0.378%"),
        (0.99999, "100%"),
        (0.00000123, "0.000123%"),
    ],
)
def test_density_has_three_significant_digits(density, text):
    assert format_density(density) == text


def test_accuracy_and_count():
    assert format_accuracy(0.97516) == "97.52%"
    assert format_accuracy(0.97516, 1) == "97.5%"
    assert format_accuracy(None) == format_accuracy(float("nan")) == "-"
    assert format_count(25_500_000) == "25,500,000"
    assert format_count(0) == "0"
    assert format_count(None) == "-"


def test_levels_are_written_as_ranges():
    assert format_levels([3]) == "level 3"
    assert format_levels([5, 2, 0, 1]) == "levels 0-2, 5"


def test_a_range_has_one_sign():
    assert format_range(0.92, 0.9401) == "92.00 to 94.01%"


@pytest.mark.parametrize(
    ("accuracy", "tolerance", "text"),
    [
        (0.8949, None, "-0.51"),
        (0.89497, None, "-0.50"),
        (0.89497, 0.005, "-0.503"),
        (0.894997, 0.005, "-0.5003"),
        (0.895, 0.005, "-0.50"),
        (0.8951, 0.005, "-0.49"),
        (0.899993, 0.0, "-0.001"),
        (0.89503, 0.00499, "-0.497"),
        (0.9, 0.0, "+0.00"),
    ],
)
def test_points_have_the_digits_that_tell_whether_they_match(accuracy, tolerance, text):
    assert format_points(accuracy, 0.9, tolerance) == text
