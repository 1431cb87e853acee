"""Executes the notebooks and writes what they show into them: all, or those that are named."""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).with_name("notebooks")
# Seconds for a cell.
_TIMEOUT = 600


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook as it is after it was run from top to bottom.

    Args:
      path: of the notebook.
      folder: in which it runs.

    Raises:
      CellExecutionError: if a cell fails; has its text and what it said.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=_TIMEOUT, resources=resources).execute()
    for cell in notebook.cells:
        # When it was run, and what TensorFlow logs while it starts, differ each time.
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if not _is_of_tensorflow(each)]
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def _is_of_tensorflow(output: nbformat.NotebookNode) -> bool:
    return output.get("name") == "stderr" or output.get("text", "").startswith("INFO:tensorflow")


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    for name in names:
        with tempfile.TemporaryDirectory() as work:
            notebook = executed(NOTEBOOKS / f"{name}.ipynb", Path(work))
        nbformat.write(notebook, NOTEBOOKS / f"{name}.ipynb")
