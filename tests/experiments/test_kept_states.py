"""Branches are rewound to any step whose state their run has kept."""

import csv

import numpy as np
import pytest

import tf_lottery
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors

NO_LEARNING = 1e-30


@pytest.fixture(scope="module")
def keeping(run_tiny, tmp_path_factory):
    """A run that is rewound to iteration 7 and has kept the state of iteration 12 too."""
    return run_tiny(tmp_path_factory.mktemp("keeping"), levels=1, keep_states="12it")


@pytest.fixture(scope="module")
def rewound_to_12(run_tiny, tmp_path_factory):
    """The same, but rewound to iteration 12."""
    return run_tiny(tmp_path_factory.mktemp("rewound_to_12"), levels=1, rewind_step="12it")


def weights_in(run, level):
    return load_tensors(run / f"level_{level}" / "weights")


def steps_in(run, level):
    with (run / f"level_{level}" / "metrics.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_the_dense_network_from_a_kept_state_is_that_of_a_run_with_this_rewind_step(
    keeping, rewound_to_12
):
    run_branch(keeping, "rewound_dense", rewind_step="12it", data_seed=5)
    run_branch(rewound_to_12, "rewound_dense", data_seed=5)
    ours = weights_in(keeping / "branches/rewound_dense-data_seed_5-rewind_step_12it", 0)
    theirs = weights_in(rewound_to_12 / "branches/rewound_dense-data_seed_5", 0)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("step", [0, pytest.param(7, marks=pytest.mark.slow), 12])
def test_a_ticket_is_rewound_to_a_kept_state(keeping, step):
    run_branch(
        keeping, "retrain", [1], rewind_step=f"{step}it", optimizer="sgd", learning_rate=NO_LEARNING
    )
    label = "retrain-learning_rate_1e_30-optimizer_sgd"
    label += "" if step == 7 else f"-rewind_step_{step}it"
    branch = keeping / "branches" / label
    states = {
        0: None,
        7: load_tensors(keeping / "rewind" / "tensors"),
        12: load_tensors(keeping / "states" / "step_12" / "tensors"),
    }
    mask = tf_lottery.Mask.load(keeping / "level_1" / "masks.npz")
    assert tf_lottery.Mask.load(branch / "level_1" / "masks.npz") == mask
    assert steps_in(branch, 1)[0] == step
    found = weights_in(branch, 1)
    for name, survivors in mask.items():
        assert not np.any(found[name][~survivors])
        if states[step] is not None:
            expected = states[step][f"weights/{name}"]
            assert np.array_equal(found[name][survivors], expected[survivors])


@pytest.mark.parametrize(
    ("branch", "changes", "message"),
    [
        (
            "retrain",
            {"rewind_step": "3it"},
            r"--rewind_step=3it: .* keeps no state of iteration 3, but of 0, 7, 12; a run with "
            r"--keep_states=3it keeps it too",
        ),
        # Of what length an epoch is, the data have to tell.
        (
            "retrain",
            {"rewind_step": "3it", "train_steps": "60it"},
            "--rewind_step=3it: .* keeps no state of iteration 3, but of 0, 7, 12",
        ),
        ("fine_tune", {"rewind_step": "12it"}, r"--rewind_step=12it: --branch=fine_tune .*rewinds"),
        ("retrain", {"rewind_step": "soon"}, r"--rewind_step: 'soon' is not a point in training"),
    ],
)
def test_what_cannot_be_rewound_to_is_refused(keeping, branch, changes, message):
    before = sorted((keeping / "branches").glob("*"))
    with pytest.raises(ValueError, match=message):
        run_branch(keeping, branch, [1], **changes)
    assert sorted((keeping / "branches").glob("*")) == before


def test_half_written_states_are_not_counted(keeping):
    (keeping / "states" / "step_9.tmp-1").mkdir()
    try:
        assert RunFolder.read(keeping).kept_steps() == [0, 7, 12]
    finally:
        (keeping / "states" / "step_9.tmp-1").rmdir()
