"""Tables of the analyses: cells, what is missing, and how wide they are."""

import io
from itertools import combinations

import pytest
from rich.console import Console

from tf_lottery.config.matching import matching_rule
from tf_lottery.report.landscape.curvature import print_curvature
from tf_lottery.report.landscape.lines import LineRow, print_lines
from tf_lottery.report.landscape.magnitudes import print_magnitudes
from tf_lottery.report.landscape.stability import print_layers
from tf_lottery.report.landscape.successive_levels import print_successive_levels
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import DISTANCE_COLUMNS, MAGNITUDES_COLUMNS


def printed(show, *arguments, width=80) -> str:
    file = io.StringIO()
    show(*arguments, console=Console(file=file, width=width))
    return file.getvalue()


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def words(text: str) -> str:
    return " ".join(text.split())


def pairs_of(levels, barrier=0.0123) -> list[Row]:
    return [
        {
            "first_level": first,
            "second_level": second,
            "l2": 10.0 * second,
            **dict.fromkeys(("test_error_barrier", "train_error_barrier"), barrier * second),
        }
        for first, second in combinations(levels, 2)
    ]


def test_each_level_has_the_barrier_and_the_distance_to_the_one_before(make_summary):
    summaries = [make_summary(level, 0.9) for level in (0, 1, 2)]
    text = printed(
        print_successive_levels, pairs_of([0, 1, 2]), summaries, summaries[0], 0.005, "train"
    )
    assert ["0", "100%", "90.00%", "-", "-", "-", "-"] in cells(text)
    assert ["1", "80.0%", "90.00%", "+0.00", "yes", "1.23", "10.00"] in cells(text)
    assert ["2", "64.0%", "90.00%", "+0.00", "yes", "2.46", "20.00"] in cells(text)
    assert "level before" in text
    assert "Barriers of the train error.\n" in text
    assert matching_rule(0.005) in " ".join(text.split())


def test_where_levels_are_left_out_the_level_at_the_other_end_of_the_line_is_named(make_summary):
    summaries = [make_summary(level, 0.9) for level in (0, 3, 4)]
    text = printed(
        print_successive_levels, pairs_of([0, 3, 4]), summaries, summaries[0], 0.005, "test"
    )
    before = ["90.00%", "+0.00", "yes", "to", "level"]
    assert ["0", "100%", "90.00%", "-", "-", "-", "-", "-"] in cells(text)
    assert ["3", "51.2%", *before, "0", "3.69", "30.00"] in cells(text)
    assert ["4", "41.0%", *before, "3", "4.92", "40.00"] in cells(text)
    assert "level before" not in " ".join(text.split())


@pytest.mark.parametrize(
    ("accuracy", "tolerance", "expected"),
    [(0.88, 0.02, "yes"), (0.8799, 0.02, "no"), (None, 1.0, "-"), (float("nan"), 1.0, "-")],
)
def test_a_level_matches_if_it_is_not_further_below_than_the_tolerance(
    make_summary, accuracy, tolerance, expected
):
    summaries = [make_summary(0, 0.9), make_summary(1, accuracy)]
    text = printed(
        print_successive_levels, pairs_of([0, 1]), summaries, summaries[0], tolerance, "test"
    )
    (row,) = (words for words in cells(text) if words[:1] == ["1"])
    assert row[4] == expected


def test_without_the_dense_network_nothing_is_said_of_matching(make_summary):
    summaries = [make_summary(level, 0.9) for level in (1, 2)]
    text = printed(print_successive_levels, pairs_of([1, 2]), summaries, None, 0.0, "test")
    assert ["1", "80.0%", "90.00%", "-", "-", "-", "-"] in cells(text)
    assert ["2", "64.0%", "90.00%", "-", "-", "2.46", "20.00"] in cells(text)


def curvature_row(level: int, scale: float) -> dict[str, float]:
    ratios = ("predicted", "retrained", "measured")
    return {
        "level": level,
        "density": 0.8**level,
        "loss": scale,
        "trace": 1234.567 * scale,
        "largest_eigenvalue": 12.3456 * scale,
        **{f"{kind}_ratio_{order}": 0.5 for kind in ratios for order in ("magnitude", "random")},
    }


def magnitude_row(level: int, quarters: tuple[float, ...] | None) -> Row:
    share = None if quarters is None else 0.2
    numbers = (level, 0.8**level, 0.01, 0.025, 0.1, 0.2, share, *(quarters or (None,) * 4))
    return dict(zip(MAGNITUDES_COLUMNS, numbers, strict=True))


