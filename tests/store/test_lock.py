"""One process at a time in a folder, checked with real processes."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from tf_lottery.store import lock, swap
from tf_lottery.store.atomic import atomic_folder, write_text
from tf_lottery.store.errors import RunFolderBusyError, StorageError
from tf_lottery.store.lock import exclusive, is_held

HOLD = (
    "import sys, time; from pathlib import Path\n"
    "from tf_lottery.store.lock import exclusive\n"
    "with exclusive(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.readline()\n"
)
LOOK = (
    "import sys; from pathlib import Path\n"
    "from tf_lottery.store.lock import is_held\n"
    "print('looking', flush=True)\n"
    "while True: is_held(Path(sys.argv[1]))\n"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate(timeout=30)


def test_a_second_process_is_told_who_holds_the_folder(tmp_path, holder):
    with pytest.raises(RunFolderBusyError) as caught, exclusive(tmp_path):
        pass
    message = str(caught.value)
    assert str(tmp_path) in message
    assert f"process {holder.pid} on host {os.uname().nodename}" in message
    assert "--name" in message and "--replicate" in message


def test_the_folder_is_free_when_its_holder_ends(tmp_path, holder, names_in):
    holder.communicate("go on\n", timeout=30)
    assert holder.returncode == 0
    assert names_in(tmp_path) == [".lock"]
    with exclusive(tmp_path):
        pass


def test_the_folder_is_free_when_its_holder_is_killed(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    assert holder.wait(timeout=30) == -9
    with exclusive(tmp_path), pytest.raises(RunFolderBusyError) as caught, exclusive(tmp_path):
        pass
    assert f"process {os.getpid()} " in str(caught.value)


def test_a_second_holder_in_the_same_process_is_refused_until_the_first_is_done(tmp_path):
    with exclusive(tmp_path):
        with pytest.raises(RunFolderBusyError), exclusive(tmp_path):
            pass
        with pytest.raises(RunFolderBusyError), exclusive(tmp_path):
            pass
    with exclusive(tmp_path):
        pass


def test_an_error_in_the_block_frees_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path):
        raise ZeroDivisionError
    with exclusive(tmp_path):
        pass


def test_a_folder_without_room_for_a_byte_is_a_storage_error(tmp_path, disk_with_room_for):
    with (
        disk_with_room_for(0),
        pytest.raises(StorageError, match="--workdir"),
        exclusive(tmp_path),
    ):
        pass
    with exclusive(tmp_path):
        pass


def test_a_folder_in_the_place_of_the_lock_is_named(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(StorageError, match=r"/\.lock is a folder"), exclusive(tmp_path):
        pass


def test_a_folder_is_held_from_the_first_to_the_last_moment_of_its_holder(tmp_path, holder):
    assert is_held(tmp_path)
    assert is_held(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=30)
    assert not is_held(tmp_path)


def test_looking_whether_a_folder_is_held_makes_and_keeps_nothing(tmp_path, names_in):
    assert not is_held(tmp_path)
    assert not is_held(tmp_path / "missing")
    assert names_in(tmp_path) == []
    with exclusive(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    with exclusive(tmp_path):
        pass


def test_a_pipe_in_place_of_the_lock_does_not_block(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    assert not is_held(tmp_path)


def test_two_that_look_at_once_do_not_see_each_other(tmp_path):
    with exclusive(tmp_path):
        pass
    with (tmp_path / ".lock").open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        assert not is_held(tmp_path)


def test_looking_does_not_keep_a_process_from_starting(tmp_path):
    with exclusive(tmp_path):
        pass
    process = subprocess.Popen([sys.executable, "-c", LOOK, tmp_path], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"looking\n"
        for _ in range(100):
            with exclusive(tmp_path):
                pass
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate(timeout=30)


class TestWithoutFcntl:
    """As on Windows, where Python has no such module."""

    @pytest.fixture(autouse=True)
    def no_fcntl(self, monkeypatch):
        monkeypatch.setattr(lock, "fcntl", None)
        monkeypatch.setattr(swap, "fcntl", None)

    def test_a_held_folder_is_told(self, tmp_path, holder):
        assert is_held(tmp_path)
        holder.communicate("go on\n", timeout=30)
        assert not is_held(tmp_path)
        assert not is_held(tmp_path / "none")

    def test_files_and_folders_are_written_and_nothing_counts_as_abandoned(self, tmp_path):
        write_text(tmp_path / "file", "text")
        for text in ("one", "two"):
            with atomic_folder(tmp_path / "folder", replace=True) as folder:
                (folder / "inside").write_text(text)
        assert (tmp_path / "file").read_text() == "text"
        assert (tmp_path / "folder" / "inside").read_text() == "two"
        with swap.abandoned(tmp_path / "folder") as nobody_there:
            assert not nobody_there
