"""Branches train as their experiment does, but for what they change; bit for bit."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.data import Epoch, epoch_order, load_dataset
from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.branch_levels import check_makes_sense
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.store.atomic import is_leftover
from tf_lottery.store.lock import exclusive
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors
from tf_lottery.tickets.branches import find_branch
from tf_lottery.training.network import Network

# Float32 weights do not feel it.
TO_1E_4 = {"lr_schedule": "linear", "final_learning_rate": 1e-4}
NO_LEARNING = 1e-30


def levels_in(outcome, *numbers):
    """What an outcome says of the levels' masks, weights and metrics."""
    levels = {f"level_{number}" for number in numbers}
    found = {name: content for name, content in outcome.items() if name.split("/")[0] in levels}
    assert len(found) == 5 * len(levels)
    return found


def weights_in(run, level):
    return load_tensors(run / f"level_{level}" / "weights")


def mask_in(run, level):
    return tf_lottery.Mask.load(run / f"level_{level}" / "masks.npz")


def rows_in(run, level):
    with (run / f"level_{level}" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"rewind_optimizer": True, "same_data_order": True}, marks=pytest.mark.slow),
        pytest.param(
            {"retraining": "fine_tune", "lr_schedule": "linear", "fine_tune_learning_rate": 1e-4},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"retraining": "rewind_learning_rate", "prune_from": "dense", "score": "snip"},
            marks=pytest.mark.slow,
        ),
    ],
    ids=str,
)
def test_a_branch_without_changes_is_its_run_again(run_tiny, outcome_of, flags, tmp_path):
    run = run_tiny(tmp_path, **flags)
    run_branch(run, "retrain")
    expected, found = outcome_of(run), outcome_of(run / "branches" / "retrain")
    assert levels_in(found, 0, 1, 2) == levels_in(expected, 0, 1, 2)
    assert found["summary.csv"] == expected["summary.csv"]


def test_values_of_the_run_are_no_changes(copied_run, outcome_of):
    run_branch(copied_run, "retrain", learning_rate=1.2e-3, batch_size=60)
    (own,) = (copied_run / "branches").iterdir()
    assert own.name == "retrain"
    expected, found = outcome_of(copied_run), outcome_of(own)
    assert levels_in(found, 0, 1, 2) == levels_in(expected, 0, 1, 2)
    assert found["summary.csv"] == expected["summary.csv"]


