import json
from pathlib import Path

import pytest

from tests.report.reported_runs import write_replicate
from tf_lottery.report.report_folder import (
    check_folder,
    default_folder,
    run_names,
    write_files,
)
from tf_lottery.report.run_records import read_run

PAGE = b'<!DOCTYPE html>\n<meta name="generator" content="tf_lottery">\n'


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


@pytest.fixture
def runs(tmp_path):
    def make(*names):
        return [read_run(write_replicate(tmp_path / name / "replicate_1")) for name in names]

    return make


def test_the_report_of_a_run_lies_beside_its_replicates(tmp_path, runs):
    assert default_folder(runs("a")) == tmp_path / "a" / "report"


def test_the_report_of_several_runs_lies_beside_them(tmp_path, runs):
    assert default_folder(runs("a", "b", "c")) == tmp_path / "report_a_b_c"
    assert default_folder(runs("d", "e", "f", "g")) == tmp_path / "report_d_e_and_2_more"


def test_reports_of_other_runs_have_folders_of_their_own(tmp_path, runs):
    first, second = runs("a", "b", "c", "d"), runs("a", "b", "e", "f")
    folder = default_folder(first)
    assert folder == default_folder(second) == tmp_path / "report_a_b_and_2_more"
    write_files(folder, {"index.html": PAGE}, run_names(first, folder))
    assert default_folder(first) == default_folder([*first[:2], *first[:1:-1]]) == folder
    other = default_folder(second)
    assert other == tmp_path / "report_a_b_and_2_more_2"
    write_files(other, {"index.html": PAGE}, run_names(second, other))
    assert (default_folder(first), default_folder(second)) == (folder, other)
    third = default_folder(runs("a", "b", "g", "h"))
    assert third == tmp_path / "report_a_b_and_2_more_3"


def test_runs_of_the_same_name_elsewhere_are_others(tmp_path, runs):
    first, second = runs("a", "x/b"), runs("a", "y/b")
    folder = default_folder(first)
    write_files(folder, {"index.html": PAGE}, run_names(first, folder))
    assert default_folder(second) == tmp_path / "report_a_b_2"
    assert default_folder(first) == tmp_path / "report_a_b"


def test_a_report_goes_on_when_its_runs_get_replicates_or_move_together(tmp_path, runs):
    first = runs("w/a", "w/b")
    folder = default_folder(first)
    write_files(folder, {"index.html": PAGE}, run_names(first, folder))
    more = [read_run(write_replicate(tmp_path / "w/a/replicate_2"))]
    assert default_folder(first + more) == folder
    (tmp_path / "w").rename(tmp_path / "v")
    moved = [read_run(tmp_path / "v" / name / "replicate_1") for name in "ab"]
    assert default_folder(moved) == tmp_path / "v" / "report_a_b"


def test_a_report_of_a_version_that_did_not_say_of_which_runs_is_replaced(tmp_path, runs):
    found = runs("a", "b")
    (tmp_path / "report_a_b").mkdir()
    contents = {"program": "tf_lottery report", "files": ["index.html"]}
    (tmp_path / "report_a_b" / "report.json").write_text(json.dumps(contents))
    assert default_folder(found) == tmp_path / "report_a_b"


@pytest.mark.parametrize(
    "place",
    ["", "report", "level_0", "level_4", "level_0/deep/er", "branches/rep", "branches/mask/rep"],
)
@pytest.mark.parametrize("name", ["a/replicate_1", "copy"])
def test_a_folder_in_a_run_folder_is_refused(tmp_path, runs, name, place):
    runs("a")
    run = tmp_path / name
    if name == "copy":
        (tmp_path / "a" / "replicate_1").rename(run)
    with pytest.raises(ValueError, match=rf"--report_dir=.* is in the run folder {run}; name a"):
        check_folder(run / place)


def test_a_run_that_has_lost_its_config_is_one(tmp_path, runs):
    runs("a")
    (tmp_path / "a/replicate_1/level_0").mkdir()
    (tmp_path / "a/replicate_1/config.json").unlink()
    with pytest.raises(ValueError, match="is in the run folder"):
        check_folder(tmp_path / "a/replicate_1/report")


def test_a_link_into_a_run_folder_is_refused(tmp_path, runs):
    runs("a")
    (tmp_path / "link").symlink_to(tmp_path / "a/replicate_1")
    with pytest.raises(ValueError, match="is in the run folder"):
        check_folder(tmp_path / "link/report")


