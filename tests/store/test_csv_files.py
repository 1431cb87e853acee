"""Tables of numbers as CSV."""

import math

import numpy as np
import pytest

from tf_lottery.store.csv_files import MetricsLog, read_csv, read_table, table_text, write_csv
from tf_lottery.store.errors import DamagedFileError

COLUMNS = ("step", "loss", "accuracy")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "level_0" / "metrics.csv"


@pytest.fixture
def written(path):
    log = MetricsLog(path, COLUMNS)
    for step in (0, 10, 20, 30):
        log.append({"step": step, "loss": 1 / (step + 3), "accuracy": None})
    log.write()
    return path


def test_a_person_can_read_the_file(path):
    log = MetricsLog(path, COLUMNS)
    log.append({"step": 0, "loss": 0.5})
    log.append({"accuracy": 1.0, "step": 7, "loss": math.nan})
    log.write()
    assert path.read_text() == "step,loss,accuracy\n0,0.5,\n7,nan,1.0\n"


def test_numbers_come_back_exactly_with_their_types(path):
    values = [1 / 3, 5e-324, -0.0, math.inf, -math.inf, 3, None, 1.0, -(2**63), math.nan, 1e22]
    write_csv(path, COLUMNS, ({"step": i, "loss": value} for i, value in enumerate(values)))
    read = [row["loss"] for row in read_csv(path, COLUMNS)]
    assert list(map(repr, read)) == list(map(repr, values))


def test_numpy_numbers_become_the_numbers_that_are_read_back(path):
    log = MetricsLog(path, COLUMNS)
    log.append({"step": np.int64(3), "loss": np.float32(0.1), "accuracy": np.float64(0.1)})
    log.write()
    assert log.rows == [{"step": 3, "loss": 0.10000000149011612, "accuracy": 0.1}]
    assert MetricsLog.load(path, COLUMNS).rows == log.rows
    assert "np." not in path.read_text()


def test_a_continued_log_ends_with_the_same_bytes(written):
    uninterrupted = written.read_bytes()

    log = MetricsLog.load(written, COLUMNS, up_to_step=10)
    assert [row["step"] for row in log.rows] == [0, 10]
    for step in (20, 30):
        log.append({"step": step, "loss": 1 / (step + 3), "accuracy": None})
    log.write()

    assert written.read_bytes() == uninterrupted


def test_rows_after_the_step_may_be_malformed_but_no_others(written):
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join([*lines[:4], "30,rubbish,\n"]))
    assert len(MetricsLog.load(written, COLUMNS, up_to_step=20).rows) == 3
    with pytest.raises(DamagedFileError) as caught:
        MetricsLog.load(written, COLUMNS, up_to_step=30)
    assert f"{written} is damaged: line 5:" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "ends in the middle"),
        ("step,loss,accuracy\n0,0.5,0.", "ends in the middle"),
        ("step,loss\n0,0.5\n", "line 1 is step,loss, not step,loss,accuracy"),
        ("\n", "line 1"),
        ("step,loss,accuracy\n0,1\n", "line 2 has 2 cells, not 3"),
        ("step,loss,accuracy\n0,1,2\n0,1,2,3\n", "line 3 has 4 cells"),
        ("step,loss,accuracy\n0,1,high\n", "line 2"),
        ("step,loss,accuracy\nx,1,2\n", "line 2 has no step"),
        ("step,loss,accuracy\n1.5,1,2\n", "line 2 has no step"),
        ("step,loss,accuracy\n\n", "line 2 has no step"),
        ('step,loss,accuracy\n0,"1,2\n', "line 2 is not CSV"),
    ],
)
def test_a_malformed_table_is_a_damaged_file(tmp_path, text, problem):
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(DamagedFileError, match=problem):
        MetricsLog.load(path, COLUMNS)


def test_a_table_is_read_whatever_its_columns(path):
    rows = [{"level": 0, "density": 1.0, "barrier": math.inf}, {"level": 1, "density": None}]
    write_csv(path, ("level", "density", "barrier"), rows)
    assert read_table(path) == [rows[0], {**rows[1], "barrier": None}]
    write_csv(path, ("level",), [])
    assert read_table(path) == []


