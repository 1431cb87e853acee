"""Files that appear whole or not at all."""

import errno
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tf_lottery.store.atomic import (
    atomic_folder,
    atomic_path,
    put_back,
    read_json,
    remove_abandoned,
    remove_folder,
    remove_leftovers,
    write_json,
    write_text,
)
from tf_lottery.store.errors import DamagedFileError, StorageError, as_storage_error


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path, names_in):
    path = tmp_path / "table.csv"
    write_text(path, "old\n")

    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt

    assert path.read_text() == "old\n"
    assert names_in(tmp_path) == ["table.csv"]


def test_the_final_name_shows_the_old_content_until_the_writer_is_done(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("x")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.name.startswith("table.csv.tmp-")
        assert temporary.suffix == ".csv"
    assert path.read_text() == "x"


def test_a_full_disk_is_a_storage_error_and_keeps_the_old_file(
    tmp_path, disk_with_room_for, names_in
):
    path = tmp_path / "table.csv"
    write_text(path, "old\n")

    with disk_with_room_for(1000), pytest.raises(StorageError) as caught:
        write_text(path, "n" * 5000)

    assert str(path) in str(caught.value)
    assert "File too large" in str(caught.value)
    assert "--workdir" in str(caught.value)
    assert path.read_text() == "old\n"
    assert names_in(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("parent", ["file", "file/deeper"])
def test_a_path_below_a_file_is_a_storage_error(tmp_path, parent):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"--workdir"):
        write_text(tmp_path / parent / "table.csv", "x")


def test_a_link_that_leads_nowhere_is_named_with_where_it_points(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for path in (tmp_path / "link" / "run" / "table.csv", tmp_path / "link" / "table.csv"):
        with pytest.raises(StorageError, match=r"/link is a link to .*/gone, which is not there"):
            write_text(path, "x")
    assert not (tmp_path / "gone").exists()


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "table.csv").mkdir()
    with (
        pytest.raises(StorageError, match=r"write .*: /.*/table\.csv is a folder"),
        as_storage_error(tmp_path),
    ):
        write_text(tmp_path / "table.csv", "x")


def test_a_system_folder_that_refuses_files_is_a_storage_error():
    with pytest.raises(StorageError, match=r"/proc/tf_lottery_table\.csv"):
        write_text(Path("/proc/tf_lottery_table.csv"), "x")


def test_json_keeps_floats_exact_and_nan(tmp_path):
    value = {"b": [0.1, 1 / 3, 5e-324, -0.0, 1.7976931348623157e308], "a": {"n": math.nan, "k": 3}}
    write_json(tmp_path / "v.json", value)

    read = read_json(tmp_path / "v.json")

    assert list(map(repr, read["b"])) == list(map(repr, value["b"]))
    assert math.isnan(read["a"]["n"])
    assert list(read) == ["b", "a"]
    assert (tmp_path / "v.json").read_text().endswith("}\n")


@pytest.mark.parametrize(
    "content", [b"", b'{"a": 1', b"[1, 2]", b"3", b'{"a": \xff}', b"[" * 100_000, b"\0\0\0"]
)
def test_what_is_not_a_json_object_is_a_damaged_file(tmp_path, content):
    path = tmp_path / "v.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert f"delete the folder {tmp_path}" in str(caught.value)


def test_a_missing_json_file_and_a_folder_in_its_place_are_damaged_files(tmp_path):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(DamagedFileError, match=r"gone\.json is missing"):
        read_json(tmp_path / "gone.json")
    with pytest.raises(DamagedFileError, match=r"folder\.json cannot be read"):
        read_json(tmp_path / "folder.json")


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path, names_in):
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tf_lottery.store.atomic import atomic_folder, atomic_path\n"
        "folder = Path(sys.argv[1])\n"
        "with atomic_path(folder / 'deep' / 'masks.npz') as file, "
        "atomic_folder(folder / 'rewind') as rewind:\n"
        "    file.write_text('x'); (rewind / 'part').write_text('y'); os.kill(os.getpid(), 9)\n"
    )
    kept = ["masks.npz", "notes.tmp", "a.tmp-1", "b.tmp-notourshape0", ".tmp-0123456789ab"]
    for name in kept:
        (tmp_path / name).write_text("keep")
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60, check=False)
    assert killed.returncode == -9
    unfinished = [*tmp_path.glob("*/masks.npz.tmp-*"), *tmp_path.glob("rewind.tmp-*/part")]
    assert len(unfinished) == 2

    remove_leftovers(tmp_path)

    assert names_in(tmp_path) == sorted([*kept, "deep"])
    assert names_in(tmp_path / "deep") == []


