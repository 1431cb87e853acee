"""The state of a training in progress, and sealed tensors in general."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tf_lottery.store.checkpoint import CheckpointFolder
from tf_lottery.store.errors import DamagedFileError, RunFolderError, StorageError
from tf_lottery.store.sealed_tensors import SealedTensors

# Forks after the slow import of TensorFlow, and before its first operation starts threads.
SAVE_UNTIL_KILLED = """
import itertools, os, sys, time
from pathlib import Path
import numpy as np
from tf_lottery.store.checkpoint import CheckpointFolder

def save_forever(place):
    for step in itertools.count(1):
        tensors = {"a": np.full(2000, step, np.float32), "b": np.full(9, step)}
        CheckpointFolder(place / "checkpoint").save(step, tensors, {"step": step})
        (place / "announced").write_text(str(step).zfill(9))

for trial, place in enumerate(map(Path, sys.argv[1:])):
    place.mkdir()
    child = os.fork()
    if not child:
        save_forever(place)
    while not (place / "announced").exists():
        time.sleep(0.01)
    time.sleep(0.1 + 0.0037 * trial)
    os.kill(child, 9)
    os.waitpid(child, 0)
"""


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoint")


def test_the_latest_state_comes_back_and_older_ones_go(tmp_path, folder, names_in):
    assert folder.latest() is None
    for step in (9, 10, 100):
        folder.save(step, {"a": np.full(3, step)}, {"loss": step / 3})

    step, tensors, record = folder.latest()

    assert step == 100
    assert tensors["a"].tolist() == [100, 100, 100]
    assert record == {"loss": 100 / 3}
    assert names_in(tmp_path / "checkpoint") == ["step_100"]


def test_of_two_states_the_one_with_more_steps_counts(tmp_path, folder):
    folder.save(9, {"a": np.zeros(3)}, {})
    (tmp_path / "checkpoint" / "step_9").rename(tmp_path / "aside")
    folder.save(10, {"a": np.ones(3)}, {})
    (tmp_path / "aside").rename(tmp_path / "checkpoint" / "step_9")
    assert folder.latest().step == 10


def test_saving_a_step_again_replaces_it(tmp_path, folder, names_in):
    folder.save(5, {"a": np.zeros(3)}, {})
    folder.save(5, {"a": np.ones(3)}, {})
    assert folder.latest().tensors["a"].tolist() == [1, 1, 1]
    assert names_in(tmp_path / "checkpoint") == ["step_5"]


def test_clearing_removes_all_and_may_be_repeated(tmp_path, folder, names_in):
    folder.save(5, {"a": np.zeros(3)}, {})
    folder.clear()
    folder.clear()
    assert folder.latest() is None
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["tensors.index", "tensors.data-00000-of-00001", "seal.json"])
@pytest.mark.parametrize("damage", ["edited", "truncated", "missing"])
def test_damage_is_named_and_nothing_is_loaded(tmp_path, folder, flip_a_byte, name, damage):
    folder.save(5, {"a": np.arange(100.0)}, {"loss": 0.25})
    file = tmp_path / "checkpoint" / "step_5" / name
    if damage == "edited":
        flip_a_byte(file)
    elif damage == "truncated":
        os.truncate(file, file.stat().st_size - 3)
    else:
        file.unlink()
    with pytest.raises(DamagedFileError) as caught:
        folder.latest()
    assert str(file) in str(caught.value)
    assert f"delete the folder {file.parent} " in str(caught.value)


def test_a_full_disk_keeps_the_previous_state(tmp_path, folder, disk_with_room_for, names_in):
    folder.save(5, {"a": np.zeros(3)}, {})
    with disk_with_room_for(10_000), pytest.raises(StorageError) as caught:
        folder.save(6, {"a": np.random.default_rng(0).normal(size=50_000)}, {})
    assert f"cannot write {tmp_path / 'checkpoint' / 'step_6'}: File too large" in str(caught.value)
    assert folder.latest().step == 5
    assert names_in(tmp_path / "checkpoint") == ["step_5"]


def test_sealed_tensors_are_written_once(tmp_path):
    rewind = SealedTensors(tmp_path / "rewind")
    assert not rewind.exists()
    rewind.save({"a": np.ones(2)}, {"step": 3})
    assert rewind.exists()
    with pytest.raises(RunFolderError, match="exists already"):
        rewind.save({"a": np.zeros(2)}, {"step": 4})
    tensors, record = rewind.load()
    assert tensors["a"].tolist() == [1, 1]
    assert record == {"step": 3}


@pytest.mark.slow
def test_killed_at_any_moment_the_latest_state_is_whole(tmp_path):
    places = [tmp_path / f"trial_{trial}" for trial in range(5)]
    subprocess.run([sys.executable, "-c", SAVE_UNTIL_KILLED, *places], timeout=90, check=True)

    for place in places:
        step, tensors, record = CheckpointFolder(place / "checkpoint").latest()
        # The file of announcements is not atomic: it may be empty.
        announced = int((place / "announced").read_text() or step)
        assert step in (announced, announced + 1)
        assert step >= 1
        assert np.array_equal(tensors["a"], np.full(2000, step, np.float32))
        assert np.array_equal(tensors["b"], np.full(9, step))
        assert record == {"step": step}