def test_a_column_of_texts_comes_back_as_texts(path):
    columns, texts = ("level", "optimizer"), ["optimizer"]
    rows = [{"level": 2, "optimizer": "sgd"}, {"level": 0, "optimizer": 'a, "b"'}]
    rows += [{"level": 1, "optimizer": "1"}, {"level": 3, "optimizer": "nan"}]
    write_csv(path, columns, rows, texts)
    assert path.read_text().startswith("level,optimizer\n2,sgd\n0,")
    assert read_csv(path, columns, texts=texts) == read_table(path, texts) == rows
    for value in (None, 1, "", "two\nlines"):
        with pytest.raises(ValueError, match=r"'optimizer': .* is not a text of one line"):
            write_csv(path, columns, [{"level": 2, "optimizer": value}], texts)
    undeclared = "'optimizer': 'sgd' is not a number, and the column is not declared as one of te"
    with pytest.raises(ValueError, match=undeclared):
        write_csv(path, columns, rows)
    with pytest.raises(DamagedFileError, match="line 2"):
        read_table(path)


@pytest.mark.parametrize("cell", ["", "d\x00nse"])
def test_a_text_that_was_damaged_is_told_by_its_line(path, cell):
    write_csv(path, ("network", "level"), [{"network": "dense", "level": 0}] * 2, ["network"])
    path.write_text(path.read_text()[: -len("dense,0\n")] + f"{cell},0\n")
    with pytest.raises(DamagedFileError, match=r"is damaged: line 3: .* is not a text of one line"):
        read_table(path, ["network"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a,b\n0,0.",
        "a,b\n0\n",
        "a,b\n0,high\n",
        "a,a\n0,1\n",
        'a,"b\n0,1\n',
        f"{'a' * 200_000}\n1\n",
    ],
)
def test_a_table_that_is_malformed_is_a_damaged_file(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DamagedFileError, match=str(path)):
        read_table(path)


def test_a_table_that_is_missing_or_no_text_is_a_damaged_file(tmp_path):
    with pytest.raises(DamagedFileError, match="is missing"):
        read_table(tmp_path / "table.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe,\n1,2\n")
    (tmp_path / "folder.csv").mkdir()
    for name in ("bytes", "folder"):
        with pytest.raises(DamagedFileError, match=f"{name}.csv"):
            read_table(tmp_path / f"{name}.csv")


def test_a_missing_file_is_an_error_once_training_has_begun(path):
    assert MetricsLog.load(path, COLUMNS).rows == []
    assert MetricsLog.load(path, COLUMNS, up_to_step=0).rows == []
    with pytest.raises(DamagedFileError, match=r"metrics\.csv is missing"):
        MetricsLog.load(path, COLUMNS, up_to_step=1)
    with pytest.raises(DamagedFileError, match=r"metrics\.csv is missing"):
        read_csv(path, COLUMNS)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"loss": 1.0}, "step must be an int"),
        ({"step": 1.0}, "step must be an int"),
        ({"step": 1, "los": 1.0}, "unknown columns.*los"),
        ({"step": 1, "loss": "low"}, "'loss': 'low' is not a number"),
        ({"step": 1, "loss": True}, "'loss': True is not a number"),
    ],
)
def test_rows_that_cannot_be_written_are_refused(path, row, problem):
    log = MetricsLog(path, COLUMNS)
    with pytest.raises(ValueError, match=problem):
        log.append(row)
    assert log.rows == []


def test_the_rows_cannot_be_changed_from_outside(path):
    log = MetricsLog(path, COLUMNS)
    log.append({"step": 1})
    log.rows[0]["step"] = 2
    assert log.rows[0]["step"] == 1


def test_the_first_column_is_the_step(path):
    with pytest.raises(ValueError, match='"step"'):
        MetricsLog(path, ("level", "step"))


def test_any_table_is_text_with_all_digits_and_empty_cells():
    rows = [{"a": 1 / 3, "b": 'x, "y"'}, {"b": None}, {"a": float("inf")}]
    assert table_text(("a", "b"), rows) == 'a,b\n0.3333333333333333,"x, ""y"""\n,\ninf,\n'
    with pytest.raises(ValueError, match="c"):
        table_text(("a",), [{"c": 1}])
