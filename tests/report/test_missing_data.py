import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report.method_results import collect_methods
from tf_lottery.report.missing_data import missing_data
from tf_lottery.report.run_records import read_run

EARLY = dict.fromkeys(range(5), (20, 0.5))


@pytest.fixture
def missing(tmp_path):
    return lambda: missing_data(
        collect_methods([read_run(path) for path in sorted(tmp_path.glob("m/replicate_*"))])
    )


def test_complete_runs_lack_nothing(tmp_path, missing):
    for number in (1, 2):
        run = write_replicate(tmp_path / f"m/replicate_{number}", [0.9, 0.8], early=EARLY)
        write_branch(run, "random_mask", {1: 0.7}, early=EARLY)
    assert missing() == []


def test_levels_that_only_some_replicates_have_are_named(tmp_path, missing):
    write_replicate(tmp_path / "m/replicate_1", [0.9, 0.8, 0.7], early=EARLY)
    write_replicate(tmp_path / "m/replicate_2", [0.9], early=EARLY, in_training={1: [0.1, 0.2]})
    assert missing() == [
        "lottery ticket: levels 1-2 only of replicate_1 (1 of 2 replicates).",
        "Level 1 of replicate_2 is not finished; it counts in no mean and no table.",
    ]


def test_branches_say_which_levels_and_replicates_they_lack(tmp_path, missing):
    first = write_replicate(tmp_path / "m/replicate_1", [0.9, 0.8, 0.7], early=EARLY)
    write_replicate(tmp_path / "m/replicate_2", [0.9, 0.8, 0.7], early=EARLY)
    write_branch(first, "one_shot", {2: 0.7}, early=EARLY)
    write_branch(first, "random_mask", {2: 0.7}, early=EARLY)
    assert missing() == [
        "one shot, random mask: level 2 only; the run also has level 1.",
        "one shot, random mask were not run for replicate_2.",
    ]


def test_a_branch_of_some_replicates_is_named_with_the_levels_that_it_trains(tmp_path, missing):
    first = write_replicate(tmp_path / "m/replicate_1", [0.9, 0.8], early=EARLY)
    write_replicate(tmp_path / "m/replicate_2", [0.9, 0.8], early=EARLY)
    in_training = {2: [0.1, 0.2], 3: [0.1, 0.2]}
    write_branch(first, "random_mask", {1: 0.7}, early=EARLY, in_training=in_training)
    assert missing() == [
        "random mask was not run for replicate_2.",
        "random mask: levels 2-3 of replicate_1 are not finished; they count in no mean and no "
        "table.",
    ]


def test_runs_without_validation_data_are_named(tmp_path, missing):
    write_replicate(tmp_path / "m/replicate_1", [0.9, 0.8])
    assert missing() == ["lottery ticket: no validation data, so early stopping is unknown."]


def test_what_was_not_measured_or_recorded_is_named(tmp_path, missing):
    write_replicate(tmp_path / "m/replicate_1", [0.9, None], early={0: (20, 0.5)}, layers=False)
    assert missing() == [
        "lottery ticket: level 1 of replicate_1 without early-stopping iteration.",
        "lottery ticket: level 1 of replicate_1 without test accuracy.",
        "lottery ticket: levels 0-1 of replicate_1 without densities by layer (the run was made "
        "before they were recorded).",
    ]


def test_a_run_that_has_just_begun_has_no_level(tmp_path, missing):
    write_replicate(tmp_path / "m/replicate_1")
    assert missing() == ["lottery ticket: no complete level."]
