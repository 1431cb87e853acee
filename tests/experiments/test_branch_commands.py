"""Branches through main.py: killed, interrupted, replayed, on two devices, and refused."""

import os
import shutil
import signal

import numpy as np
import pytest

import tf_lottery
from tests.report.runs_on_disk import write_branch
from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.branch_levels import levels_of_plan
from tf_lottery.experiments.finished.branches import finished_levels
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.store.errors import DamagedFileError, RunFolderError, RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors
from tf_lottery.tickets.branches import find_branch

BRANCH = "random_reinitialization"
# Long enough to be killed in the middle.
CHANGES = {"train_steps": "60it", "evaluate_every": "5it"}
LABEL = f"{BRANCH}-evaluate_every_5it-train_steps_60it"


@pytest.fixture
def start_branch(start_main, copied_run, tmp_path):
    """Returns a function that starts a branch of the copied run in a process."""

    def start(*flags, **arguments):
        common = ("--experiment=branch", f"--run={copied_run}", f"--branch={BRANCH}")
        changes = (f"--{name}={value}" for name, value in CHANGES.items())
        return start_main(*common, "--levels=1-2", *changes, *flags, workdir=tmp_path, **arguments)

    return start


@pytest.fixture(scope="module")
def reference(finished_run, outcome_of, tmp_path_factory):
    """What the branch comes to when nothing interrupts it."""
    copy = tmp_path_factory.mktemp("reference") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, copy)
    run_branch(copy, BRANCH, [np.int64(1), 2], **CHANGES)
    return outcome_of(copy / "branches" / LABEL)


@pytest.mark.slow
def test_a_killed_branch_ends_with_the_same_bits(start_branch, copied_run, outcome_of, reference):
    for moment in ("level_1/checkpoint/step_10", "level_1/level.json"):
        process = start_branch(signal_at=(f"branches/{LABEL}/{moment}", signal.SIGKILL))
        assert process.wait() == -signal.SIGKILL, process.output
    process = start_branch(last_file_operation=12, checkpoint_always=True)
    assert process.wait() == -signal.SIGKILL, process.output
    process = start_branch()
    assert process.wait() == 0, process.output
    assert outcome_of(copied_run / "branches" / LABEL) == reference


@pytest.mark.slow
def test_an_interrupted_branch_goes_on(start_branch, copied_run, outcome_of, reference):
    own = copied_run / "branches" / LABEL
    moment = f"branches/{LABEL}/level_1/checkpoint/step_10"
    process = start_branch(signal_at=(moment, signal.SIGINT))
    assert process.wait() == 130
    assert "The same command continues" in process.output
    assert "Traceback" not in process.output
    assert not (own / "level_1" / "level.json").exists()
    process = start_branch()
    assert process.wait() == 0, process.output
    assert "level 1 continues at step 10" in process.output
    assert outcome_of(own) == reference


@pytest.mark.slow
def test_a_run_goes_on_while_its_branch_is_trained(
    start_branch, half_run, run_tiny, outcome_of, reference
):
    moment = f"branches/{LABEL}/level_1/checkpoint/step_10"
    process = start_branch("--levels=1", signal_at=(moment, signal.SIGSTOP))
    process.wait_for(half_run, moment)
    run_tiny(half_run.parents[1])
    assert (half_run / "level_2" / "level.json").exists()
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait() == 0, process.output
    found = outcome_of(half_run / "branches" / LABEL)
    level_1 = {name for name in reference if name.startswith("level_1/")}
    assert {name: found[name] for name in level_1} == {name: reference[name] for name in level_1}


