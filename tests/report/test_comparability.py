from types import SimpleNamespace

import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report.comparability import comparability_notices, flag_differences
from tf_lottery.report.method_results import collect_methods
from tf_lottery.report.report import compare_runs
from tf_lottery.report.run_records import read_run


@pytest.fixture
def methods(tmp_path):
    return lambda *runs: collect_methods([read_run(tmp_path / run) for run in runs])


def test_like_runs_raise_no_notice_and_no_flags_differ(tmp_path, methods):
    for name in ("a", "b"):
        for number in (1, 2):
            flags = {"replicate": number, "init_seed": 7 * number}
            write_replicate(tmp_path / name / f"replicate_{number}", [0.9], identity=flags)
    found = methods("a/replicate_1", "a/replicate_2", "b/replicate_1", "b/replicate_2")
    assert comparability_notices(found) == []
    assert flag_differences(found).rows == ()


def test_other_data_sets_and_networks_are_noticed(tmp_path, methods):
    write_replicate(tmp_path / "a/replicate_1", [0.9])
    write_replicate(
        tmp_path / "b/replicate_1",
        [0.9],
        identity={"dataset": "mnist", "model": "conv2"},
        details={"data_sha256": "other"},
    )
    assert comparability_notices(methods("a/replicate_1", "b/replicate_1")) == [
        "Different data sets are compared here: digits (a); mnist (b).",
        "Different networks are compared here: lenet_300_100 (a); conv2 (b).",
    ]


def test_other_examples_of_a_data_set_of_the_same_name_are_noticed(tmp_path, methods):
    write_replicate(tmp_path / "a/replicate_1", [0.9])
    write_replicate(tmp_path / "b/replicate_1", [0.9], details={"data_sha256": "f" * 64})
    (notice,) = comparability_notices(methods("a/replicate_1", "b/replicate_1"))
    assert notice.startswith("The examples differ, although the data set has the same name")
    assert "ffffffffffff… (b)" in notice


def test_replicates_of_other_flags_are_noticed(tmp_path, methods):
    write_replicate(tmp_path / "a/replicate_1", [0.9])
    write_replicate(tmp_path / "a/replicate_2", [0.9], identity={"learning_rate": 0.2})
    assert comparability_notices(methods("a/replicate_1", "a/replicate_2")) == [
        "lottery ticket: the replicates, of which means are taken, differ in --learning_rate."
    ]


def test_flags_that_differ_are_listed_with_what_a_branch_changes(tmp_path, methods):
    one = write_replicate(tmp_path / "a/replicate_1", [0.9], identity={"rewind_step": "1ep"})
    write_branch(
        one,
        "retrain-learning_rate_0.5",
        {1: 0.8},
        # A branch has the rewind step in iterations.
        identity={"learning_rate": 0.5, "rewind_step": "10it"},
        details={"changes": {"learning_rate": 0.5}},
    )
    write_replicate(
        tmp_path / "b/replicate_1", [0.9], identity={"rewind_step": "1ep", "unknown": None}
    )
    table = flag_differences(methods("a/replicate_1", "b/replicate_1"))
    assert table.columns == ("a", "a: retrain, learning rate 0.5", "b")
    assert table.rows == (
        ("learning_rate", ("0.1", "0.5", "0.1")),
        ("unknown", ("not recorded", "not recorded", "unset")),
    )


def test_data_of_ones_own_are_told_by_their_name(tmp_path, methods):
    write_replicate(tmp_path / "a/replicate_1", [0.9])
    own = {"data_sha256": "f" * 64, "data_name": "flowers"}
    page = compare_runs([write_replicate(tmp_path / "b/replicate_1", [0.9], details=own)]).page
    assert "flowers · lenet_300_100" in page.read_text()
    assert comparability_notices(methods("a/replicate_1", "b/replicate_1")) == [
        "Different data sets are compared here: digits (a); flowers (b)."
    ]


def test_flags_that_an_older_version_did_not_have_count_as_their_defaults(tmp_path, methods):
    write_replicate(tmp_path / "a/replicate_1", [0.9])
    new = {"clip_norm": None, "pruning_scope": "global"}
    write_replicate(tmp_path / "a/replicate_2", [0.9], identity=new)
    write_replicate(tmp_path / "b/replicate_1", [0.9], identity={"clip_norm": 1.0})
    found = methods("a/replicate_1", "a/replicate_2", "b/replicate_1")
    assert comparability_notices(found) == []
    assert flag_differences(found).rows == (("clip_norm", ("unset", "1.0")),)


def test_units_of_an_older_version_were_not_trained_in_small_networks(tmp_path, methods):
    units = {"structure": "units"}
    write_replicate(tmp_path / "a/replicate_1", [0.9], identity=units)
    masked, small = ({**units, "compact_training": value} for value in (False, True))
    write_replicate(tmp_path / "a/replicate_2", [0.9], identity=masked)
    assert comparability_notices(methods("a/replicate_1", "a/replicate_2")) == []
    write_replicate(tmp_path / "a/replicate_3", [0.9], identity=small)
    assert comparability_notices(methods("a/replicate_1", "a/replicate_3")) == [
        "lottery ticket: the replicates, of which means are taken, differ in --compact_training."
    ]


@pytest.mark.parametrize(("scale", "differs"), [(2.0, False), (3.0, True)])
def test_parameters_that_a_branch_did_not_have_count_as_their_defaults(
    tmp_path, methods, monkeypatch, scale, differs
):
    options = {"scale": SimpleNamespace(default=2.0)}
    monkeypatch.setattr("tf_lottery.report.known_flags.branch_options", lambda: options)
    for number, more in ((1, {}), (2, {"scale": scale})):
        run = write_replicate(tmp_path / f"a/replicate_{number}", [0.9])
        write_branch(run, "scaled", {1: 0.8}, identity=more)
    notices = comparability_notices(methods("a/replicate_1", "a/replicate_2"))
    sentence = "scaled: the replicates, of which means are taken, differ in --scale."
    assert notices == ([sentence] if differs else [])


@pytest.mark.parametrize(
    ("label", "changes", "rules", "told"),
    [
        ("signed_constant", {}, 3, True),
        ("random_reinitialization", {"optimizer": "sgd", "momentum": 0.9}, 3, True),
        ("random_reinitialization", {"optimizer": "sgd"}, 3, False),
        ("signed_constant", {"rewind_optimizer": False}, 3, False),
        ("signed_constant", {}, 4, False),
        ("random_mask", {}, 3, False),
    ],
)
def test_new_weights_with_the_slots_of_the_old_are_noticed(
    tmp_path, methods, label, changes, rules, told
):
    identity = {"rewind_optimizer": True, "optimizer": "adam", **changes}
    details = {"rules": rules, "rewind_step": 5}
    run = write_replicate(tmp_path / "a/replicate_1", [0.9], identity=identity, details=details)
    write_branch(run, label, {1: 0.8}, identity=identity, details=details)
    notices = [
        each for each in comparability_notices(methods("a/replicate_1")) if "slots of" in each
    ]
    expected = (
        f"Made by an older version of tf_lottery: {label.replace('_', ' ')}. There the new weights "
        "began with the optimizer's slots of the old ones (--rewind_optimizer); now they begin "
        "with fresh slots."
    )
    assert notices == ([expected] if told else [])
