"""Folders of searches that are damaged, in use or none: what is said, and what brings them back."""

import shutil

import pytest

from tests.tickets.folder_contents import contents
from tf_lottery.report.verification import verify_runs
from tf_lottery.store.errors import DamagedFileError, RunFolderBusyError, StorageError
from tf_lottery.store.lock import exclusive


def test_a_level_that_later_ones_were_pruned_from_is_missed(search_in, finished):
    (finished / "level_0" / "level.json").unlink()
    with pytest.raises(DamagedFileError, match=r"level_0/level\.json is missing\. .* all levels"):
        search_in(finished, levels=2)
    seal_of_1 = finished / "level_1" / "level.json"
    shutil.copytree(finished / "level_1", finished / "level_3")
    (finished / "level_0" / "level.json").write_bytes(seal_of_1.read_bytes())
    seal_of_1.unlink()
    with pytest.raises(DamagedFileError, match=r"is missing\. .*delete level_1, level_2, level_3"):
        search_in(finished, levels=2)


def test_a_folder_of_something_else_or_in_use_is_left_alone(search_in, finished, batches, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("draft")
    for name in ("notes", "notes/thesis.txt"):
        with pytest.raises(ValueError, match=rf"folder=.*{name} is (no folder of a|a file)"):
            search_in(tmp_path / name)
    search = search_in(finished, levels=2)
    busy = r"the folder .* is in use by .* ended, or choose another folder\.$"
    with exclusive(finished), pytest.raises(RunFolderBusyError, match=busy):
        search.fit(batches, epochs=2, verbose=0)


@pytest.mark.parametrize("name", ["~nobody_of_this_name/search", "what?"])
def test_a_folder_that_cannot_be_is_refused_by_its_argument(search_in, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^(folder='~nobody|the path .*what\?)") as refused:
        search_in(name)
    assert "--" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("search.json", ""),
        ("level_0/level.json", ""),
        ("level_1/masks.npz", "level_1"),
        ("level_1/weights.index", "level_1"),
        ("rewind/seal.json", ""),
        ("rewind/tensors.index", ""),
    ],
)
@pytest.mark.parametrize("how", ["cut off", "deleted"])
def test_a_damaged_file_is_named(search_in, finished, batches, tmp_path, name, lost, how):
    path = finished / name
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:-20])
    elif name.endswith("level.json"):
        return  # As if the level had not been finished.
    else:
        path.unlink()
    with pytest.raises(DamagedFileError, match=name.split("/")[-1]) as refused:
        search_in(finished, levels=2).fit(batches, epochs=2, verbose=0)
    text = str(refused.value)
    remedy = f"delete {lost} in {finished} and" if lost else f"delete the folder {finished} and"
    assert f"{remedy} start the same script again, which " in text
    assert "--" not in text
    assert "command" not in text


def test_a_rewind_point_that_was_deleted_is_told_in_words_of_searches(
    search_in, finished, batches, tmp_path
):
    shutil.rmtree(finished / "rewind")
    remedy = f"rewind is missing. Restore it from a backup, or delete the folder {finished} and"
    with pytest.raises(DamagedFileError, match=remedy):
        search_in(finished, levels=2).fit(batches, epochs=2, verbose=0)


def test_levels_after_a_damaged_one_go_with_it(finished):
    (finished / "level_2").mkdir()
    error = DamagedFileError(finished / "level_1" / "masks.npz", "is missing")
    assert f"delete level_1, level_2 in {finished} and start the same script" in str(error)


def test_a_search_that_cannot_be_written_is_told_so(finished):
    error = StorageError(finished / "level_2" / "masks.npz", "Read-only file system")
    assert "--workdir" not in str(error)
    assert str(error).endswith("Finished levels are kept: the same script continues after them.")


def test_verify_finds_searches_and_says_how_to_get_them_back(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "study" / "replicate_1")
    assert not verify_runs(tmp_path)
    assert "2 search folders: no damage" in capsys.readouterr().out
    (finished / "level_1" / "masks.npz").unlink()
    assert verify_runs(tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert f"{finished}: DAMAGED {finished}/level_1/masks.npz is missing. Lost: the masks" in text
    assert f"or delete level_1 in {finished} and start the same script again" in text
    assert f"1 of 2 search folders: damaged, see above: {finished}" in text
    assert verify_runs(tmp_path, [finished])
    assert not verify_runs(tmp_path, [tmp_path / "study"])


@pytest.mark.parametrize("lost", ["search.json", "rewind/seal.json", "level_0/level.json"])
def test_verify_names_what_a_search_has_lost(lost, finished, capsys):
    (finished / lost).unlink()
    assert verify_runs(finished.parent, [finished])
    text = capsys.readouterr().out
    assert str(finished / lost).removesuffix("/level.json") in text
    assert f"delete the folder {finished} and start the same script again" in text


def test_what_verify_advises_brings_the_level_of_a_search_back(
    search_in, batches, finished, capsys
):
    before = contents(finished / "level_1")
    (finished / "level_1" / "weights.index").write_bytes(b"foreign")
    with pytest.raises(DamagedFileError):
        search_in(finished, levels=1).restore(1)
    shutil.rmtree(finished / "level_1")
    search_in(finished, levels=1).fit(batches, epochs=2, verbose=0)
    assert not verify_runs(finished.parent)
    masks = str(finished / "level_1" / "masks.npz")
    assert contents(finished / "level_1")[masks] == before[masks]