def test_leftover_removal_does_not_follow_links(tmp_path, names_in):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.tmp-0123456789ab").write_text("keep")
    run = tmp_path / "run"
    run.mkdir()
    (run / "link").symlink_to(outside)
    (run / "link.tmp-0123456789ab").symlink_to(outside)

    remove_leftovers(run)

    assert names_in(run) == ["link"]
    assert names_in(outside) == ["x.tmp-0123456789ab"]


def test_a_folder_is_replaced_only_when_asked(tmp_path, names_in):
    folder = tmp_path / "slot"
    for name in ("one", "two"):
        with atomic_folder(folder, replace=True) as temporary:
            (temporary / name).write_text(name)
    assert names_in(folder) == ["two"]

    with pytest.raises(StorageError, match="not empty"), atomic_folder(folder) as temporary:
        (temporary / "three").write_text("")

    assert names_in(folder) == ["two"]
    assert names_in(tmp_path) == ["slot"]


def test_removing_a_folder_removes_all_of_it_and_may_be_repeated(tmp_path, names_in):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("")
    remove_folder(tmp_path / "a")
    remove_folder(tmp_path / "a")
    assert names_in(tmp_path) == []


_KILLED_AT = """
import os, sys
from pathlib import Path
from tf_lottery.store import atomic

folder, last, exchanges = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
if not exchanges:
    atomic.exchange = lambda one, other: False
seen = 0

def count(event, arguments):
    global seen
    if event.split(".")[0] in ("open", "os", "shutil", "fcntl", "ctypes"):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), 9)

sys.addaudithook(count)
with atomic.atomic_folder(folder, replace=True) as temporary:
    for name in ("one", "two"):
        (temporary / name).write_text("new")
"""


