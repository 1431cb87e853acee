"""Tables with a seal beside them."""

import hashlib
from threading import Thread

import pytest

from tf_lottery.store import sealed_table
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.sealed_table import (
    check_table,
    finish_seal,
    read_sealed_table,
    table_seal,
    write_sealed_csv,
)


def test_a_table_that_was_never_written_is_not_missing(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    with monkeypatch.context() as patch:

        def killed(*_):
            raise KeyboardInterrupt

        real = sealed_table.write_text
        patch.setattr(
            sealed_table,
            "write_text",
            lambda place, text: killed() if place == path else real(place, text),
        )
        with pytest.raises(KeyboardInterrupt):
            write_sealed_csv(path, ["a"], [{"a": 1}])
    assert table_seal(path).exists()
    assert check_table(path)
    write_sealed_csv(path, ["a"], [{"a": 1}])
    assert check_table(path)
    path.unlink()
    with pytest.raises(DamagedFileError, match=r"table\.csv is missing"):
        check_table(path)
    table_seal(path).unlink()
    assert not check_table(path)


def test_of_a_seal_that_is_a_folder_no_other_is_to_be_deleted(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a\n1\n")
    table_seal(path).mkdir()
    with pytest.raises(DamagedFileError) as error:
        check_table(path)
    assert error.value.path == table_seal(path)
    assert "delete it and table.csv" in error.value.remedy


@pytest.mark.parametrize("sealed", [True, False])
def test_of_what_is_no_table_nothing_but_it_is_to_be_deleted(tmp_path, sealed):
    path = tmp_path / "table.csv"
    write_sealed_csv(path, ["a", "b"], [{"a": 1, "b": 2}])
    path.write_text("a,b\n1\n")
    if sealed:
        table_seal(path).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  table.csv\n")
    else:
        table_seal(path).unlink()
    with pytest.raises(DamagedFileError, match=rf"^{path} is damaged") as error:
        read_sealed_table(path)
    seal = "table.csv.sha256, and " if sealed else ""
    assert f"or delete it and {seal}start the same command" in str(error.value)
    assert f"folder {tmp_path}" not in str(error.value)


@pytest.mark.parametrize(
    ("header", "line"),
    [("a,a", "1,2"), ("a,b", "1,2,3"), ("", "")],
)
def test_columns_that_no_table_has_are_damage_that_only_the_table_is_deleted_for(
    tmp_path, header, line
):
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n{line}\n")
    table_seal(path).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  table.csv\n")
    with pytest.raises(DamagedFileError, match=rf"^{path} is damaged") as error:
        read_sealed_table(path)
    assert error.value.path == path
    assert "or delete it and table.csv.sha256, and start the same" in error.value.remedy


def test_a_seal_that_was_not_finished_is_finished(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_sealed_csv(path, ["a"], [{"a": 1}])
    once = table_seal(path).read_text()
    with monkeypatch.context() as patch:
        seals = iter([sealed_table._write_seal])
        patch.setattr(sealed_table, "_write_seal", lambda *given: next(seals, print)(*given))
        write_sealed_csv(path, ["a"], [{"a": 1}])
    left = table_seal(path).with_name(f"{table_seal(path).name}.tmp-0123456789ab.sha256")
    left.write_text("half")
    assert check_table(path)
    assert len(table_seal(path).read_text().splitlines()) == 2
    finish_seal(path)
    assert table_seal(path).read_text() == once
    assert not left.exists()
    # Where nothing is left to do, nothing is written.
    monkeypatch.setattr(sealed_table, "write_text", None)
    finish_seal(path)
    finish_seal(tmp_path / "none.csv")


def test_two_that_write_a_table_at_once_leave_it_sealed(tmp_path, monkeypatch):
    path, real = tmp_path / "table.csv", sealed_table.write_text
    other = Thread(target=write_sealed_csv, args=(path, ["a"], [{"a": 2}]))

    def begin_other(place, text):
        real(place, text)
        if place == path and other.ident is None:
            other.start()
            other.join(0.3)

    monkeypatch.setattr(sealed_table, "write_text", begin_other)
    write_sealed_csv(path, ["a"], [{"a": 1}])
    other.join()
    assert read_sealed_table(path) == [{"a": 2}]


def test_a_table_that_is_written_while_it_is_read_is_not_called_edited(tmp_path, monkeypatch):
    path, real = tmp_path / "table.csv", sealed_table.read_text
    write_sealed_csv(path, ["a"], [{"a": 1}])
    more = [[{"a": 2}], [{"a": 3}]]

    def write_meanwhile(place):
        text = real(place)
        if more:
            write_sealed_csv(path, ["a"], more.pop())
        return text

    monkeypatch.setattr(sealed_table, "read_text", write_meanwhile)
    assert check_table(path)
    assert more == []
