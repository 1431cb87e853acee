"""Seals over the files of a folder."""

import json
import math

import pytest

from tf_lottery.store.errors import DamagedFileError, StorageError
from tf_lottery.store.seal import read_seal, seal, verify_seal

RECORD = {"accuracy": 0.1 + 0.2, "loss": math.nan, "step": 5, "shape": [3, 4], "best": None}


@pytest.fixture
def sealed(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    (tmp_path / "b.csv").write_text("step,loss\n")
    (tmp_path / "not sealed").write_text("")
    seal(tmp_path, ["a.bin", "b.csv"], RECORD)
    return tmp_path


def test_the_record_comes_back_exactly(sealed):
    for record in (verify_seal(sealed), read_seal(sealed)["record"]):
        assert math.isnan(record["loss"])
        assert {**record, "loss": 0} == {**RECORD, "loss": 0}


def test_the_seal_states_sizes_and_hashes_that_other_tools_compute(sealed):
    files = json.loads((sealed / "seal.json").read_text())["files"]
    assert files["a.bin"] == {
        "bytes": 256,
        "sha256": "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880",
    }
    assert list(files) == ["a.bin", "b.csv"]


def test_any_change_of_a_sealed_file_is_noticed_and_named(sealed, flip_a_byte):
    (sealed / "not sealed").write_text("changed")
    verify_seal(sealed)
    flip_a_byte(sealed / "b.csv")
    with pytest.raises(DamagedFileError) as caught:
        verify_seal(sealed)
    assert f"{sealed / 'b.csv'} was changed" in str(caught.value)
    assert verify_seal(sealed, ["a.bin"])["step"] == 5


@pytest.mark.parametrize("content", [b"", b"step,los", b"step,loss\n\n"])
def test_a_sealed_file_of_another_length_is_noticed(sealed, content):
    (sealed / "b.csv").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"b\.csv"):
        verify_seal(sealed)


def test_a_missing_sealed_file_is_named(sealed):
    (sealed / "a.bin").unlink()
    with pytest.raises(DamagedFileError, match=r"a\.bin is missing"):
        verify_seal(sealed)


def test_a_file_that_was_never_sealed_cannot_be_verified(sealed):
    with pytest.raises(DamagedFileError, match="does not list not sealed"):
        verify_seal(sealed, ["not sealed"])


def test_an_edited_record_is_noticed(sealed):
    path = sealed / "seal.json"
    path.write_text(path.read_text().replace('"step": 5', '"step": 6'))
    with pytest.raises(DamagedFileError, match=r"seal\.json was changed"):
        read_seal(sealed)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"record": {}, "files": []}'])
def test_a_damaged_seal_is_an_error_rather_than_no_seal(sealed, content):
    (sealed / "seal.json").write_text(content)
    with pytest.raises(DamagedFileError, match=r"seal\.json is damaged"):
        read_seal(sealed)


def test_no_seal_is_none_to_read_and_an_error_to_verify(tmp_path):
    assert read_seal(tmp_path) is None
    with pytest.raises(DamagedFileError, match=r"level\.json is missing"):
        verify_seal(tmp_path, name="level.json")


def test_a_missing_file_cannot_be_sealed(tmp_path):
    with pytest.raises(DamagedFileError, match="gone is missing"):
        seal(tmp_path, ["gone"], {})
    assert read_seal(tmp_path) is None


def test_a_full_disk_leaves_no_seal(tmp_path, disk_with_room_for):
    with disk_with_room_for(50), pytest.raises(StorageError, match=r"seal\.json"):
        seal(tmp_path, [], {"long": "x" * 500})
    assert read_seal(tmp_path) is None
