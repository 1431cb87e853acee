"""Figures and the table of the same region: which there are, and values that are not finite."""

import io

import pytest
from rich.console import Console

from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.same_region import (
    COMPARISON_TEXTS,
    print_same_region,
    same_region_figures,
)
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import COMPARISONS, SAME_REGION_COLUMNS

NAMES = [f"same_region_{quantity}" for quantity in ("barrier", "agreement", "gain")]
INFINITE, NAN = float("inf"), float("nan")


def row(level: int, *kinds: str, split: str = "test", **values) -> Row:
    flags = {kind: int(kind in kinds) for kind in COMPARISONS}
    numbers = dict.fromkeys(SAME_REGION_COLUMNS, 0.5) | {"level": level, "density": 0.8**level}
    barriers = {f"{split}_error_barrier": 0.0123, f"{split}_loss_barrier": 0.1}
    return numbers | flags | {"gain": 0.004} | barriers | values


def rows(levels: int, **values) -> tuple[Row, ...]:
    first = [row(1, "pruned_from", "dense", **values), row(1, "independent", **values)]
    kinds = ("pruned_from", "dense", "independent")
    later = [row(level, kind, **values) for level in range(2, levels + 1) for kind in kinds]
    return (*first, *later)


def measured(run: str, replicate: int, levels: int, **values) -> Measurement:
    return Measurement(run, f"replicate_{replicate}", rows(levels, **values))


def test_a_run_has_three_figures_of_all_that_it_was_compared_with():
    figures = same_region_figures([measured("a", 1, 3)])
    assert [figure.name for figure in figures] == NAMES
    for figure in figures:
        for kind, text in COMPARISON_TEXTS.items():
            assert (f"{text.capitalize()}: " in figure.caption) == (kind != "noise")
        assert "bands" not in figure.caption


def test_several_runs_have_figures_of_each_comparison_and_replicates_have_bands():
    figures = same_region_figures(
        [measured(run, replicate, 3, gain=0.01 * replicate) for run in "ab" for replicate in (1, 2)]
    )
    kinds = ("pruned_from", "dense", "independent")
    assert [figure.name for figure in figures] == [f"{n}_{kind}" for n in NAMES for kind in kinds]
    of_bands = {figure.name for figure in figures if "from the least" in figure.caption}
    assert of_bands == {f"same_region_gain_{kind}" for kind in kinds}


def test_the_dense_network_is_left_out_where_it_is_always_the_one_pruned_from():
    of_dense = [Measurement("a", "replicate_1", (row(1, "pruned_from", "dense"),))]
    assert all("Dense:" not in figure.caption for figure in same_region_figures(of_dense))
    of_both = [measured("a", 1, 2)]
    assert all("Dense:" in figure.caption for figure in same_region_figures(of_both))


def test_the_dense_line_has_the_level_that_was_pruned_from_the_dense_network():
    figure = same_region_figures([measured("a", 1, 3)])[1].figure
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["pruned from", "dense", "independent run"]
    for line in figure.axes[0].lines:
        assert line.get_xdata().tolist() == pytest.approx([51.2, 64, 80])


@pytest.mark.parametrize(
    "value", [INFINITE, *(pytest.param(v, marks=pytest.mark.slow) for v in (NAN, None))]
)
@pytest.mark.usefixtures("pictures")
def test_values_that_are_not_finite_are_said_to_be_there_or_left_out(value):
    barriers = {"test_error_barrier": value, "gain": value}
    bad = (*rows(3)[:-1], row(3, "independent", **barriers))
    figures = same_region_figures([Measurement("a", "replicate_1", bad)])
    assert [figure.name for figure in figures] == NAMES
    crosses = {figure.name for figure in figures if "not finite" in figure.caption}
    assert crosses == ({NAMES[0], NAMES[2]} if value == INFINITE else set())
    only = (row(1, "pruned_from", "dense", **barriers),)
    names = [figure.name for figure in same_region_figures([Measurement("a", "r", only)])]
    assert names == (NAMES if value == INFINITE else [NAMES[1]])


def test_lines_measured_on_training_data_are_drawn():
    figures = same_region_figures([measured("a", 1, 2, split="train")])
    assert [figure.name for figure in figures] == NAMES


def test_nothing_is_drawn_of_nothing_and_something_of_a_row():
    assert same_region_figures([]) == []
    assert same_region_figures([Measurement("a", "replicate_1", ())]) == []
    one = [Measurement("a", "replicate_1", ()), Measurement("a", "replicate_2", rows(1)[:1])]
    assert [figure.name for figure in same_region_figures(one)] == NAMES


def printed(shown: list[Row]) -> str:
    file = io.StringIO()
    print_same_region(shown, "test", console=Console(file=file, width=80))
    return file.getvalue()


def test_cells_of_the_table():
    text = printed(
        [
            row(1, "pruned_from", "dense", l2=12.345, agreement=0.98765),
            row(10, "independent", test_error_barrier=INFINITE, error_overlap=None, gain=NAN),
        ]
    )
    cells = [line.split() for line in text.splitlines()]
    assert ["1", "80.0%", "pruned", "from", "1.23", "12.35", "98.8%", "50.0%", "+0.40"] in cells
    assert ["10", "10.7%", "independent", "run", "inf", "0.50", "50.0%", "-", "-"] in cells
    assert "Barriers of the test error." in text
    (line,) = (
        line for line in printed([row(2, "noise", gain=-1e-9)]).splitlines() if "other data" in line
    )
    assert line.split()[-1] == "+0.00"


def test_the_table_has_room_in_80_columns():
    text = printed([row(12, "noise", test_error_barrier=0.9, l2=1234.5, agreement=1.0)])
    (line,) = (line for line in text.splitlines() if line.split()[:1] == ["12"])
    assert "other data order" in line
    assert len(line.rstrip()) <= 80
