"""One process at a time in a folder, checked with real processes."""

import os
import signal
import subprocess
import sys

import pytest

from tf_lottery.store.errors import RunFolderBusyError, StorageError
from tf_lottery.store.lock import exclusive

HOLD = (
    "import sys, time; from pathlib import Path\n"
    "from tf_lottery.store.lock import exclusive\n"
    "with exclusive(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.readline()\n"
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
