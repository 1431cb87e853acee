"""A search's history shows itself: as text, in a notebook, as a figure."""

import pytest

import tf_lottery

LEVELS = [
    tf_lottery.LevelResult(0, 1.0, 1000, {"loss": 0.5, "val_accuracy": 0.9}),
    tf_lottery.LevelResult(1, 0.6, 600, {"loss": 0.4, "val_accuracy": 0.91234567}),
]


@pytest.fixture
def history() -> tf_lottery.SearchHistory:
    return tf_lottery.SearchHistory(list(LEVELS))


def test_a_level_is_a_line():
    assert str(LEVELS[1]) == ("Level 1, 0.6 of the weights (600): loss 0.4, val_accuracy 0.9123")


def test_the_text_is_a_table(history):
    lines = repr(history).splitlines()
    assert lines[0].split() == ["level", "density", "weights_remaining", "loss", "val_accuracy"]
    assert lines[2].split() == ["1", "0.6", "600", "0.4", "0.9123"]
    assert len(lines) == 3


def test_a_notebook_shows_a_table(history):
    html = history._repr_html_()
    assert html.startswith("<table") and html.count("<tr") == 3
    assert "0.9123" in html and "LevelResult" not in html


def test_without_levels():
    empty = tf_lottery.SearchHistory()
    assert repr(empty) == empty._repr_html_() == "SearchHistory without levels"
    with pytest.raises(ValueError, match="metric='val_accuracy': the levels have none"):
        empty.plot()


def test_the_figure_has_the_levels_and_the_dense_network(history):
    axes = history.plot().axes[0]
    dense, curve = axes.lines
    assert list(curve.get_xdata()) == [100, 60]
    assert list(curve.get_ydata()) == [0.9, 0.91234567]
    assert set(dense.get_ydata()) == {0.9}
    assert axes.get_ylabel() == "val_accuracy"
    assert axes.xaxis_inverted()


def test_another_metric(history):
    assert list(history.plot("loss").axes[0].lines[1].get_ydata()) == [0.5, 0.4]
    with pytest.raises(ValueError, match="metric='auc': the levels have loss, val_accuracy"):
        history.plot("auc")