@pytest.mark.parametrize(
    ("branch", "of", "flags", "levels"),
    [
        pytest.param("one_shot", {}, {"prune_from": "dense"}, (1, 2), marks=pytest.mark.slow),
        pytest.param(
            "one_shot",
            {"retraining": "rewind_learning_rate"},
            {"prune_from": "dense", "retraining": "rewind_learning_rate"},
            (1, 2),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "before_training", {}, {"prune_from": "rewind_step"}, (1, 2), marks=pytest.mark.slow
        ),
        # At later levels the run goes on from what it has retrained itself.
        pytest.param(
            "rewind_learning_rate",
            {},
            {"retraining": "rewind_learning_rate", "levels": 1},
            (1,),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "fine_tune",
            {"rewind_optimizer": True, **TO_1E_4, "levels": 1},
            {"retraining": "fine_tune", **TO_1E_4, "levels": 1},
            (1,),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_branches_that_are_runs_as_well(
    copied_run, run_tiny, outcome_of, branch, of, flags, levels, tmp_path
):
    run = run_tiny(tmp_path / "run", **of) if of else copied_run
    same = run_tiny(tmp_path / "same", **flags)
    run_branch(run, branch, levels)
    found = outcome_of(run / "branches" / branch)
    assert levels_in(found, *levels) == levels_in(outcome_of(same), *levels)


def test_a_joined_branch_trains_the_mask_of_one_from_the_weights_of_the_other(
    copied_run, outcome_of, capsys
):
    """The first level of iterative pruning is one shot; so are the levels of the branches."""
    joined = "one_shot+random_reinitialization"
    for branch in (joined, "random_reinitialization"):
        run_branch(copied_run, branch, [1])
        said = " ".join(capsys.readouterr().out.split())
        assert "trained 7 iterations fewer than the dense network." in said
    own, plain = (copied_run / "branches" / name for name in (joined, "random_reinitialization"))
    assert levels_in(outcome_of(own), 1) == levels_in(outcome_of(plain), 1)
    assert RunFolder.read(own).kind_of_branch == joined


@pytest.mark.parametrize(
    ("branch", "flag", "changes"),
    [
        ("one_shot", {"prune_from": "dense"}, {}),
        ("one_shot", {"prune_from": "dense"}, {"learning_rate": 0.01}),
        ("before_training", {"prune_from": "rewind_step"}, {}),
        (
            "before_training_layerwise",
            {"prune_from": "rewind_step", "pruning_scope": "layerwise"},
            {},
        ),
        ("fine_tune", {"retraining": "fine_tune"}, {}),
        ("rewind_learning_rate", {"retraining": "rewind_learning_rate"}, {}),
    ],
)
def test_a_branch_that_would_be_its_run_again_is_refused(made_with, branch, flag, changes):
    run = made_with(**flag)
    name, value = next(iter(flag.items()))
    message = (
        rf"^--branch={re.escape(branch)} of {run} does what the run does \(--{name}={value}\), and "
        r"would be a copy under another label; flags of training are for --branch=retrain\.$"
    )
    with pytest.raises(ValueError, match=message):
        run_branch(run, branch, **changes)
    assert not (run / "branches").exists()


def test_a_joined_branch_that_would_be_its_second_part_is_refused(made_with):
    run = made_with(prune_from="dense")
    message = (
        rf"^--branch=one_shot\+signed_constant of {run} has the masks of the run "
        r"\(--prune_from=dense\), and would be a copy of --branch=signed_constant under another "
        r"label\.$"
    )
    with pytest.raises(ValueError, match=message):
        run_branch(run, "one_shot+signed_constant")
    assert not (run / "branches").exists()


@pytest.mark.parametrize(
    ("branch", "flag", "changes"),
    [
        ("one_shot", {"prune_from": "dense"}, {"score": "random"}),
        ("one_shot", {"retraining": "fine_tune"}, {}),
        ("before_training", {"prune_from": "rewind_step"}, {"score": "snip"}),
        # Those of a layer may differ in number.
        (
            "before_training",
            {"prune_from": "rewind_step", "score": "snip", "pruning_scope": "layerwise"},
            {},
        ),
        ("before_training_layerwise", {"prune_from": "rewind_step"}, {}),
    ],
)
def test_branches_that_prune_otherwise_than_their_run_are_not(made_with, branch, flag, changes):
    plan = plan_branch(made_with(**{"pruning_scope": "global", **flag}), branch, changes)
    check_makes_sense(plan, find_branch(branch))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"batch_size": 30, "train_steps": "30it"}, marks=pytest.mark.slow),
        {"learning_rate": 0.01, "optimizer": "sgd", "data_seed": 7, "shift_crop": 1},
    ],
    ids=str,
)
def test_changes_train_as_a_run_with_these_flags(
    copied_run, run_tiny, outcome_of, changes, tmp_path
):
    run_branch(copied_run, "retrain", [0], **changes)
    label = "-".join(["retrain", *(f"{name}_{value}" for name, value in sorted(changes.items()))])
    own = copied_run / "branches" / label
    dense = run_tiny(tmp_path / "other", experiment="train", **changes)
    assert levels_in(outcome_of(own), 0) == levels_in(outcome_of(dense), 0)
    assert levels_in(outcome_of(own), 0) != levels_in(outcome_of(copied_run), 0)
    assert json.loads((own / "config.json").read_text())["details"]["changes"] == changes