@pytest.mark.slow
def test_the_flag_file_replays_a_branch(start_main, copied_run, snapshot, tmp_path):
    own = copied_run / "branches" / "signed_reinitialization-learning_rate_0.01-branch_seed_3"
    run_branch(copied_run, "signed_reinitialization", [0, 1], learning_rate=0.01, branch_seed=3)
    before = snapshot(copied_run)
    process = start_main(f"--flagfile={own / 'flags.cfg'}", workdir=tmp_path)
    assert process.wait() == 0, process.output
    assert "levels 0 to 1 are complete already" in process.output
    assert f"Branch folder: {own}" in process.output
    after = snapshot(copied_run)
    assert {name: digest for name, (_, digest) in after.items()} == {
        name: digest for name, (_, digest) in before.items()
    }
    levels = {name for name in before if "summary." not in name and "densities." not in name}
    assert {name: after[name] for name in levels} == {name: before[name] for name in levels}


@pytest.mark.slow
def test_pruned_weights_stay_zero_on_two_devices(start_main, copied_run, tmp_path):
    flags = ("--num_virtual_devices=2", "--distribution=mirrored", f"--branch={BRANCH}")
    process = start_main(
        "--experiment=branch", f"--run={copied_run}", *flags, "--levels=2", workdir=tmp_path
    )
    assert process.wait() == 0, process.output
    assert "begun on 1 replicas and goes on with 2" in process.output
    level = copied_run / "branches" / BRANCH / "level_2"
    mask, weights = tf_lottery.Mask.load(level / "masks.npz"), load_tensors(level / "weights")
    assert mask.remaining == 1011
    for name, array in mask.items():
        assert not np.any(weights[name][~array])
        assert np.count_nonzero(weights[name][array]) > 0.99 * np.count_nonzero(array)


@pytest.mark.slow
def test_several_branches_of_all_replicates(start_main, copied_run, run_tiny, tmp_path):
    other = run_tiny(tmp_path, replicate=2, levels=1)
    process = start_main(
        *("--experiment=branch", f"--run={copied_run.parent}", "--levels=1"),
        *("--branch=random_mask,mask_of_replicate", f"--other_run={other}"),
        workdir=tmp_path,
    )
    assert process.wait() == 0, process.output
    masks = {}
    for run in (copied_run, other):
        own = run / "branches"
        names = {"random_mask", "mask_of_replicate-tiny_replicate_2"}
        assert {path.name for path in own.iterdir()} == names
        for branch in names:
            folders = {path.name for path in (own / branch).iterdir() if path.is_dir()}
            assert folders == {"level_1", "tensorboard"}
        masks[run] = tf_lottery.Mask.load(own / "random_mask" / "level_1" / "masks.npz")
    assert masks[copied_run] != masks[other]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": [1, 3]}, r"--levels: level 3 is not finished in .*; finished are 0, 1, 2"),
        ({"levels": []}, r"levels=\[\]: use a list of levels, such as \[0, 5\]"),
        (
            {"branch": "fine_tune", "levels": [0]},
            r"--levels: --branch=fine_tune starts from level 1 or later",
        ),
        ({"branch": "magic"}, r"--branch=magic is not a known .*fine_tune.*retrain"),
        ({"pruning_rate": 0.5}, r"--pruning_rate=0\.5: a branch cannot .* has 0\.2.*learning_rate"),
        ({"model": "lenet_8"}, r"--model=lenet_8: a branch cannot .* has lenet_20_10"),
        ({"replicate": 2}, r"--replicate=2: a branch cannot"),
        (
            {"learnin_rate": 0.1},
            r"^learnin_rate=0\.1: there is no argument and no flag .* Did you mean learning_rate\?",
        ),
        ({"learning_rate": -1.0}, r"--learning_rate=-1\.0 is out of range"),
        ({"train_steps": "5it"}, r"--rewind_step=7it is iteration 7, but training ends at 5"),
        ({"branch": "mask_of_replicate"}, r"--branch=mask_of_replicate needs --other_run"),
        (
            {"branch": "before_training", "score": "snip", "pruning_scope": "layerwise"},
            r"--pruning_scope=layerwise: --branch=before_training ranks .* together with "
            r"--score=snip.*--branch=before_training_layerwise",
        ),
        ({"branch": "random_mask", "branch_seed": -1}, r"--branch_seed=-1 is out of range"),
        (
            {"rewind_step": "0it", "levels": [0, 1]},
            r"--rewind_step=0it: level 0 is trained from its first step, .* leave out the flag",
        ),
        (
            {"warmup_steps": "7it"},
            r"--warmup_steps=7it: level 1 is trained from the rewind step on, when the warmup is",
        ),
        (
            {"smallest_crop": 0.5},
            r"--smallest_crop=0\.5: it changes nothing of data that are held in memory",
        ),
    ],
    ids=str,
)
def test_refused_before_anything_is_written(copied_run, snapshot, arguments, message):
    before = snapshot(copied_run)
    with pytest.raises(ValueError, match=message):
        run_branch(copied_run, **{"branch": "retrain", "levels": [1], **arguments})
    assert snapshot(copied_run) == before
    assert not (copied_run / "branches").exists()


