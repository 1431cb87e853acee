"""The notebooks run from top to bottom, and show what they show here."""

import importlib.util
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.documents import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def said(notebook: dict[str, Any]) -> list[str]:
    """What the cells of a notebook print, without numbers; pictures by their kind."""
    texts = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            kinds = ",".join(sorted(output.get("data", ())))
            texts.append(kinds + re.sub(r"[\d.,-]+", "#", "".join(output.get("text", ""))))
    return texts


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_was_executed(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    assert said(notebook) != []
    assert path.stat().st_size < 200_000


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    importlib.util.find_spec("nbclient") is None or importlib.util.find_spec("ipykernel") is None,
    reason='needs pip install -e ".[notebooks]"',
)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_says_the_same(path: Path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    executed = runpy.run_path(str(ROOT / "docs" / "run_notebooks.py"))["executed"](path, tmp_path)
    assert said(executed) == said(json.loads(path.read_text()))
