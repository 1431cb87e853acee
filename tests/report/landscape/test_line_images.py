"""Figures of lines on the page of a report."""

import base64
import re

import pytest

from tests.report.reported_runs import write_replicate
from tf_lottery.report.report import compare_runs

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_figures_of_analyses_are_shown_with_their_names(tmp_path):
    run = write_replicate(tmp_path / "digits" / "replicate_1", [0.9, 0.8])
    lines = run / "landscape" / "lines"
    lines.mkdir(parents=True)
    (lines / '<b>"x".png').write_bytes(PIXEL)
    # What a process was writing when it was killed.
    (lines / "y.png.tmp-0123456789ab.png").write_bytes(PIXEL)
    text = compare_runs([run]).page.read_text()
    (source,) = re.findall(r'<img alt="[^"]*" src="data:image/png;base64,([^"]*)">', text)
    assert base64.b64decode(source) == PIXEL
    assert "replicate 1: &lt;b&gt;&#34;x&#34;</h3>" in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    "settings", [",30,union,estimated,test", "__30_points__union__estimated__test"]
)
def test_titles_carry_words(tmp_path, settings):
    run = write_replicate(tmp_path / "digits" / "replicate_1", [0.9, 0.8])
    lines = run / "landscape" / "lines"
    lines.mkdir(parents=True)
    (lines / f"level_4--branches_random_mask_level_4{settings}.png").write_bytes(PIXEL)
    title = (
        "digits, replicate 1: level 4 to level 4 of random mask (30 points on a line, weights of "
        "either solution, batch statistics estimated anew, test data)"
    )
    assert f"<h3>{title}</h3>" in compare_runs([run]).page.read_text()


@pytest.mark.parametrize(
    ("stem", "title"),
    [
        (
            "level_0--level_5--branches_random_mask_level_5",
            "level 0 to level 5 to level 5 of random mask",
        ),
        ("level_0--1a2b3c4d--level_2", "level 0 to … to level 2"),
    ],
)
def test_titles_name_all_solutions(tmp_path, stem, title):
    run = write_replicate(tmp_path / "digits" / "replicate_1", [0.9, 0.8])
    lines = run / "landscape" / "lines"
    lines.mkdir(parents=True)
    (lines / f"{stem}.png").write_bytes(PIXEL)
    assert f"<h3>digits, replicate 1: {title}</h3>" in compare_runs([run]).page.read_text()


def test_a_run_without_analyses_has_no_such_section(tmp_path):
    run = write_replicate(tmp_path / "digits" / "replicate_1", [0.9, 0.8])
    assert "Landscape" not in compare_runs([run]).page.read_text()


@pytest.mark.parametrize(("count", "told"), [(20, False), (26, True)])
def test_figures_that_are_left_out_are_counted(tmp_path, count, told):
    run = write_replicate(tmp_path / "digits" / "replicate_1", [0.9, 0.8])
    lines = run / "landscape" / "lines"
    lines.mkdir(parents=True)
    for number in range(count):
        (lines / f"line_{number}.png").write_bytes(PIXEL)
    text = compare_runs([run]).page.read_text()
    assert text.count("data:image/png") == 20
    sentence = "digits, replicate 1: 20 of 26 figures of lines; the others are in landscape/lines."
    assert (sentence in text) == told
    assert ("the others are in landscape/lines" in text) == told
