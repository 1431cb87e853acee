import io

import pytest
from rich.console import Console

from tf_lottery.config.matching import matching_rule
from tf_lottery.report.landscape.successive_levels import print_successive_levels
from tf_lottery.report.summary_table import (
    print_branch,
    print_summary,
    summary_sentences,
    summary_table,
)
from tf_lottery.store.empty_layers import CONSEQUENCE


def printed(summaries, width=80, **options):
    file = io.StringIO()
    print_summary(summaries, Console(file=file, width=width), **options)
    return file.getvalue()


@pytest.fixture
def summaries(make_summary):
    accuracies = [0.975, 0.9781, 0.975, 0.9712]
    return [
        make_summary(level, accuracy, early_stop_step=3400, early_stop_test_accuracy=0.9701)
        for level, accuracy in enumerate(accuracies)
    ]


def test_cells(summaries):
    rows = [line.split() for line in printed(summaries).splitlines()]
    assert ["0", "100%", "266,200", "97.50%", "3,400", "97.01%", "-", "12.5"] in rows
    assert ["1", "80.0%", "212,960", "97.81%", "3,400", "97.01%", "+0.31", "12.5"] in rows
    assert ["2", "64.0%", "170,368", "97.50%", "3,400", "97.01%", "+0.00", "12.5"] in rows
    assert ["3", "51.2%", "136,294", "97.12%", "3,400", "97.01%", "-0.38", "12.5"] in rows


@pytest.mark.parametrize(("width", "counts"), [(90, []), (91, ["4", "3"])])
def test_multiply_adds_have_a_column_where_there_is_room(width, counts, make_summary):
    levels = [make_summary(level, 0.9, multiply_adds=4 - level) for level in range(2)]
    lines = printed(levels, width=width).splitlines()
    rows = [row for row in map(str.split, lines) if row[1:2] in (["100%"], ["80.0%"])]
    assert [row[3] for row in rows] == (counts or ["90.00%", "90.00%"])
    assert max(map(len, lines)) <= width


def test_tiny_difference_has_no_minus_zero(make_summary):
    text = printed([make_summary(0, 0.975), make_summary(1, 0.974999)])
    assert "+0.00" in text
    assert "-0.00" not in text


FOOTNOTES = [
    "",
    "* level 1: no weight remains in conv_3.",
    "* levels 2-3, 5: no weight remains in conv_3, [b]x[/b].",
    CONSEQUENCE,
]


@pytest.fixture
def emptied(make_summary):
    """Levels of which some have layers without weights."""
    layers = [(), ("conv_3",), *[("conv_3", "[b]x[/b]")] * 2, (), ("conv_3", "[b]x[/b]")]
    return [make_summary(level, 0.9, empty_layers=names) for level, names in enumerate(layers)]


def test_levels_at_which_a_layer_has_no_weight_left_are_marked(emptied):
    for lines in (
        printed(emptied, width=200).splitlines(),
        printed_branch(emptied, emptied, None),
        printed_levels(emptied),
    ):
        levels = [line.split()[0] for line in lines if "90.00%" in line and "%  " in line]
        assert levels == ["0", "*1", "*2", "*3", "4", "*5"]
        start = lines.index(FOOTNOTES[1]) - 1
        assert lines[start : start + 4] == FOOTNOTES


def test_nothing_is_marked_where_all_layers_have_weights(summaries):
    for lines in (
        printed(summaries).splitlines(),
        printed_branch(summaries, summaries, 0.005),
        printed_levels(summaries),
    ):
        text = " ".join(lines)
        assert "*" not in text
        assert "no weight" not in text
        assert "missing weights" not in text


def test_a_mark_takes_no_room_that_there_is_not(make_summary):
    wide = {"weights_remaining": 999_999_999, "early_stop_step": 1_234_567, "seconds": 123456.7}
    summaries = [
        make_summary(level, 1.0, empty_layers=("a",), early_stop_test_accuracy=1.0, **wide)
        for level in range(100)
    ]
    lines = printed(summaries).splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.endswith("123,457")]) == 100


def printed_levels(summaries):
    file = io.StringIO()
    console = Console(file=file, width=200)
    print_successive_levels([], summaries, summaries[0], 0.005, "test", console)
    return file.getvalue().splitlines()


def test_missing_values_are_dashes(make_summary):
    rows = [line.split() for line in printed([make_summary(1, None)]).splitlines()]
    assert ["1", "80.0%", "212,960", "-", "-", "-", "-", "12.5"] in rows


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_or_coloured_and_every_row_is_one_line(make_summary, width):
    summaries = [
        make_summary(
            level,
            1.0 - level * 0.05,
            weights_remaining=round(999_999_999 * 0.8**level),
            early_stop_step=1_234_567,
            early_stop_test_accuracy=1.0,
            seconds=123456.7,
        )
        for level in range(16)
    ]
    text = printed(summaries, width)
    lines = text.splitlines()
    assert "…" not in text
    assert "\x1b" not in text
    assert max(map(len, lines)) <= width
    assert "999,999,999" in text
    assert len([line for line in lines if line.endswith("123,457")]) == 16


