import io

import pytest
from rich.console import Console

from tf_lottery.report.table import print_summary, summary_sentence, summary_table


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


def test_tiny_difference_has_no_minus_zero(make_summary):
    text = printed([make_summary(0, 0.975), make_summary(1, 0.974999)])
    assert "+0.00" in text
    assert "-0.00" not in text


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
    styles = [row.style for row in summary_table(summaries).rows]
    assert styles == [None, None, "bold", None]


def test_sentence_names_the_sparsest_matching_level(summaries):
    assert summary_sentence(summaries) == (
        "Sparsest level at least as accurate as the dense network (97.5%): level 2, 64.0% of the "
        "weights, 97.5%."
    )
    assert summary_sentence(summaries, tolerance=0.005) == (
        "Sparsest level within 0.5 points of the dense network (97.5%): level 3, 51.2% of the "
        "weights, 97.1%."
    )
    assert summary_sentence(summaries) in printed(summaries, width=120)


def test_sentence_without_a_matching_level(make_summary):
    dense, worse = make_summary(0, 0.975), make_summary(1, 0.97)
    assert summary_sentence([dense, worse]) == (
        "No pruned level is at least as accurate as the dense network (97.5%)."
    )
    assert "no level was pruned" in summary_sentence([dense])
    assert "not known" in summary_sentence([worse])