@pytest.mark.parametrize(
    "place", ["replicate_3", "replicate_3/report", "level_4", "a/replicate_3", "a/level_4/deep/er"]
)
@pytest.mark.parametrize("made", [False, True])
def test_a_name_of_replicates_or_levels_is_refused(tmp_path, runs, place, made):
    runs("a")
    if made:
        named = next(part for part in Path(place).parts if "_" in part)
        (tmp_path / place.split(named)[0] / named).mkdir()
    with pytest.raises(ValueError, match=r"--report_dir=.*: (replicate_3|level_4) is a name of"):
        check_folder(tmp_path / place)


def test_folders_beside_runs_and_in_projects_are_accepted(tmp_path, runs):
    runs("replicate_7/runs/a")
    (tmp_path / "replicate_7" / "config.toml").touch()
    (tmp_path / "config.json").write_text('{"model": "of another program"}')
    for place in ("replicate_7/runs/a/report", "replicate_7/runs/report_a", "replicates_3"):
        check_folder(tmp_path / place)


def test_long_names_give_a_name_that_file_systems_take(runs):
    assert len(default_folder(runs("é" * 90, "ü" * 90)).name.encode()) <= 120


def test_new_and_empty_folders_and_reports_are_accepted(tmp_path):
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    write_files(tmp_path, {"index.html": PAGE})
    check_folder(tmp_path)


def test_leftovers_of_a_killed_process_do_not_matter(tmp_path):
    (tmp_path / "report.json.tmp-0123456789ab.json").touch()
    check_folder(tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "index.html", "config.json"])
def test_a_folder_with_anything_else_is_refused(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=f"--report_dir=.* holds {name}, and no earlier report"):
        check_folder(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("text", ["{", "[]", '{"program": "other", "files": []}'])
def test_someone_elses_report_is_refused(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ValueError, match="--report_dir"):
        check_folder(tmp_path)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"--report_dir=.* is a file"):
        check_folder(tmp_path / "file")


def test_files_of_an_earlier_report_go_and_others_stay(tmp_path):
    folder = tmp_path / "report"
    write_files(folder, {"old.png": b"1", "index.html": b"1"})
    (folder / "notes.txt").write_text("mine")
    write_files(folder, {"new.png": b"2", "index.html": b"2"})
    assert content(folder) == {"new.png": b"2", "index.html": b"2", "notes.txt": b"mine"}


@pytest.mark.parametrize("page", [b"mine", b"mine" * 10**5 + PAGE])
def test_a_page_that_no_report_wrote_is_refused(tmp_path, page):
    write_files(tmp_path, {"index.html": PAGE})
    (tmp_path / "index.html").write_bytes(page)
    with pytest.raises(ValueError, match=r"--report_dir=.* holds an index\.html, which no report"):
        check_folder(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == page


def test_a_page_that_is_lost_or_empty_is_written_anew(tmp_path):
    write_files(tmp_path, {"index.html": PAGE})
    (tmp_path / "index.html").write_bytes(b"")
    check_folder(tmp_path)
    (tmp_path / "index.html").unlink()
    check_folder(tmp_path)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    write_files(tmp_path, {"report.csv": b"1", "index.html": PAGE})
    for name in ("report.csv", "index.html"):
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match=rf"--report_dir=.* {tmp_path / name} is a folder"):
            write_files(tmp_path, {name: PAGE})
    with pytest.raises(ValueError, match=r"--report_dir=.* holds a folder index\.html"):
        check_folder(tmp_path)


def test_a_file_that_no_report_wrote_is_not_replaced(tmp_path):
    write_files(tmp_path, {"index.html": PAGE})
    (tmp_path / "curvature.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"--report_dir=.* holds curvature\.png, which no report"):
        write_files(tmp_path, {"curvature.png": b"1", "index.html": PAGE})
    assert content(tmp_path) == {"index.html": PAGE, "curvature.png": b"mine"}


def test_a_forged_list_of_files_removes_nothing_else(tmp_path):
    folder, outside = tmp_path / "report", tmp_path / "precious.csv"
    outside.write_text("mine")
    write_files(folder, {"index.html": b"1"})
    (folder / "sub").mkdir()
    files = ["..", "../precious.csv", "sub", "", "index.html"]
    forged = {"program": "tf_lottery report", "files": files}
    (folder / "report.json").write_text(json.dumps(forged))
    write_files(folder, {"index.html": b"2"})
    assert outside.exists()
    assert (folder / "sub").is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"--report_dir=.*file/report cannot be written to"):
        write_files(tmp_path / "file" / "report", {"index.html": b"1"})