def test_narrow_console_folds_instead_of_cutting(summaries):
    assert "…" not in printed(summaries, width=40)


def test_matching_row_is_bold(summaries):
    for tolerance, bold in ((0.0, 2), (0.005, 3)):
        styles = [row.style for row in summary_table(summaries, tolerance).rows]
        assert [style == "bold" for style in styles] == [level == bold for level in range(4)]


def test_sentences_name_the_matching_levels_and_the_rule(summaries):
    assert summary_sentences(summaries) == [
        "Sparsest level that matches the dense network (97.50%): level 3, 51.2% of the weights, "
        "97.12%. Matching levels: 1-3.",
        matching_rule(0.005),
    ]
    assert summary_sentences(summaries, 0.0) == [
        "Sparsest level that matches the dense network (97.50%): level 2, 64.0% of the weights, "
        "97.50%. Matching levels: 1-2.",
        matching_rule(0.0),
    ]
    for tolerance in (0.0, 0.005):
        lines = printed(summaries, width=200, tolerance=tolerance).splitlines()
        assert lines[-2:] == summary_sentences(summaries, tolerance)


def test_sentences_without_a_matching_level(make_summary):
    dense, worse = make_summary(0, 0.975), make_summary(1, 0.96)
    assert summary_sentences([dense, worse]) == [
        "No pruned level matches the dense network (97.50%).",
        matching_rule(0.005),
    ]
    assert "no level was pruned" in summary_sentences([dense])[0]
    assert "not known" in summary_sentences([worse])[0]


def test_multiply_adds_are_told_in_a_sentence(make_summary):
    rows = [make_summary(0, 0.9, multiply_adds=50_200), make_summary(1, 0.9, multiply_adds=25_700)]
    assert summary_sentences(rows)[-1] == (
        "Per example, the dense network does 50.2\xa0k multiply-adds, level 1 with its weights "
        "25.7\xa0k."
    )
    for width in range(70, 90):
        text = printed(rows, width=width)
        assert "50.2 k" in text and "25.7 k" in text and "\xa0" not in text
        assert not any(line.endswith(" ") for line in text.splitlines())


def test_points_at_the_edge_do_not_contradict_what_matches(make_summary):
    levels = [make_summary(0, 0.9), make_summary(1, 0.89497), make_summary(2, 0.895)]
    assert [row.split()[-2] for row in printed(levels).splitlines()[5:7]] == ["-0.503", "-0.50"]
    branch = printed_branch(levels[1:], levels, 0.005)
    assert [row.split()[-1] for row in branch if row.split()[:1] in (["1"], ["2"])] == [
        "-0.503",
        "-0.50",
    ]
    edge = [make_summary(0, 0.900051), make_summary(1, 0.896745)]
    sentence = summary_sentences(edge, 0.00333)[0]
    assert "(90.005%): level 1, 80.0% of the weights, 89.674%." in sentence


def printed_branch(summaries, tickets, tolerance, width=200):
    file = io.StringIO()
    print_branch("random_mask", summaries, tickets, tolerance, Console(file=file, width=width))
    return file.getvalue().splitlines()


def test_a_branch_is_compared_with_its_ticket_and_with_the_dense_network(make_summary, summaries):
    branch = [make_summary(1, 0.9681), make_summary(2, 0.971), make_summary(3, None)]
    lines = printed_branch(branch, summaries, 0.005)
    cells = [line.split() for line in lines]
    assert ["1", "80.0%", "212,960", "96.81%", "97.81%", "-1.00", "-0.69"] in cells
    assert ["2", "64.0%", "170,368", "97.10%", "97.50%", "-0.40", "-0.40"] in cells
    assert ["3", "51.2%", "136,294", "-", "97.12%", "-", "-"] in cells
    assert lines[-2:] == [
        "Sparsest level that matches the dense network (97.50%): level 2, 64.0% of the weights, "
        "97.10%. Matching levels: 2.",
        matching_rule(0.005),
    ]
    sentence = printed_branch(branch, summaries, 0.0)[-2]
    assert sentence.startswith("No pruned level matches")
    assert sentence.endswith(" This branch has levels 1-3.")


def test_a_branch_of_an_analysis_or_of_the_dense_network_says_nothing_of_matching(
    make_summary, summaries
):
    for lines in (
        printed_branch([make_summary(1, 0.9)], summaries, None),
        printed_branch([make_summary(0, 0.9)], summaries, 0.005),
        printed_branch([make_summary(1, 0.9)], summaries[1:], 0.005),
    ):
        assert "match" not in " ".join(lines)


def test_the_table_of_a_branch_fits_into_80_columns(make_summary):
    levels = [make_summary(level, 1.0, weights_remaining=999_999_999) for level in (0, 10)]
    lines = printed_branch(levels, levels, 0.005, width=80)
    assert any(line.endswith("+0.00") and "999,999,999" in line for line in lines)
