"""Runs that are killed, at any moment, end with the same bits when started again."""

import shutil
import signal

import pytest

VALUES = {"train_steps": "120it", "evaluate_every": "5it"}
FLAGS = tuple(f"--{name}={value}" for name, value in VALUES.items())
SHORT_VALUES = {"train_steps": "20it", "evaluate_every": "5it", "levels": 1}
SHORT = tuple(f"--{name}={value}" for name, value in SHORT_VALUES.items())

_MOMENTS = (
    "rewind",
    "level_0/checkpoint/step_10",
    "level_0/level.json",
    "level_1/masks.npz",
    "level_1/level.json",
    "level_2/checkpoint/step_10",
    "summary.png",
)


@pytest.fixture(scope="module")
def reference_run(run_tiny, tmp_path_factory):
    """The folder of a run that is never interrupted."""
    return run_tiny(tmp_path_factory.mktemp("reference"), **VALUES)


@pytest.fixture(scope="module")
def reference(reference_run, outcome_of):
    """What a run that is never interrupted comes to."""
    return outcome_of(reference_run)


@pytest.fixture(scope="module")
def short_reference(run_tiny, tmp_path_factory, outcome_of):
    """What a shorter run that is never interrupted comes to."""
    return outcome_of(run_tiny(tmp_path_factory.mktemp("short"), **SHORT_VALUES))


@pytest.fixture
def run(tmp_path):
    """The run folder of the killed run."""
    return tmp_path / "tiny" / "replicate_1"


@pytest.fixture
def half_run_of_reference(reference_run, run):
    """A run that was killed when level 0 was complete."""
    shutil.copytree(reference_run, run)
    for number in (1, 2):
        shutil.rmtree(run / f"level_{number}")
    for name in ("summary.csv", "summary.png"):
        (run / name).unlink()
    return run


def _kill_at(moments, start_main, run, tmp_path, flags=FLAGS) -> None:
    for moment in moments:
        assert not (run / moment).exists()
        process = start_main(*flags, workdir=tmp_path, signal_at=(moment, signal.SIGKILL))
        assert process.wait() == -signal.SIGKILL, process.output
        assert (run / moment).exists()


def _start_to_be_killed(start_main, tmp_path, operation):
    # With as many checkpoints as there may be, on a fast machine and on a slow one.
    return start_main(
        *FLAGS, workdir=tmp_path, last_file_operation=operation, checkpoint_always=True
    )


def _finish(start_main, tmp_path, flags=FLAGS) -> None:
    process = start_main(*flags, workdir=tmp_path)
    assert process.wait() == 0, process.output


@pytest.mark.parametrize(
    "moments",
    [
        ["level_0/checkpoint/step_5"],
        pytest.param(["rewind", "level_1/masks.npz"], marks=pytest.mark.slow),
    ],
    ids=", ".join,
)
def test_killed_when_files_appear(start_main, outcome_of, short_reference, run, tmp_path, moments):
    _kill_at(moments, start_main, run, tmp_path, SHORT)
    _finish(start_main, tmp_path, SHORT)
    assert outcome_of(run) == short_reference


@pytest.mark.slow
def test_killed_before_file_operations(start_main, outcome_of, reference, run, tmp_path, dice):
    for _ in range(3):
        process = _start_to_be_killed(start_main, tmp_path, dice.randint(10, 30))
        assert process.wait() == -signal.SIGKILL, process.output
    _finish(start_main, tmp_path)
    assert outcome_of(run) == reference


@pytest.mark.slow
def test_killed_at_every_stage(start_main, outcome_of, reference, run, tmp_path):
    _kill_at(_MOMENTS, start_main, run, tmp_path)
    _finish(start_main, tmp_path)
    assert outcome_of(run) == reference


@pytest.mark.slow
def test_killed_again_and_again(start_main, outcome_of, reference, run, tmp_path, dice):
    kills = 0
    # A run makes headway if it gets past its first checkpoint: some 30 operations of 1000.
    while (process := _start_to_be_killed(start_main, tmp_path, dice.randint(30, 150))).wait():
        assert process.wait() == -signal.SIGKILL, process.output
        kills += 1
        assert kills < 25, "it makes no headway"
    assert kills >= 5
    assert outcome_of(run) == reference


def test_interrupted_by_the_user(start_main, outcome_of, short_reference, run, tmp_path):
    moment = "level_1/checkpoint/step_10"
    process = start_main(*SHORT, workdir=tmp_path, signal_at=(moment, signal.SIGINT))
    assert process.wait() == 130
    assert "The same command continues" in process.output
    assert "Traceback" not in process.output
    assert not (run / "level_1" / "level.json").exists()
    process = start_main(*SHORT, workdir=tmp_path)
    assert process.wait() == 0, process.output
    assert "level 0 is complete already" in process.output
    assert "level 1 continues at step 10" in process.output
    assert outcome_of(run) == short_reference


def test_second_process_on_one_run_folder(start_main, run, tmp_path, snapshot):
    moment = "level_0/checkpoint/step_5"
    first = start_main(*FLAGS, workdir=tmp_path, signal_at=(moment, signal.SIGSTOP))
    first.wait_for(run, moment)
    before = snapshot(run / "level_0")
    assert before
    second = start_main(*FLAGS, workdir=tmp_path)
    assert second.wait() == 1
    assert str(run) in second.output
    assert "in use" in second.output
    assert "Traceback" not in second.output
    assert snapshot(run / "level_0") == before


# Too small for the weights, for weights and slots.
@pytest.mark.slow
@pytest.mark.parametrize("largest_file", [4_000, 15_000])
def test_full_disk(
    start_main, outcome_of, reference, half_run_of_reference, tmp_path, snapshot, largest_file
):
    run = half_run_of_reference
    before = {name: seen for name, seen in snapshot(run).items() if name.startswith("level_0")}
    assert len(before) == 5
    full = start_main(*FLAGS, workdir=tmp_path, largest_file=largest_file)
    assert full.wait() == 1
    assert f"Error: cannot write {run}" in full.output
    assert "File too large" in full.output
    assert "Traceback" not in full.output
    after = snapshot(run)
    assert {name: after[name] for name in before} == before
    _finish(start_main, tmp_path)
    assert outcome_of(run) == reference


@pytest.mark.slow
def test_full_disk_for_tensorboard(start_main, tmp_path):
    flags = ("--train_steps=200it", "--evaluate_every=2it", "--optimizer=sgd", "--levels=0")
    full = start_main(*flags, workdir=tmp_path, largest_file=16_000)
    assert full.wait() == 1
    assert f"Error: cannot write {tmp_path}" in full.output
    assert "Traceback" not in full.output
