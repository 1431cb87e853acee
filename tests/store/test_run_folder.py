"""The run folder: making, continuing, refusing, and its levels."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.edited_config import edit_config
from tests.store.details import DETAILS
from tf_lottery.store.errors import (
    DamagedFileError,
    RunFolderBusyError,
    RunFolderError,
    RunFolderMismatchError,
    StorageError,
)
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.stopping import not_finished


def test_a_new_folder_remembers_what_it_was_made_for(open_run):
    with open_run(flags_text="--levels=3\n") as run:
        assert run.identity == {"learning_rate": 0.1, "model": "lenet"}
        assert run.details == DETAILS
        assert (run.path / "flags.cfg").read_text() == "--levels=3\n"
        assert run.finished_levels() == []
    config = json.loads((run.path / "config.json").read_text())
    assert config["format"] == 1
    assert config["identity"] == run.identity


def test_details_and_flags_are_kept_from_the_first_opening(open_run):
    open_run().close()
    with open_run(details=replace(DETAILS, classes=3), flags_text="--levels=9\n") as run:
        assert run.details == DETAILS
        assert (run.path / "flags.cfg").read_text() == "--levels=3\n"


def test_opening_again_changes_nothing(open_run, write_level):
    with open_run() as run:
        write_level(run, 0)
        run.level(0).complete({"density": 1.0})
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with open_run() as run:
        assert run.finished_levels() == [0]
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_a_lost_flag_file_is_written_again(open_run):
    with open_run() as run:
        (run.path / "flags.cfg").unlink()
    open_run().close()
    assert (run.path / "flags.cfg").read_text() == "--levels=3\n"


def test_only_one_can_have_it_open(open_run):
    with open_run() as run:
        with pytest.raises(RunFolderBusyError):
            open_run()
        assert RunFolder.read(run.path).identity == run.identity
    open_run().close()


def test_a_refused_opening_frees_the_folder(open_run):
    open_run().close()
    with pytest.raises(RunFolderMismatchError):
        open_run({"learning_rate": 0.2, "model": "lenet"})
    open_run().close()


def test_every_changed_flag_is_listed_with_both_values(open_run, tmp_path):
    open_run({"learning_rate": 0.1, "model": "lenet", "nesterov": False, "gone": 3}).close()
    with pytest.raises(RunFolderMismatchError) as caught:
        open_run({"learning_rate": 0.2, "model": "lenet", "nesterov": True, "new": "x"})
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert lines[1:-1] == [
        "--gone: the run folder has 3, this command has no such flag",
        "--learning_rate: the run folder has 0.1, this command says 0.2",
        "--nesterov: the run folder has false, this command says true",
        '--new: the run folder was made without it, this command says "x"',
    ]
    assert str(tmp_path / "run") in lines[0]
    assert "--name" in lines[-1]


def test_a_new_flag_at_its_default_does_not_make_another_experiment(open_run):
    open_run({"model": "lenet"}).close()
    new = {"model": "lenet", "layers": ("a", "b")}
    open_run(new, defaults={"layers": ("a", "b"), "model": "conv2"}).close()
    with pytest.raises(RunFolderMismatchError, match="--layers"):
        open_run(new, defaults={"layers": ("a",)})
    with pytest.raises(RunFolderMismatchError, match="--model"):
        open_run({"model": "conv2"}, defaults={"model": "conv2"})


def test_an_open_ended_number_may_differ_and_the_greatest_is_remembered(open_run):
    open_run({"levels": 2, "model": "lenet"}, flags_text="--levels=2").close()
    for given, kept in ((5, 5), (3, 5)):
        identity = {"levels": given, "model": "lenet"}
        with open_run(identity, flags_text=f"--levels={given}", open_ended=["levels"]) as run:
            assert run.identity == {"levels": kept, "model": "lenet"}
            assert (run.path / "flags.cfg").read_text() == f"--levels={kept}"
    with pytest.raises(RunFolderMismatchError) as caught:
        open_run({"levels": 9, "model": "conv2"}, open_ended=["levels"])
    assert "--levels" not in str(caught.value)
    with open_run({"levels": 5, "model": "lenet"}) as run:
        assert run.identity["levels"] == 5


def test_tuples_are_the_lists_they_are_stored_as(open_run):
    open_run({"layers": ("a", "b")}).close()
    open_run({"layers": ("a", "b")}).close()


def test_a_folder_of_something_else_is_left_alone(open_run, tmp_path, names_in):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    (tmp_path / "run" / "thesis.tex.tmp-0123456789ab").write_text("hours of work")
    with pytest.raises(RunFolderError, match=r"holds thesis\.tex\. .*--workdir"):
        open_run()
    assert len(names_in(tmp_path / "run")) == 2


def test_a_folder_killed_before_its_config_was_written_is_taken_over(open_run, tmp_path, names_in):
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tf_lottery.store.atomic import atomic_path\n"
        "from tf_lottery.store.lock import exclusive\n"
        "run = Path(sys.argv[1]); run.mkdir()\n"
        "with exclusive(run), atomic_path(run / 'config.json') as config:\n"
        "    config.write_text('{'); os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9
    assert len(names_in(tmp_path / "run")) == 3
    open_run().close()
    assert names_in(tmp_path / "run") == [".lock", "config.json", "flags.cfg"]


@pytest.mark.parametrize("open_it", ["open", "read"])
@pytest.mark.parametrize(
    ("edit", "error", "problem"),
    [
        (lambda text: text[:-9], DamagedFileError, "not valid JSON"),
        (lambda text: "", DamagedFileError, "not valid JSON"),
        (lambda text: text.replace("0.1", "0.2"), DamagedFileError, "was changed"),
        (lambda text: text.replace('"classes"', '"Classes"'), DamagedFileError, "was changed"),
        (lambda text: text.replace('"format": 1', '"format": 2'), RunFolderError, "format 2"),
        (
            lambda text: '{"hidden_size": 768}',
            RunFolderError,
            "is not of a run; a run",
        ),
        (lambda text: text.replace('"identity"', '"Identity"'), RunFolderError, "no identity"),
    ],
)
def test_a_damaged_or_foreign_config_is_refused(open_run, open_it, edit, error, problem):
    with open_run() as run:
        config = run.path / "config.json"
        text = config.read_text()
    config.write_text(edit(text))
    with pytest.raises(error, match=problem) as caught:
        open_run() if open_it == "open" else RunFolder.read(run.path)
    assert str(config) in str(caught.value)
    assert config.read_text() == edit(text)


def test_a_place_that_cannot_hold_a_run_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(StorageError) as caught:
            RunFolder.open(path, {}, DETAILS, "")
        assert str(path) in str(caught.value)
        assert "--workdir" in str(caught.value)


def test_a_workdir_that_is_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "runs").symlink_to("gone")
    with pytest.raises(StorageError, match=r"/runs is a link to gone, which is not there"):
        RunFolder.open(tmp_path / "runs" / "tiny" / "replicate_1", {}, DETAILS, "")


def test_a_full_disk_is_a_storage_error_before_anything_is_made(open_run, disk_with_room_for):
    with disk_with_room_for(0), pytest.raises(StorageError, match="--workdir"):
        open_run()
    open_run().close()


def test_a_path_that_cannot_hold_checkpoints_is_refused_before_it_is_made(tmp_path, names_in):
    with pytest.raises(RunFolderError, match="search pattern"):
        RunFolder.open(tmp_path / "lr[0.1]", {}, DETAILS, "")
    assert names_in(tmp_path) == []


def test_reading_what_is_not_a_run_folder_says_so(tmp_path, names_in):
    with pytest.raises(RunFolderError, match="is not a run folder"):
        RunFolder.read(tmp_path)
    with pytest.raises(RunFolderError, match="is not a run folder"):
        RunFolder.read(tmp_path / "nothing")
    assert names_in(tmp_path) == []


def test_finished_levels_end_at_the_first_gap(open_run, write_level):
    with open_run() as run:
        for number in (0, 1, 3):
            write_level(run, number)
            run.level(number).complete({"level": number})
        write_level(run, 2)
        assert run.finished_levels() == [0, 1]
        run.level(2).complete({})
        assert run.finished_levels() == [0, 1, 2, 3]


def test_completing_a_level_keeps_its_record_and_drops_its_checkpoints(open_run, write_level):
    with open_run() as run:
        level = run.level(0)
        write_level(run, 0)
        level.checkpoints.save(5, {"a": np.ones(2)}, {})
        assert not level.is_complete()
        with pytest.raises(RunFolderError, match="is not complete"):
            level.record()

        level.complete({"accuracy": 1 / 3})

        assert level.is_complete()
        assert level.record() == {"accuracy": 1 / 3}
        assert level.checkpoints.latest() is None
        level.verify()
        with pytest.raises(RunFolderError, match="complete already"):
            level.complete({"accuracy": 0.5})
        assert level.record() == {"accuracy": 1 / 3}


@pytest.mark.parametrize(
    "name", ["masks.npz", "weights.index", "weights.data-00000-of-00001", "metrics.csv"]
)
def test_a_level_needs_all_its_files_and_notices_when_one_is_edited(
    open_run, write_level, flip_a_byte, name
):
    with open_run() as run:
        write_level(run, 0)
        run.level(0).complete({})
        file = run.level(0).path / name
        flip_a_byte(file)
        with pytest.raises(DamagedFileError) as caught:
            run.level(0).verify()
        assert f"{file} was changed" in str(caught.value)

        write_level(run, 1)
        (run.level(1).path / name).unlink()
        with pytest.raises(DamagedFileError, match=f"{name} is missing"):
            run.level(1).complete({})
        assert not run.level(1).is_complete()


def test_opening_cleans_up_after_a_killed_process(open_run, write_level):
    with open_run() as run:
        write_level(run, 0)
        run.level(0).complete({})
        # As if killed between the seal and the removal of the checkpoints.
        run.level(0).checkpoints.save(5, {"a": np.ones(2)}, {})
        run.level(1).checkpoints.save(7, {"a": np.ones(2)}, {})
        (run.path / "rewind.tmp-0123456789ab").mkdir()
        (run.level(1).path / "weights.tmp-0123456789ab.index").write_text("")
    with open_run() as run:
        assert run.level(0).checkpoints.latest() is None
        assert run.level(1).checkpoints.latest().step == 7
        assert not list(run.path.rglob("*.tmp-*"))


def test_the_layout(open_run):
    with open_run() as run:
        names = [
            run.level(3).masks_path,
            run.level(3).weights_prefix,
            run.level(3).metrics_path,
            run.rewind.path,
            run.summary_csv,
            run.summary_png,
            run.tensorboard(3),
        ]
        assert [str(name.relative_to(run.path)) for name in names] == [
            "level_3/masks.npz",
            "level_3/weights",
            "level_3/metrics.csv",
            "rewind",
            "summary.csv",
            "summary.png",
            "tensorboard/level_3",
        ]
        with pytest.raises(ValueError, match="level must be at least 0"):
            run.level(-1)


def test_entries_of_later_versions_are_kept_when_others_are_replaced(open_run, tmp_path):
    open_run().close()
    edit_config(tmp_path / "run", details={"of_tomorrow": [1, 2]}, without=["levels"])
    with open_run() as run:
        assert run.details.levels == 0
        run.remember(replace(run.details, branch_levels=(1, 3)))
        assert run.details.branch_levels == (1, 3)
    written = json.loads((tmp_path / "run" / "config.json").read_text())["details"]
    assert (written["branch_levels"], written["of_tomorrow"]) == ([1, 3], [1, 2])
    assert {"data_name", "changes", "for_analysis"}.isdisjoint(written)


def test_a_folder_that_lacks_an_entry_is_read_until_it_is_asked_for(open_run, tmp_path):
    open_run().close()
    edit_config(tmp_path / "run", without=["classes"])
    run = RunFolder.read(tmp_path / "run")
    assert run.known_details is None
    with pytest.raises(DamagedFileError, match="it lacks 'classes'"):
        assert run.details


def test_nothing_is_continued_that_is_not_there(open_run, tmp_path):
    with pytest.raises(DamagedFileError, match=r"config\.json is missing"):
        RunFolder.open(tmp_path / "run", {}, None, "")


def test_the_folder_of_a_search_is_not_called_a_damaged_run(tmp_path):
    (tmp_path / "level_0").mkdir()
    (tmp_path / "search.json").write_text("{}")
    for use in (RunFolder.read, partial(RunFolder.refuse, identity={})):
        with pytest.raises(RunFolderError, match="is the folder of a search") as error:
            use(tmp_path)
        assert not isinstance(error.value, DamagedFileError)
        assert "delete" not in str(error.value)


def test_a_run_knows_the_command_that_goes_on_with_it(open_run):
    with open_run() as run:
        assert run.command == f"main.py --flagfile={run.flags_path}"
        run.flags_path.write_text("--levels=30\n")
        assert run.command is None
    with open_run(details=replace(DETAILS, data_name="mine")) as run:
        assert run.command is None


def test_an_unfinished_level_comes_with_the_command_that_trains_it(open_run, write_level):
    with open_run(details=replace(DETAILS, levels=3)) as run:
        write_level(run, 0)
        run.level(0).complete({"density": 1.0})
        said = f"--levels: level 3 is not finished in {run.path}; finished are 0."
        assert str(not_finished(run, 3)) == f"{said} To go on with it: {run.command}"
        # One that the run is not to have.
        assert str(not_finished(run, 4)) == said.replace("level 3", "level 4")
