"""Branches from moved rewind points: what they train, what they are called, what they refuse."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.tensors import load_tensors

# Float32 weights do not feel it.
NO_MOVE = 1e-30


def weights_in(run: Path, level: int) -> dict[str, np.ndarray]:
    return load_tensors(run / f"level_{level}" / "weights")


def mask_in(run: Path, level: int) -> tf_lottery.Mask:
    return tf_lottery.Mask.load(run / f"level_{level}" / "masks.npz")


@pytest.mark.parametrize(
    "flags", [{}, pytest.param({"rewind_optimizer": True}, marks=pytest.mark.slow)], ids=str
)
def test_without_a_move_every_level_is_itself_again(finished_run, run_tiny, tmp_path, flags):
    run = run_tiny(tmp_path, **flags) if flags else shutil.copytree(finished_run, tmp_path / "run")
    run_branch(run, "perturbed", perturbation=NO_MOVE)
    own = run / "branches" / "perturbed-perturbation_1e_30"
    assert {path.name for path in own.glob("level_*")} == {"level_0", "level_1"}
    for level in (0, 1):
        expected, found = weights_in(run, level), weights_in(own, level)
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def test_it_trains_from_a_moved_rewind_point_under_the_mask(copied_run):
    # Without learning the network stays where it was put.
    run_branch(copied_run, "perturbed", [1], perturbation=0.5, learning_rate=1e-30)
    own = copied_run / "branches" / "perturbed-learning_rate_1e_30-perturbation_0.5"
    rewound = load_tensors(copied_run / "rewind" / "tensors")
    mask, following, found = mask_in(own, 1), mask_in(copied_run, 2), weights_in(own, 1)
    assert mask == mask_in(copied_run, 1)
    squares, expected = 0.0, 0.0
    for name, array in found.items():
        early = rewound[f"weights/{name}"]
        if name not in mask:
            assert array.tobytes() == early.tobytes()
            continue
        assert not np.any(array[~mask[name]])
        assert not np.any(np.signbit(array[~mask[name]]))
        squares += np.sum((array - early)[mask[name]].astype(float) ** 2)
        expected += np.sum(early[mask[name] & ~following[name]].astype(float) ** 2)
    assert np.sqrt(squares) == pytest.approx(0.5 * np.sqrt(expected), rel=1e-5)


@pytest.mark.slow
def test_lengths_and_directions_are_branches_of_their_own(copied_run):
    short = {"train_steps": "10it", "evaluate_every": "5it"}
    for options in ({}, {"perturbation": 2.0}, {"perturbation": 1.0, "branch_seed": 1}):
        run_branch(copied_run, "perturbed", [1], **short, **options)
    branches = copied_run / "branches"
    label = "perturbed-evaluate_every_5it-train_steps_10it"
    names = {label, f"{label}-perturbation_2", f"{label}-branch_seed_1"}
    assert {path.name for path in branches.iterdir()} == names
    assert "--perturbation=2.0" in (branches / f"{label}-perturbation_2" / "flags.cfg").read_text()
    kernels = [weights_in(branches / name, 1)["dense_1/kernel"] for name in sorted(names)]
    assert not any(np.array_equal(kernels[one], kernels[two]) for one, two in ((0, 1), (1, 2)))


@pytest.mark.slow
def test_branches_that_move_nothing_do_not_take_a_length(copied_run):
    run_branch(copied_run, "retrain", [1], perturbation=2.0, train_steps="10it")
    (own,) = (copied_run / "branches").iterdir()
    assert own.name == "retrain-train_steps_10it"
    assert json.loads((own / "config.json").read_text())["identity"]["perturbation"] == 1.0


@pytest.mark.slow
def test_branches_from_before_there_was_a_length_go_on(copied_run):
    short = {"train_steps": "10it", "evaluate_every": "5it"}
    run_branch(copied_run, "random_mask", [1], **short)
    (own,) = (copied_run / "branches").iterdir()
    edit_config(own, without=["perturbation"])
    assert [row.level for row in run_branch(copied_run, "random_mask", [1, 2], **short)] == [1, 2]
    assert [path.name for path in (copied_run / "branches").iterdir()] == [own.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"levels": [1, 2]},
            r"^--levels: --branch=perturbed at level 2 needs level 3 of the run, .* are 0, 1, 2\.",
        ),
        ({"levels": [3]}, r"^--levels: level 3 is not finished in"),
        ({"levels": []}, r"^levels=\[\]: use a list of levels, such as \[0, 5\]"),
        ({"optimizer": "sgd"}, r"^--optimizer=sgd: --branch=perturbed .*, those of adam"),
        ({"perturbation": -1.0}, r"^--perturbation=-1\.0 is out of range: use 0, which moves"),
        ({"perturbation": float("nan")}, r"^--perturbation=nan is out of range"),
        ({"perturbation": float("inf")}, r"^--perturbation=inf is out of range"),
    ],
    ids=str,
)
def test_refused_before_anything_is_written(copied_run, snapshot, arguments, message):
    before = snapshot(copied_run)
    with pytest.raises(ValueError, match=message):
        run_branch(copied_run, "perturbed", **{"levels": [1], **arguments})
    assert snapshot(copied_run) == before
    assert not (copied_run / "branches").exists()


def test_a_run_of_level_0_alone_has_no_distance(half_run):
    shutil.rmtree(half_run / "level_1")
    with pytest.raises(ValueError, match=r"^--levels: there is none for --branch=perturbed"):
        run_branch(half_run, "perturbed")


@pytest.mark.parametrize("retraining", ["rewind_learning_rate", "fine_tune"])
def test_runs_that_do_not_rewind_their_weights_are_refused(made_with, retraining):
    run = made_with(retraining=retraining)
    with pytest.raises(ValueError, match=rf"--branch=perturbed .* --retraining={retraining}, wh"):
        run_branch(run, "perturbed", [0])
    assert not (run / "branches").exists()


def test_a_damaged_mask_of_the_next_level_is_refused(copied_run):
    path = copied_run / "level_2" / "masks.npz"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DamagedFileError, match=str(path)):
        run_branch(copied_run, "perturbed", [1])
    assert not (copied_run / "branches").exists()