@pytest.mark.parametrize(
    ("branch", "changes", "made", "message"),
    [
        ("fine_tune", {}, {"prune_from": "rewind_step"}, "goes on from .* which are not trained"),
        ("rewind_learning_rate", {}, {"prune_from": "rewind_step"}, "goes on from .* not trained"),
        ("before_training", {"score": "movement"}, {}, "where --score=movement is 0 for all"),
        ("before_training_layerwise", {}, {"score": "movement"}, "where --score=movement is 0"),
    ],
    ids=str,
)
def test_what_makes_no_sense_of_an_untrained_network_is_refused(
    made_with, branch, changes, made, message
):
    run, said = made_with(**made), f"--branch={branch} of .* {message}"
    with pytest.raises(ValueError, match=said):
        run_branch(run, branch, **changes)
    with pytest.raises(ValueError, match=said):
        finished_levels(plan_branch(run, branch, changes), None)
    assert not (run / "branches").exists()


def levels_by_default(run, branch, **changes):
    return levels_of_plan(plan_branch(run, branch, changes), find_branch(branch), None)


@pytest.mark.parametrize(
    ("branch", "changes", "levels"),
    [
        ("retrain", {"rewind_step": "0it"}, [1, 2]),
        ("signed_constant", {"rewind_step": "0it"}, [1, 2]),
        ("perturbed", {"rewind_step": "0it"}, [0, 1]),
        ("retrain", {"warmup_steps": "7it"}, [0]),
        ("retrain", {"warmup_steps": "8it"}, [0, 1, 2]),
        # The schedule begins after the warmup.
        ("retrain", {"warmup_steps": "7it", "lr_schedule": "cosine"}, [0, 1, 2]),
        ("retrain", {"warmup_steps": "7it", "batch_size": 30}, [0, 1, 2]),
        ("perturbed", {"warmup_steps": "7it"}, [0, 1]),
    ],
    ids=str,
)
def test_levels_of_which_a_flag_changes_nothing_are_left_out(finished_run, branch, changes, levels):
    assert levels_by_default(finished_run, branch, **changes) == levels


def test_what_is_left_out_is_told(copied_run, capsys):
    rows = run_branch(copied_run, "retrain", rewind_step="0it", train_steps="12it")
    assert [row.level for row in rows] == [1, 2]
    assert (
        "Note: --branch=retrain leaves out level 0: --rewind_step=0it: level 0 is trained from "
        "its first step." in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "branch",
    ["random_mask", "random_mask_uniform", "random_mask_erk", "shuffled_units"],
)
def test_where_nothing_is_pruned_no_mask_is_moved(copied_run, branch):
    assert levels_by_default(copied_run, branch) == [1, 2]
    plan = plan_branch(copied_run, branch, {})
    with pytest.raises(ValueError, match=f"^--levels: nothing is pruned at level 0, and {branch}"):
        levels_of_plan(plan, find_branch(branch), [0, 1])
    # As in a run with --ticket.
    level = RunFolder.read(copied_run).level(0)
    record = {**level.record(), "density": 0.5}
    (level.path / "level.json").unlink()
    level.complete(record)
    assert levels_by_default(copied_run, branch) == [0, 1, 2]
    assert levels_of_plan(plan, find_branch(branch), [0]) == [0]


