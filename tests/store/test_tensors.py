"""Arrays in TensorFlow's checkpoint format."""

import resource
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from tf_lottery.store.errors import DamagedFileError, RunFolderError, StorageError
from tf_lottery.store.tensors import has_tensor_named, load_tensors, save_tensors, tensor_files

NAN_WITH_PAYLOAD = np.array([0x7FC01234, 0x80000000, 0x00000001], np.uint32).view(np.float32)

ARRAYS = {
    "dense/kernel": np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32),
    "odd values": NAN_WITH_PAYLOAD,
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "every second": np.arange(10, dtype=np.int32)[::2],
    "float64/scalar": np.float64(1 / 3),
    "optimizer/3": np.array(2**62 + 1, np.int64),
    "mask": np.array([[True, False], [False, True]]),
    "bytes": np.arange(256, dtype=np.uint8),
    "half": np.array([0.1, 3e38, -0.0], ml_dtypes.bfloat16),
    "empty": np.zeros((0, 3), np.float32),
    "many dimensions": np.ones((1, 2, 1, 3), np.float16),
}


def same_bits(first: np.ndarray, second: np.ndarray) -> bool:
    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


def test_every_kind_of_array_comes_back_bit_for_bit(tmp_path):
    save_tensors(tmp_path / "level" / "weights", ARRAYS)

    loaded = load_tensors(tmp_path / "level" / "weights")

    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert isinstance(loaded[name], np.ndarray)
        assert same_bits(loaded[name], np.asarray(array)), name


def test_tensorflow_itself_reads_a_tensor_by_its_name(tmp_path):
    save_tensors(tmp_path / "weights", ARRAYS)
    kernel = tf.train.load_variable(str(tmp_path / "weights"), "dense/kernel")
    assert same_bits(kernel, ARRAYS["dense/kernel"])


def test_saving_again_replaces_the_files_and_leaves_no_others(tmp_path, names_in):
    prefix = tmp_path / "weights"
    save_tensors(prefix, {"a": np.ones(1000)})
    written = save_tensors(prefix, {"b": np.zeros(2)})

    assert list(load_tensors(prefix)) == ["b"]
    assert sorted(path.name for path in written) == names_in(tmp_path)
    assert names_in(tmp_path) == ["weights.data-00000-of-00001", "weights.index"]


@pytest.mark.parametrize("which", [0, 1], ids=["data", "index"])
def test_every_edited_byte_and_every_truncation_is_noticed(tmp_path, which):
    prefix = tmp_path / "weights"
    arrays = {"a": np.arange(4, dtype=np.float32), "b/c": np.int64(5)}
    save_tensors(prefix, arrays)
    file = tensor_files(prefix)[which]
    good = file.read_bytes()
    harmless = 0
    for position in range(len(good)):
        edited = bytearray(good)
        edited[position] ^= 0x41
        file.write_bytes(edited)
        try:
            loaded = load_tensors(prefix)
        except DamagedFileError as error:
            assert str(tmp_path) in str(error)
        else:
            # The index ends in unused bytes.
            assert all(same_bits(loaded[name], np.asarray(arrays[name])) for name in arrays)
            harmless += 1
        file.write_bytes(good[:position])
        with pytest.raises(DamagedFileError) as caught:
            load_tensors(prefix)
        assert str(file) in str(caught.value)
    assert harmless == 0 if which == 0 else harmless < len(good) / 2


@pytest.mark.parametrize("which", [0, 1], ids=["data", "index"])
def test_a_missing_file_is_named(tmp_path, which):
    save_tensors(tmp_path / "weights", ARRAYS)
    file = tensor_files(tmp_path / "weights")[which]
    file.unlink()
    with pytest.raises(DamagedFileError) as caught:
        load_tensors(tmp_path / "weights")
    assert f"{file} is missing" in str(caught.value)


def test_a_full_disk_is_a_storage_error_and_keeps_what_was_saved(
    tmp_path, disk_with_room_for, names_in
):
    prefix = tmp_path / "weights"
    save_tensors(prefix, {"a": np.ones(3)})

    with disk_with_room_for(10_000), pytest.raises(StorageError) as caught:
        save_tensors(prefix, {"a": np.random.default_rng(0).normal(size=100_000)})

    assert f"cannot write {prefix}: File too large. " in str(caught.value)
    assert "--workdir" in str(caught.value)
    assert same_bits(load_tensors(prefix)["a"], np.ones(3))
    assert len(names_in(tmp_path)) == 2


def test_a_path_below_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        save_tensors(tmp_path / "file" / "weights", {"a": np.ones(3)})


def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused_before_writing(tmp_path, names_in):
    with pytest.raises(RunFolderError, match=r"contains \* \[.*--workdir"):
        save_tensors(tmp_path / "run[1]*" / "weights", {"a": np.ones(3)})
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("others", [(), ("beta", "gamma")], ids=str)
def test_the_last_part_of_a_name_is_found_in_the_index(tmp_path, others):
    norms = [f"block/norm{number}" for number in ("", "_1", "_2")]
    names = {
        "plain": ["dense/bias", "dense/kernel"],
        "normalized": [
            "dense/kernel",
            *(f"{norm}/moving_{of}" for norm in norms for of in ("mean", "variance")),
            *(f"{norm}/{other}" for norm in norms for other in others),
        ],
    }
    for folder, of_folder in names.items():
        save_tensors(tmp_path / folder, {name: np.zeros(2) for name in of_folder})
    assert has_tensor_named(tmp_path / "normalized", "moving_mean")
    assert not has_tensor_named(tmp_path / "plain", "moving_mean")
    assert not has_tensor_named(tmp_path / "missing", "moving_mean")


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(ValueError, match="no tensors"):
        save_tensors(tmp_path / "weights", {})
    with pytest.raises(ValueError, match="'names' has dtype"):
        save_tensors(tmp_path / "weights", {"names": np.array(["a"])})


@pytest.mark.slow
def test_saving_and_loading_many_times_takes_no_more_memory(tmp_path):
    arrays = {f"layer_{index}/kernel": np.zeros(4000) for index in range(4)}

    def save_and_load(times: int) -> int:
        for _ in range(times):
            save_tensors(tmp_path / "weights", arrays)
            load_tensors(tmp_path / "weights")
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    before = save_and_load(30)
    grown = save_and_load(150) - before
    # One leaked copy per round would be 19 MB.
    assert grown < 6_000_000
    assert len(list(Path("/proc/self/fd").iterdir())) < 200
