"""The Python of every document runs as it stands there, block after block, in one process."""

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import tf_keras as keras

import tf_lottery
from tests.support_table import ROWS
from tf_lottery.config.branches import BRANCHES

ROOT = Path(__file__).parent.parent
# api.md lists signatures; the README, the tutorial and the recipes have tests of their own.
DOCUMENTS = {
    str(path.relative_to(ROOT)): blocks
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("[ce]*/**/*.md")]
    if path.name not in ("api.md", "tutorial.md", "README.md", "CONTRIBUTING.md")
    and (blocks := re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
}


def _of_export() -> dict[str, Any]:
    """A run folder, and models with one and with two inputs."""
    flags = {"name": "digits_lenet", "model": "lenet_20_10", "train_steps": "45it", "levels": 1}
    tf_lottery.run_experiment(tf_lottery.config_from_values(flags))
    images, y = sklearn.datasets.load_digits(return_X_y=True)
    x = images.reshape(-1, 8, 8, 1).astype(np.float32)
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    pairs = keras.Model([left, right], keras.layers.Dense(10, name="digit")(joined))
    return {
        "tf_lottery": tf_lottery,
        "model": tf_lottery.load_ticket("runs/digits_lenet/replicate_1", level=1),
        "dense_model": tf_lottery.load_ticket("runs/digits_lenet/replicate_1", level=0),
        "x_train": x[:100],
        "y_train": y[:100],
        "x_test": x[:100],
        "y_test": y[:100],
        "y_digit": y[:100],
        "x_left": images[:100, 20:24],
        "x_right": images[:100, 24:28],
        "two_inputs": tf_lottery.prunable(pairs),
    }


# What the text before a document's first block is about.
GIVEN = {"docs/export.md": _of_export}
# Each of three exports is measured in seven formats; networks of several kinds are built; runs are
# trained.
SLOW = {"docs/export.md", "docs/experiments.md", "docs/models.md"}


def test_documents_were_found():
    assert {"docs/experiments.md", "docs/export.md", "docs/models.md"} <= set(DOCUMENTS)


def test_every_row_of_what_works_is_tested():
    page = (ROOT / "docs" / "models.md").read_text().partition('"Works" means')[0]
    rows = re.findall(r"^\| *([^|]+?) *\|(?! *\|? *masks are)(?!-)", page, re.MULTILINE)
    rows = [row for row in rows if row not in ("your model", "`fit` with")]
    beginnings = [[each for each in ROWS if row.startswith(each)] for row in rows]
    assert [each for found in beginnings for each in found] == list(ROWS), rows
    assert all(len(found) == 1 for found in beginnings), rows
    for files in ROWS.values():
        for file, cases in files.items():
            text = (ROOT / "tests" / file).read_text()
            assert [case for case in cases if case not in text] == [], file


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in sorted(DOCUMENTS)
    ],
)
def test_the_blocks_of_a_document_run_one_after_the_other(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = GIVEN.get(name, dict)()
    branches = set(BRANCHES.all())
    try:
        for block in DOCUMENTS[name]:
            exec(block, names)
    finally:
        for branch in set(BRANCHES.all()) - branches:
            BRANCHES.remove(branch)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(tf_lottery.run_experiment, marks=pytest.mark.slow),
        tf_lottery.config_from_values,
    ],
)
def test_what_is_said_of_configurations_runs(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = []
    if function is tf_lottery.config_from_values:  # The other is trained.
        monkeypatch.setattr(tf_lottery, "run_experiment", run.append)
    names = {"tf_lottery": tf_lottery}
    (block,) = re.findall(r"```python\n(.*?)```", inspect.getdoc(function), re.DOTALL)
    exec(block, names)
    assert isinstance(names["config"], tf_lottery.ExperimentConfig)
    assert run == [names["config"]] or len(names["summaries"]) == 3


def _prose(text: str) -> list[str]:
    """The lines that can be wrapped: no code, tables, headings, pictures or anchors."""
    lines = re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines()
    return [line for line in lines if not re.match(r"\s*([|#]|!?\[|<a |- \[)", line)]


def test_lines_of_documents_are_wrapped():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "configs").rglob("*.md")]
    long = [
        f"{page.relative_to(ROOT)}: {line}"
        for page in pages
        if page.name != "api.md"
        for line in _prose(page.read_text())
        if len(line) > 100
    ]
    assert long == []
