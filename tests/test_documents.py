"""The Python of every document runs as it stands there, block after block, in one process."""

import functools
import inspect
import re

import pytest

import tf_lottery
from tests.command_line import run_command_of
from tests.documents import DOCUMENTS, ROOT, links_of, python_in, reading_order, readme_with
from tests.registries import forget_what_was_added
from tests.support_table import ROWS

# The README, the tutorial and the recipes have tests of their own.
_ALONE = {
    name
    for name in DOCUMENTS
    if python_in(name) and name not in ("README.md", "docs/tutorial.md", "CONTRIBUTING.md")
}
# Three exports in seven formats; networks of several kinds are built; runs are trained.
SLOW = {"docs/export.md", "docs/experiments.md", "docs/models.md"}


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """The names of a notebook in an empty folder; what its cells register is forgotten."""
    monkeypatch.chdir(tmp_path)
    # Half a minute for each file; there are tests of that.
    monkeypatch.setattr(tf_lottery, "export", functools.partial(tf_lottery.export, measure=False))
    yield {"__name__": "__main__"}
    forget_what_was_added()


def _command_before(name: str) -> None:
    """What is typed in a terminal before a document's Python, which finds the run folder."""
    if name == "docs/export.md":
        run_command_of(f"--flagfile={ROOT}/configs/digits_lenet.cfg", "--train_steps=100it")


def test_documents_were_found():
    assert {"docs/experiments.md", "docs/export.md", "docs/models.md"} <= _ALONE
    assert set(reading_order()) == set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    for target in links_of(name):
        assert (ROOT / name).parent.joinpath(target).exists(), target


def test_the_list_of_documents_has_all_of_them():
    listed = {(ROOT / "docs" / target).resolve() for target in links_of("docs/README.md")}
    assert set((ROOT / "docs").glob("*.md")) - listed == {ROOT / "docs" / "README.md"}


def test_every_row_of_what_works_is_tested():
    page = DOCUMENTS["docs/models.md"].partition('"Works" means')[0]
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
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in sorted(_ALONE)],
)
def test_the_blocks_of_a_document_run_one_after_the_other(name, notebook):
    _command_before(name)
    for block in python_in(name):
        exec(block, notebook)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_blocks_of_all_documents_run_in_one_notebook(notebook):
    for name in reading_order():
        _command_before(name)
        for block in readme_with(levels=2) if name == "README.md" else python_in(name):
            exec(block, notebook)


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
    long = [
        f"{name}: {line}"
        for name, text in DOCUMENTS.items()
        if name != "docs/api.md"
        for line in _prose(text)
        if len(line) > 100
    ]
    assert long == []
