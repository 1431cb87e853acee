"""What the README says of its Python and of the configurations holds."""

import re
from pathlib import Path

import pytest

import tf_lottery

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("[ce]*/**/*.md")]
)
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHORTER = {
    r"\b(levels?)=5\b": r"\1=1",
    r"\b(epochs|epochs_per_level)=10\b": r"\1=4",
    r"\bflags = {": 'flags = {"jit_compile": "off", ',
}


@pytest.mark.parametrize("shortened", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_library_and_the_callback(tmp_path, monkeypatch, capsys, shortened):
    monkeypatch.chdir(tmp_path)
    levels = 1 if shortened else 5
    names = {}
    # As in a notebook: one after the other, with what the first has left.
    for block in BLOCKS:
        for part, shorter in SHORTER.items() if shortened else ():
            block = re.sub(part, shorter, block)
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


def test_the_readme_is_short():
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_configurations_are_in_the_readme():
    for path in (ROOT / "configs").glob("*.cfg"):
        assert f"configs/{path.name}" in README
