"""The CSV file that an analysis leaves in a run folder, read again."""

from operator import itemgetter
from pathlib import Path

import pytest

from tests.report.runs_on_disk import write_run
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.results_file import ResultsFile
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.sealed_table import read_sealed_table, table_seal, write_sealed_csv

ROWS = [{"level": 0, "norm": 1.5}, {"level": 1, "norm": None}]


@pytest.fixture
def results(tmp_path: Path) -> ResultsFile:
    """A file that was not written yet."""
    run = MeasuredRun(write_run(tmp_path / "replicate_1", [0.9]))
    return ResultsFile(run, "norms", ("level", "norm"), (2.0, "train"))


def test_what_was_written_is_read(results):
    assert results.read() == []
    for row in reversed(ROWS):
        results.put([row], row["level"], itemgetter("level"))
    assert results.path.parent.name == "landscape"
    assert results.read() == ROWS
    results.put([], 1, itemgetter("level"))
    results.put([{"level": 0, "norm": 2.5}] * 2, 0, itemgetter("level"))
    assert results.read() == [{"level": 0, "norm": 2.5}] * 2


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (("level", "sum"), [{"level": 0, "sum": 1.5}]),
        (("level",), [{"level": 0}]),
        (("norm", "level"), ROWS),
        (("level", "norm", "more"), ROWS),
    ],
    ids=["other", "fewer", "order", "more"],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_other_columns_are_told_and_nothing_but_the_table_is_to_be_deleted(
    results, columns, rows, sealed
):
    """The seal, if there is one, says that it is as it was written, so what wrote it was wrong."""
    write_sealed_csv(results.path, columns, rows)
    if not sealed:
        table_seal(results.path).unlink()
    assert len(read_sealed_table(results.path)) == len(rows)
    before = results.path.read_bytes()
    with pytest.raises(DamagedFileError) as error:
        results.read()
    assert error.value.path == results.path
    assert error.value.problem == (
        f"is damaged: its columns are {','.join(columns)}, not level,norm"
    )
    others = f"{table_seal(results.path).name}, and " if sealed else ""
    assert f"or delete it and {others}start the same command" in error.value.remedy
    assert results.path.read_bytes() == before
    # As it says.
    results.path.unlink()
    table_seal(results.path).unlink(missing_ok=True)
    assert results.read() == []


def test_columns_of_an_earlier_version_are_read_as_those_of_today(tmp_path):
    run = MeasuredRun(write_run(tmp_path / "replicate_1", [0.9]))
    today = ("level", "network", "l2")
    file = ResultsFile(run, "stability", today)
    write_sealed_csv(file.path, ("level", "pruned", "l2"), [{"level": 1, "pruned": 1, "l2": 2.5}])
    with pytest.raises(DamagedFileError, match="its columns are level,pruned,l2, not level,netwo"):
        file.read()
