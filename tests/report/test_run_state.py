import subprocess
import sys

import pytest

from tests.edited_config import edit_config
from tests.report.runs_on_disk import held, write_branch, write_run
from tf_lottery.report.run_state import find_branches, find_runs, read_run_state
from tf_lottery.store.lock import exclusive

LEAVE_TENSORFLOW_ALONE = (
    "import sys\n"
    "import tf_lottery.report.listing\n"
    "assert not {'tensorflow', 'tf_keras', 'matplotlib'} & set(sys.modules)\n"
)


@pytest.fixture
def make_run(tmp_path):
    return lambda place="replicate_1", **options: write_run(tmp_path / place, **options)


def snapshot(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in (folder, *folder.rglob("*"))
    }


def test_a_finished_run_is_done(make_run):
    state = read_run_state(make_run(accuracies=[0.97, 0.98, 0.96], levels=2))
    assert (state.state, state.problems) == ("done", ())
    assert (state.level, state.levels, state.complete_levels) == (2, 2, (0, 1, 2))
    assert (state.epoch, state.epochs) == (None, None)
    assert state.density == pytest.approx(0.64)
    assert (state.test_accuracy, state.dense_accuracy) == (0.96, 0.97)
    assert state.branch is None


def test_a_stopped_run_says_from_where_its_level_goes_on(make_run):
    run = make_run(accuracies=[0.97, 0.98], levels=5, checkpoints={2: [900, 1000, 250]})
    state = read_run_state(run)
    assert state.state == "stopped"
    assert (state.level, state.levels) == (2, 5)
    assert (state.epoch, state.epochs) == (10.0, 30.0)
    assert (state.density, state.test_accuracy) == (pytest.approx(0.8), 0.98)


def test_a_run_stopped_between_levels_shows_the_last_complete_one(make_run):
    state = read_run_state(make_run(accuracies=[0.97, 0.98], levels=5))
    assert (state.state, state.level) == ("stopped", 1)
    assert (state.epoch, state.epochs) == (None, None)


def test_a_run_stopped_before_anything_was_saved_is_at_level_0(make_run):
    state = read_run_state(make_run(levels=5))
    assert (state.state, state.level, state.levels) == ("stopped", 0, 5)
    assert (state.epoch, state.epochs) == (None, 30.0)
    assert (state.density, state.test_accuracy, state.dense_accuracy) == (None, None, None)


def test_unfinished_checkpoints_do_not_count(make_run):
    run = make_run(levels=5, checkpoints={0: [100]})
    (run / "level_0" / "checkpoint" / "step_900.tmp-0123456789ab").mkdir()
    assert read_run_state(run).epoch == 1.0


def test_a_run_in_which_a_process_works_is_running_until_that_ends(make_run):
    run = make_run(accuracies=[0.97], levels=2, checkpoints={1: [150]})
    with held(run):
        state = read_run_state(run)
    assert (state.state, state.level, state.levels) == ("running", 1, 2)
    assert (state.epoch, state.epochs) == (1.5, 30.0)
    assert (run / ".lock-holder").exists()  # the process was killed
    assert read_run_state(run).state == "stopped"


def test_a_running_level_is_named_before_its_first_checkpoint(make_run):
    run = make_run(accuracies=[0.97], levels=2)
    with held(run):
        state = read_run_state(run)
    assert (state.state, state.level, state.epoch, state.epochs) == ("running", 1, None, 30.0)


def test_a_run_that_writes_its_final_report_is_still_running(make_run):
    run = make_run(accuracies=[0.97, 0.96], levels=1)
    with held(run):
        assert (read_run_state(run).state, read_run_state(run).level) == ("running", 1)


def test_a_run_whose_process_has_just_made_the_folder_is_not_broken(tmp_path):
    with held(tmp_path):
        assert read_run_state(tmp_path).state == "running"


