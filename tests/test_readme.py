"""What the README says of its Python and of the configurations holds."""

import pytest

import tf_lottery
from tests.documents import DOCUMENTS, ROOT, readme_with

README = DOCUMENTS["README.md"]


@pytest.mark.parametrize(
    ("levels", "epochs"), [(1, 4), pytest.param(5, 10, marks=pytest.mark.slow)]
)
def test_the_library_and_the_callback(tmp_path, monkeypatch, capsys, levels, epochs):
    monkeypatch.chdir(tmp_path)
    names = {}
    # As in a notebook: one after the other, with what the first has left.
    for block in readme_with(levels, epochs):
        exec(block, names)
    results = names["history"].levels
    assert [result.level for result in results] == list(range(levels + 1))
    assert results[-1].weights_remaining == round(22_200 * 0.6**levels)
    assert results[-1].metrics["val_accuracy"] > 0.85
    assert "weights_remaining" in capsys.readouterr().out
    assert (tmp_path / "ticket" / "saved_model.pb").exists()
    assert (tmp_path / "runs" / "own" / "replicate_1" / "level_2" / "level.json").exists()
    assert [result.level for result in names["imp"].history.levels] == list(range(levels + 1))
    assert tf_lottery.get_mask(names["model"]).remaining == round(22_200 * 0.6**levels)


def test_the_search_with_a_folder_can_be_run_again_in_a_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    block = readme_with(1, epochs=2)[0].replace(
        'rewind_step="1ep"', 'rewind_step="1ep", folder="search"'
    )
    names = {}
    exec(block, names)
    first = str(names["history"])
    exec(block, names)
    assert str(names["history"]) == first
    assert "All levels of this search are finished" in capsys.readouterr().out


def test_the_readme_is_short():
    assert len(README.splitlines()) < 200


def test_configurations_are_in_the_readme():
    for path in (ROOT / "configs").glob("*.cfg"):
        assert f"configs/{path.name}" in README