@pytest.mark.slow
@pytest.mark.parametrize("rewind_optimizer", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_branch_has_its_own_learning_rate(copied_run, run_tiny, rewind_optimizer, tmp_path):
    run = run_tiny(tmp_path / "slots", rewind_optimizer=True) if rewind_optimizer else copied_run
    run_branch(run, "retrain", [1], learning_rate=NO_LEARNING)
    trained = weights_in(run / "branches" / "retrain-learning_rate_1e_30", 1)
    rewound = load_tensors(run / "rewind" / "tensors")
    early = {name: rewound[f"weights/{name}"] for name in trained}
    for name, array in mask_in(run, 1).apply(early).items():
        np.testing.assert_array_equal(trained[name], array)


@pytest.mark.slow
def test_random_reinitialization_changes_the_weights_alone(copied_run):
    run_branch(copied_run, "random_reinitialization")
    own = copied_run / "branches" / "random_reinitialization"
    for level in range(3):
        mask, weights = mask_in(own, level), weights_in(own, level)
        assert mask == mask_in(copied_run, level)
        for name, array in mask.items():
            assert not np.any(weights[name][~array])
            assert not np.any(np.signbit(weights[name][~array]))
            assert not np.any((weights[name] == weights_in(copied_run, level)[name]) & array)
        steps = [row["step"] for row in rows_in(own, level)]
        assert steps == [row["step"] for row in rows_in(copied_run, level)]


def test_new_weights_begin_with_fresh_slots(made_with, monkeypatch, capsys):
    """Where the run rewinds its optimizer too; a branch of an older version goes on as it began."""
    run, asked = made_with(rewind_optimizer=True), []
    rewind = Network.rewind

    def seen(self, *state, **options):
        if "rewind_optimizer" in options:
            asked.append(options["rewind_optimizer"])
        rewind(self, *state, **options)

    monkeypatch.setattr(Network, "rewind", seen)
    run_branch(run, "random_reinitialization", [1])
    edit_config(run / "branches" / "random_reinitialization", details={"rules": 3})
    run_branch(run, "random_reinitialization", [2])
    fewer = (
        "\nThe new weights begin at iteration 7, as those of the ticket do: they are\n"
        "trained 7 iterations fewer than the dense network.\n"
    )
    assert fewer in capsys.readouterr().out
    run_branch(run, "random_mask", [2])
    assert asked == [False, True, True]
    assert fewer not in capsys.readouterr().out


def test_what_an_analysis_has_trained_is_listed_once_the_user_asks_for_it(copied_run, command):
    def is_step(label):
        return RunFolder.read(copied_run / "branches" / label).details.for_analysis

    # As long as the run, whose compiled functions train them.
    other = {"data_seed": 5}
    label = "retrain-data_seed_5"
    for _ in range(2):
        run_branch(copied_run, "retrain", [1], for_analysis=True, **other)
        assert is_step(label)
    given = ("--experiment=branch", f"--run={copied_run}", "--branch=retrain", "--levels=1")
    changes = ("--data_seed=5",)
    command(*given, *changes, "--for_analysis", workdir=copied_run.parents[1])
    assert is_step(label)
    # Nothing is left to train.
    command(*given, *changes, workdir=copied_run.parents[1])
    assert not is_step(label)
    run_branch(copied_run, "retrain", [1], for_analysis=True, **other)
    assert not is_step(label)
    run_branch(copied_run, "random_mask", [1], for_analysis=True, **other)
    run_branch(copied_run, "random_mask", [1, 2], **other)
    assert not is_step("random_mask-data_seed_5")


@pytest.mark.slow
def test_new_weights_see_the_batches_of_the_level(copied_run):
    """Without learning, the training loss is that of the last weights on the level's batches."""
    run_branch(copied_run, "random_reinitialization", [2], learning_rate=NO_LEARNING)
    own = copied_run / "branches" / "random_reinitialization-learning_rate_1e_30"
    model = tf_lottery.load_ticket(own, 2)
    data = load_dataset("digits", validation_examples=200, split_seed=0).train
    order = epoch_order(Epoch(1, 2, 0), len(data))
    for row, steps in zip(rows_in(own, 2)[1:], (slice(7, 10), slice(10, 20)), strict=False):
        examples = order[steps.start * 60 : steps.stop * 60]
        logits = model(data.images[examples].astype(np.float32)).numpy().astype(np.float64)
        losses = np.log(np.exp(logits).sum(axis=1))
        losses -= logits[np.arange(len(logits)), data.labels[examples]]
        assert row["step"] == str(steps.stop)
        assert float(row["train_loss_since_last_row"]) == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.slow
def test_other_seeds_of_a_branch_are_other_branches(copied_run, outcome_of):
    for seed in (0, 1):
        run_branch(copied_run, "random_mask", [1], branch_seed=seed)
    own = copied_run / "branches"
    assert {path.name for path in own.iterdir()} == {"random_mask", "random_mask-branch_seed_1"}
    assert mask_in(own / "random_mask", 1) != mask_in(own / "random_mask-branch_seed_1", 1)


def test_the_mask_of_another_replicate(copied_run, run_tiny, tmp_path, monkeypatch):
    other = run_tiny(tmp_path, replicate=2, levels=1)
    monkeypatch.chdir(tmp_path)
    run_branch(copied_run, "mask_of_replicate", [1], other_run="tiny/replicate_2")
    own = copied_run / "branches" / "mask_of_replicate-tiny_replicate_2"
    assert mask_in(own, 1) == mask_in(other, 1) != mask_in(copied_run, 1)
    flags = (own / "flags.cfg").read_text().splitlines()
    assert f"--other_run={other}" in flags


def test_that_another_run_has_no_other_mask_is_told(copied_run, tmp_path, capsys):
    copy = tmp_path / "copy" / "replicate_1"
    shutil.copytree(copied_run, copy)
    run_branch(copied_run, "mask_of_replicate", [1], other_run=str(copy))
    said = " ".join(capsys.readouterr().out.split())
    assert f"--other_run={copy} has the masks of {copied_run} itself at level 1: there " in said


def test_the_run_folder_is_left_as_it_was(copied_run, snapshot):
    before = snapshot(copied_run)
    run_branch(copied_run, "signed_constant", [2])
    after = snapshot(copied_run)
    own = {name for name in after if name.startswith("branches/signed_constant/")}
    assert len(own) > 7
    assert {name: seen for name, seen in after.items() if name not in own} == before


@pytest.mark.slow
def test_finished_levels_of_a_running_experiment(half_run, snapshot, outcome_of, capsys):
    before = snapshot(half_run)
    with exclusive(half_run):
        rows = run_branch(half_run, "retrain")
    assert [row.level for row in rows] == [0, 1]
    output = capsys.readouterr().out
    for row in rows:
        assert output.count(f"{row.test_accuracy:.2%}") >= 2, "the ticket is shown beside it"
    after = snapshot(half_run)
    assert {n: seen for n, seen in after.items() if not n.startswith("branches/")} == before
    found = outcome_of(half_run / "branches" / "retrain")
    assert levels_in(found, 0, 1) == levels_in(outcome_of(half_run), 0, 1)


def test_a_run_that_goes_on_leaves_unfinished_branches_alone(half_run, run_tiny, snapshot):
    unfinished = half_run / "branches" / "retrain" / "level_1" / "weights.tmp-0123456789ab"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_text("half of it")
    own_leftover = half_run / "level_1" / "weights.tmp-0123456789ab"
    own_leftover.write_text("half of it")
    before = snapshot(half_run / "branches")
    run_tiny(half_run.parents[1])
    assert (half_run / "level_2" / "level.json").exists()
    assert snapshot(half_run / "branches") == before
    assert not any(is_leftover(path.name) for path in (half_run / "level_1").iterdir())


def test_levels_are_added_and_not_done_again(copied_run, snapshot, outcome_of, capsys):
    own = copied_run / "branches" / "random_mask"
    run_branch(copied_run, "random_mask", [2])
    before = snapshot(own)
    capsys.readouterr()
    rows = run_branch(copied_run, "random_mask", [1, 2])
    after = snapshot(own)
    assert [row.level for row in rows] == [1, 2]
    assert "level 2 is complete already" in capsys.readouterr().out
    done = {name for name in before if name.startswith(("level_2", "tensorboard/level_2"))}
    assert {name: after[name] for name in done} == {name: before[name] for name in done}
    assert json.loads((own / "config.json").read_text())["details"]["branch_levels"] == [1, 2]
    levels = [row["level"] for row in csv.DictReader((own / "summary.csv").open())]
    assert levels == ["1", "2"]


def test_an_argument_that_a_branch_does_not_have_is_named_before_own_data_are_asked_for(copied_run):
    edit_config(copied_run, details={"data_name": "mine"})
    with pytest.raises(ValueError, match=r"^data=1: there is no argument and no flag of"):
        tf_lottery.run_branch(copied_run, "random_mask", data=1)