def test_reading_changes_nothing_and_needs_no_right_to_write(make_run):
    run = make_run(accuracies=[0.97], levels=2, checkpoints={1: [100]})
    for path in (run, *run.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(run)
    assert read_run_state(run).state == "stopped"
    assert snapshot(run) == before
    for path in (run, *run.rglob("*")):
        path.chmod(0o755)
    (run / ".lock").unlink()
    before = snapshot(run)
    assert read_run_state(run).state == "stopped"
    assert snapshot(run) == before


@pytest.mark.parametrize("details", [{}, {"levels": 0}])
def test_dense_training_alone_is_done_after_level_0(make_run, details):
    run = make_run(
        accuracies=[0.97],
        levels=5,
        details=details,
        flags_text="--levels=5\n--experiment=train\n",
    )
    state = read_run_state(run)
    assert (state.state, state.level, state.levels) == ("done", 0, 0)


@pytest.mark.parametrize(
    ("accuracies", "checkpoints", "level", "asked"),
    [([0.97], {1: [300]}, 1, 0), ([0.97, 0.98], {}, 1, 0), ([0.97], {}, 0, 5)],
)
def test_dense_training_that_was_pruned_later_has_all_its_levels(
    make_run, accuracies, checkpoints, level, asked
):
    run = make_run(
        accuracies=accuracies,
        levels=5,
        checkpoints=checkpoints,
        details={"levels": asked},
        flags_text="--experiment=train\n",
    )
    state = read_run_state(run)
    assert (state.state, state.level, state.levels) == ("stopped", level, 5)


def test_the_details_say_how_many_levels_a_target_density_takes(make_run):
    run = make_run(
        accuracies=[0.97, 0.98],
        levels=10,
        identity={"target_density": 0.8},
        details={"levels": 1},
    )
    assert (read_run_state(run).state, read_run_state(run).levels) == ("done", 1)


def test_fine_tuning_goes_on_after_the_end_of_dense_training(make_run):
    run = make_run(
        accuracies=[0.97],
        levels=2,
        identity={"retraining": "fine_tune"},
        details={"rewind_step": 500},
        checkpoints={1: [3200]},
    )
    assert (read_run_state(run).epoch, read_run_state(run).epochs) == (32.0, 55.0)


@pytest.mark.parametrize("diverged", [{"level": 1}, {"level": 1, "step": "2"}, [1, 2]])
def test_a_record_of_divergence_that_is_none_is_damaged(make_run, diverged):
    run = make_run(accuracies=[0.97], levels=1)
    edit_config(run, details={"diverged": diverged})
    state = read_run_state(run)
    assert state.state == "broken"
    assert "config.json is damaged: diverged is" in state.problems[0]


def test_a_finished_run_has_not_diverged(make_run):
    where = {"diverged": {"level": 1, "step": 2}}
    assert (
        read_run_state(make_run(accuracies=[0.97, 0.96], levels=1, details=where)).diverged is None
    )


def test_a_run_of_an_earlier_version_without_lengths_is_read(tmp_path):
    run = write_run(tmp_path / "replicate_1")
    edit_config(run, without=["levels", "steps_per_epoch", "train_steps", "rewind_step"])
    state = read_run_state(run)
    assert (state.state, state.level, state.levels, state.epochs) == ("stopped", None, None, None)


def test_a_branch_is_done_when_the_levels_asked_for_are_complete(make_run):
    run = make_run(accuracies=[0.97, 0.98], levels=5)
    asked = {"branch_levels": [1, 3]}
    done = read_run_state(write_branch(run, "a", accuracies={1: 0.9, 3: 0.8}, details=asked))
    assert (done.state, done.level, done.levels) == ("done", 3, 3)
    assert done.complete_levels == (1, 3)
    assert (done.test_accuracy, done.dense_accuracy) == (0.8, 0.97)
    assert done.branch == "random_mask"
    part = read_run_state(
        write_branch(run, "b", accuracies={3: 0.8}, details=asked, checkpoints={1: [200]})
    )
    assert (part.state, part.level, part.levels, part.epoch) == ("stopped", 1, 3, 2.0)
    assert part.density == pytest.approx(0.8**3)


def test_a_branch_and_its_run_are_held_apart(make_run):
    run = make_run(accuracies=[0.97, 0.98], levels=5)
    branch = write_branch(run, "a", accuracies={}, details={"branch_levels": [1]})
    with held(branch):
        assert (read_run_state(branch).state, read_run_state(run).state) == ("running", "stopped")


def test_a_branch_of_a_broken_run_lacks_the_dense_accuracy_only(make_run):
    run = make_run(accuracies=[0.97], levels=0)
    branch = write_branch(run, "a", accuracies={1: 0.9}, details={"branch_levels": [1]})
    (run / "config.json").write_text("{")
    state = read_run_state(branch)
    assert (state.state, state.test_accuracy, state.dense_accuracy) == ("done", 0.9, None)


@pytest.mark.parametrize("name", ["config.json", "level_1/level.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"{}", b"[" * 100_000])
def test_a_damaged_file_is_named(make_run, name, content):
    run = make_run(accuracies=[0.97, 0.98], levels=1)
    (run / name).write_bytes(content)
    state = read_run_state(run)
    assert state.state == "broken"
    assert state.path == run
    assert str(run / name) in state.problems[0]


@pytest.mark.parametrize("name", ["config.json", "level_0/level.json"])
def test_an_edited_file_is_named(make_run, name):
    run = make_run(accuracies=[0.97, 0.98], levels=1)
    text = (run / name).read_text()
    (run / name).write_text(text.replace("0.97", "0.99").replace('"levels": 1', '"levels": 2'))
    state = read_run_state(run)
    assert state.state == "broken"
    assert f"{run / name} was changed" in state.problems[0]


def test_a_folder_in_place_of_a_file_is_named(make_run):
    run = make_run(levels=1)
    (run / "config.json").unlink()
    (run / "config.json").mkdir()
    assert str(run / "config.json") in read_run_state(run).problems[0]


def test_a_missing_config_is_named(make_run):
    run = make_run(accuracies=[0.97], levels=1)
    (run / "config.json").unlink()
    state = read_run_state(run)
    assert state.state == "broken"
    assert f"{run / 'config.json'} is missing" in state.problems[0]


def test_a_file_in_place_of_checkpoints_is_no_checkpoint(make_run):
    run = make_run(accuracies=[0.97], levels=1)
    (run / "level_1").mkdir()
    (run / "level_1" / "checkpoint").write_text("")
    assert read_run_state(run).state == "stopped"


def test_runs_are_found_in_natural_order_without_their_branches(tmp_path, make_run):
    for place in ("b/replicate_10", "b/replicate_2", "a10/replicate_1", "a9/deep/replicate_1"):
        run = make_run(place)
    write_branch(run, "replicate_7", accuracies={})
    (tmp_path / "b" / "replicate_3").mkdir()
    (tmp_path / "b" / "replicate_4.tmp-0123456789ab" / "level_0").mkdir(parents=True)
    (tmp_path / "other" / "model").mkdir(parents=True)
    (tmp_path / "other" / "model" / "config.json").write_text("{}")
    found = [str(path.relative_to(tmp_path)) for path in find_runs(tmp_path)]
    assert found == ["a9/deep/replicate_1", "a10/replicate_1", "b/replicate_2", "b/replicate_10"]
    assert find_runs(tmp_path / "b" / "replicate_2") == [tmp_path / "b" / "replicate_2"]
    assert find_runs(tmp_path / "missing") == []


def test_broken_runs_are_found(tmp_path, make_run):
    missing, damaged = make_run("a/replicate_1", accuracies=[0.9]), make_run("a/replicate_2")
    (missing / "config.json").unlink()
    (damaged / "config.json").write_text("")
    assert find_runs(tmp_path) == [missing, damaged]


def test_links_are_followed_but_not_in_circles(tmp_path, make_run):
    inside, outside = make_run("work/z/replicate_1"), make_run("scratch/replicate_1")
    work = tmp_path / "work"
    (work / "a").symlink_to(work / "z")
    (work / "b").symlink_to(tmp_path / "scratch")
    (work / "z" / "up").symlink_to(work)
    (work / "z" / "itself").symlink_to(work / "z" / "itself")
    (work / "z" / "nowhere").symlink_to(work / "gone")
    assert find_runs(work) == [work / "b" / outside.name, inside]


def test_branches_are_found_in_natural_order_even_of_a_broken_run(make_run):
    run = make_run()
    assert find_branches(run) == []
    made = [write_branch(run, label, accuracies={}) for label in ("mask 10", "mask 9", "red")]
    made[2] = made[2].rename(made[2].with_name("[red]"))
    (run / "branches" / "empty").mkdir()
    (run / "branches" / "a file").write_text("")
    (run / "config.json").unlink()
    assert find_branches(run) == [made[2], made[1], made[0]]


def test_the_lock_of_this_process_counts_too(make_run):
    run = make_run()
    with exclusive(run):
        assert read_run_state(run).state == "running"
    assert read_run_state(run).state == "stopped"


def test_states_are_read_without_tensorflow():
    result = subprocess.run(
        [sys.executable, "-c", LEAVE_TENSORFLOW_ALONE],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