def test_of_a_dense_network_alone_no_mask_can_be_moved(copied_run):
    for level in (1, 2):
        shutil.rmtree(copied_run / f"level_{level}")
    message = r"--levels: there is none for --branch=random_mask: nothing is pruned at level 0"
    with pytest.raises(ValueError, match=message):
        run_branch(copied_run, "random_mask")
    assert not (copied_run / "branches").exists()


def test_a_branch_goes_on_with_the_levels_that_it_was_begun_with(copied_run):
    write_branch(copied_run, "random_mask", {}, details={"branch_levels": [0, 1]})
    label = "retrain-rewind_step_0it"
    write_branch(copied_run, label, {}, details={"branch_levels": [0]})
    assert levels_by_default(copied_run, "random_mask") == [0, 1, 2]
    plan = plan_branch(copied_run, "retrain", {"rewind_step": "0it"})
    assert (plan.label, levels_of_plan(plan, find_branch("retrain"), [0])) == (label, [0])


def test_what_is_no_run_folder_is_refused(copied_run, tmp_path):
    for folder in (tmp_path / "nothing", copied_run.parent):
        with pytest.raises(RunFolderError, match=r"is not a run folder: it has no config\.json"):
            run_branch(folder, "retrain", [1])
    assert not (tmp_path / "nothing").exists()
    run_branch(copied_run, "retrain", [1])
    with pytest.raises(ValueError, match=r"--run=.* is a branch itself; name the run"):
        run_branch(copied_run / "branches" / "retrain", "random_mask", [1])


def test_other_data_are_refused(copied_run, snapshot):
    before = snapshot(copied_run)
    digits = tf_lottery.data.load_dataset("digits", validation_examples=200)
    digits.train.images[0, 0, 0] += 1
    with pytest.raises(RunFolderMismatchError, match="dataset=digits: the examples are not"):
        run_branch(copied_run, "retrain", [1], dataset=digits)
    assert snapshot(copied_run) == before


def test_another_optimizer_has_no_slots_to_rewind(made_with):
    run = made_with(rewind_optimizer=True)
    with pytest.raises(ValueError, match=r"--optimizer=sgd: .*--rewind_optimizer\), adam"):
        run_branch(run, "retrain", [1], optimizer="sgd")
    assert not (run / "branches").exists()


@pytest.mark.parametrize("file", ["masks.npz", "weights.data-00000-of-00001", "metrics.csv"])
def test_a_damaged_level_is_refused(copied_run, snapshot, file):
    path = copied_run / "level_2" / file
    path.write_bytes(path.read_bytes()[:-5])
    before = snapshot(copied_run)
    with pytest.raises(DamagedFileError, match=str(path)):
        run_branch(copied_run, "random_mask")
    assert snapshot(copied_run) == before


@pytest.mark.slow
def test_another_run_that_does_not_fit_is_refused(copied_run, run_tiny, tmp_path):
    wide = run_tiny(tmp_path, name="wide", model="lenet_24_10", levels=1)
    cases = {
        tmp_path / "nothing": "is not a run folder",
        copied_run.parent: "is not a run folder",
        wide: r"its masks are those of --model=lenet_24_10, .*lenet_20_10",
    }
    for other, message in cases.items():
        with pytest.raises(ValueError, match=rf"--other_run={other}: .*{message}"):
            run_branch(copied_run, "mask_of_replicate", [1], other_run=str(other))
    with pytest.raises(ValueError, match=rf"--other_run={wide}: level 2 is not finished"):
        run_branch(copied_run, "mask_of_replicate", [1, 2], other_run=str(wide))
    assert not (copied_run / "branches").exists()


@pytest.mark.slow
def test_paths_of_a_branch_are_kept_as_absolute_ones(copied_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_branch(os.path.relpath(copied_run), "retrain", [1], data_dir="sets")
    flags = (copied_run / "branches" / "retrain" / "flags.cfg").read_text().splitlines()
    assert f"--run={copied_run}" in flags
    assert f"--data_dir={tmp_path / 'sets'}" in flags