@pytest.mark.parametrize("exchanges", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_old_or_the_new_folder_is_there(tmp_path, names_in, exchanges):
    folder, found = tmp_path / "ticket", set()
    for last in range(1, 100):
        if not folder.exists():
            folder.mkdir()
        for path in (folder / "one", folder / "two"):
            path.write_text("old")
        arguments = [sys.executable, "-c", _KILLED_AT, str(folder), str(last), str(exchanges)]
        killed = subprocess.run(arguments, timeout=60, check=False)
        if not exchanges:
            put_back(folder)
        assert names_in(folder) == ["one", "two"]
        (content,) = {path.read_text() for path in folder.iterdir()}
        found.add(content)
        remove_abandoned(folder)
        assert names_in(tmp_path) == ["ticket"]
        if not killed.returncode:
            break
        assert killed.returncode == -signal.SIGKILL
    assert found == {"old", "new"}
    assert 8 < last < 99


def test_what_a_killed_process_left_of_a_file_goes_when_the_file_is_written(tmp_path, names_in):
    for name in ("a.csv.tmp-0123456789ab.csv", "b.csv.tmp-0123456789ab.csv", "a.csv.tmp-mine"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a.csv.tmp-000000000000").mkdir()
    (tmp_path / "a.csv.tmp-111111111111").symlink_to(tmp_path / "a.csv.tmp-mine")
    os.mkfifo(tmp_path / "a.csv.tmp-222222222222")
    write_text(tmp_path / "a.csv", "new")
    others = [f"a.csv.tmp-{letter * 12}" for letter in "012"]
    assert names_in(tmp_path) == ["a.csv", *others, "a.csv.tmp-mine", "b.csv.tmp-0123456789ab.csv"]


def test_what_another_process_is_writing_stays(tmp_path, names_in):
    path = tmp_path / "a.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("slow")
        write_text(path, "fast")
        assert names_in(tmp_path) == ["a.csv", temporary.name]
        assert path.read_text() == "fast"
    assert names_in(tmp_path) == ["a.csv"]
    assert path.read_text() == "slow"


def test_what_a_running_process_writes_is_not_cleared(tmp_path, names_in):
    with atomic_folder(tmp_path / "ticket") as temporary:
        (temporary / "part").write_text("x")
        remove_abandoned(tmp_path / "ticket")
        remove_abandoned(tmp_path / "other", and_of_others=True)
        assert names_in(temporary) == ["part"]
    assert names_in(tmp_path) == ["ticket"]


def test_only_what_was_to_become_the_folder_is_cleared_unless_asked(tmp_path, names_in):
    for name in ("a.tmp-0123456789ab", "b.tmp-0123456789ab", "a.tmp-mine", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_text("x")
    (tmp_path / "a.tmp-000000000000").symlink_to(tmp_path / "c")
    remove_abandoned(tmp_path / "a")
    left = ["a.tmp-000000000000", "a.tmp-mine", "b.tmp-0123456789ab", "c"]
    assert names_in(tmp_path) == left
    remove_abandoned(tmp_path / "a", and_of_others=True)
    assert names_in(tmp_path) == ["a.tmp-000000000000", "a.tmp-mine", "c"]
    assert names_in(tmp_path / "c") == ["part"]


def test_what_comes_in_between_is_not_replaced(tmp_path, names_in):
    folder = tmp_path / "ticket"

    def refuse_foreign():
        if folder.exists():
            raise ValueError("somebody was faster")

    with (
        pytest.raises(ValueError, match="faster"),
        atomic_folder(folder, replace=True, confirm=refuse_foreign) as temporary,
    ):
        (temporary / "mine").write_text("x")
        folder.mkdir()
        (folder / "theirs").write_text("y")
    assert names_in(folder) == ["theirs"]
    assert names_in(tmp_path) == ["ticket"]


def test_only_of_a_full_disk_is_room_to_be_made(tmp_path):
    def remedy(reason, path=tmp_path / "masks.npz"):
        return str(StorageError(path, reason)).split(f"{reason}. ")[1]

    assert remedy(os.strerror(errno.ENOSPC)).startswith("Make room there, or choose a writable")
    assert remedy(f"level_0/x; {os.strerror(errno.ENOSPC)}").startswith("Make room there, or")
    assert remedy(os.strerror(errno.EACCES)).startswith("Choose a writable folder with --workdir")
    assert remedy(f"{tmp_path} is a folder", tmp_path).startswith("Move it away, or choose a")
    assert remedy(os.strerror(errno.ENAMETOOLONG), tmp_path / ("x" * 256)).startswith("Choose a wr")
    # A run folder with its results is not in the way.
    assert remedy(os.strerror(errno.EROFS), tmp_path).startswith("Choose a writable folder")


def test_of_finished_levels_is_said_only_where_there_are_some(tmp_path):
    path = tmp_path / "replicate_1" / "level_1" / "masks.npz"
    assert "levels are kept" not in str(StorageError(path, "disk full"))
    level = tmp_path / "replicate_1" / "level_0"
    level.mkdir(parents=True)
    (level / "level.json").write_text("{}")
    assert "Finished levels are kept" in str(StorageError(path, "disk full"))
    assert "Finished levels are kept" in str(StorageError(path.parent / "a" / "b", "disk full"))