def test_cells_of_curvatures():
    text = printed(
        print_curvature, [curvature_row(1, 1.0), curvature_row(2, float("nan"))], 0.1, 500
    )
    ratios = ["50.0%"] * 6
    assert ["1", "80.0%", "1.0000", "12.35", *ratios] in cells(text)
    assert ["2", "64.0%", "nan", "nan", *ratios] in cells(text)
    assert ["level", "density", "loss", "eigenvalue", *["theory", "tuned", "as", "is"] * 2] in (
        cells(text)
    )
    assert "rises by at most 0.1." in words(text)
    assert "tuned: measured, the others being trained for up to 500 iterations" in words(text)
    row = curvature_row(1, 1.0) | dict.fromkeys(
        ("retrained_ratio_magnitude", "retrained_ratio_random"), float("nan")
    )
    text = printed(print_curvature, [row], 0.1, 0)
    assert ["1", "80.0%", "1.0000", "12.35", "50.0%", "-", "50.0%", "50.0%", "-", "50.0%"] in (
        cells(text)
    )
    assert "tuned: not measured" in words(text)
    assert "Standard errors" not in text
    errors = {"predicted_ratio_magnitude_error": 0.012, "predicted_ratio_random_error": 0.0234}
    text = printed(print_curvature, [row, row | errors], 0.1, 0)
    assert "Standard errors of the predictions: at most 2.3 points." in text


def test_cells_of_magnitudes():
    text = printed(
        print_magnitudes, [magnitude_row(1, (0.4, 0.3, 0.2, 0.1)), magnitude_row(2, None)]
    )
    assert ["1", "80.0%", "0.0100", "0.1000", "0.2000", "2.5%", "20.0%", "40.0%"] in cells(text)
    assert ["2", "64.0%", "0.0100", "0.1000", "0.2000", "2.5%", "-", "-"] in cells(text)


def line_row(first: str, second: str, splits=("test",), loss=0.5) -> LineRow:
    return LineRow((first, second), dict.fromkeys(splits, (0.0123, loss)), 12.345, 0.98765)


def test_cells_of_lines():
    text = printed(
        print_lines, [line_row("level_0", "level_1"), line_row("a", "b", loss=float("inf"))]
    )
    assert [*["level", "0", "level", "1"], "1.23", "0.5000", "12.35", "0.988"] in cells(text)
    assert ["a", "b", "1.23", "inf", "12.35", "0.988"] in cells(text)


def test_names_of_solutions_are_text_and_never_markup():
    names = ["[bold]level_0[/bold]", "branches/[red]x"]
    text = printed(print_lines, [line_row(*names)], width=120)
    assert [*names, "1.23", "0.5000", "12.35", "0.988"] in cells(text)


def test_nothing_is_cut_in_80_columns(make_summary):
    levels = range(16)
    summaries = [make_summary(level, 1.0 - 0.05 * level) for level in levels]
    long = "branches/random_reinitialization-learning_rate_0.01/level_12"
    tables = {
        "levels": printed(
            print_successive_levels, pairs_of(levels, 0.06), summaries, summaries[0], 0.0, "train"
        ),
        "curvature": printed(print_curvature, [curvature_row(10, 0.123456)] * 2, 0.1, 1000),
        "magnitudes": printed(print_magnitudes, [magnitude_row(10, (1.0, 0.0, 0.0, 0.0))] * 2),
        "lines": printed(
            print_lines, [line_row("../replicate_10/level_12", long, ("test", "train"))]
        ),
    }
    for name, text in tables.items():
        assert "…" not in text
        assert "\x1b" not in text
        lines = text.splitlines()
        assert max(map(len, lines)) <= 80, name
        assert not any(line.endswith(" ") for line in lines), name


@pytest.mark.parametrize("splits", [("test",), ("test", "train")])
def test_long_names_fit_80_columns_and_are_broken_between_words(splits):
    name = "branches/random_reinitialization-data_seed_1001-learning_rate_0.01/level_10"
    text = printed(print_lines, [line_row(name, "../replicate_2/level_4", splits)])
    assert max(map(len, text.splitlines())) <= 80
    words = ["random", "reinitialization,", "seed", "1001,", "learning", "0.01", "replicate"]
    assert set(words) | {"1.23", "0.5000", "12.35", "0.988"} <= set(text.split())


def test_names_of_kernels_stay_whole_beside_their_numbers():
    kernel = "stage_3/block_2/convolution_1/kernel"
    row = {"level": 4, "layer": 1, "rewind_step": 0, **dict.fromkeys(DISTANCE_COLUMNS, 0.5)}
    lines = printed(print_layers, [row], [kernel]).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(kernel in line and "0.500" in line for line in lines)
