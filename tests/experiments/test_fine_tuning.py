"""Fine-tuning has a learning rate that trains, or is refused before anything is."""

import numpy as np
import pytest

import tf_lottery
from tf_lottery.experiments.run_config import config_of_run
from tf_lottery.experiments.running.lottery import check_experiment
from tf_lottery.masking.masks import Mask
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors

SHORT = {"train_steps": "12it", "rewind_step": "2it", "evaluate_every": "10it", "levels": 1}
SGD = {"optimizer": "sgd", "learning_rate": 0.1}
COSINE = {**SHORT, **SGD, "lr_schedule": "cosine"}


def longest_move(run, folder) -> float:
    """The most that a weight has moved since it was pruned from level 0."""
    mask = Mask.load(folder / "masks.npz")
    before = mask.apply(load_tensors(run / "level_0" / "weights"))
    after = load_tensors(folder / "weights")
    return max(np.abs(after[name] - before[name]).max() for name in after)


@pytest.fixture(scope="module")
def cosine_run(run_tiny, tmp_path_factory):
    """A run whose learning rate ends at 0; branches may be added."""
    return run_tiny(tmp_path_factory.mktemp("cosine"), **COSINE)


@pytest.mark.parametrize(
    ("schedule", "ends_at"),
    [
        ({"lr_schedule": "cosine"}, "0"),
        pytest.param({"lr_schedule": "linear"}, "0", marks=pytest.mark.slow),
        ({"lr_schedule": "linear", "final_learning_rate": 1e-6}, "1e-06"),
        ({"lr_schedule": "step", "lr_milestones": "3it,6it", "lr_decay": 0.001}, "1e-07"),
    ],
    ids=str,
)
def test_a_schedule_that_has_ended_is_refused(run_tiny, tmp_path, schedule, ends_at):
    flags = {**SHORT, **SGD, **schedule, "retraining": "fine_tune"}
    message = (
        f"--lr_schedule={schedule['lr_schedule']} ends at {ends_at}, .*"
        "--fine_tune_learning_rate, such as 0.01"
    )
    with pytest.raises(ValueError, match=message):
        run_tiny(tmp_path, **flags)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=message):
        check_experiment(tf_lottery.config_from_values({**flags, "model": "lenet_20_10"}))


@pytest.mark.parametrize(
    "schedule",
    [
        {"lr_schedule": "constant"},
        {"lr_schedule": "linear", "final_learning_rate": 0.001},
        {"lr_schedule": "step", "lr_milestones": "3it,6it,9it"},
        {"lr_schedule": "cosine", "levels": 0},
    ],
    ids=str,
)
def test_a_last_rate_that_trains_is_taken(schedule):
    flags = {**SHORT, **SGD, **schedule, "model": "lenet_20_10", "retraining": "fine_tune"}
    check_experiment(tf_lottery.config_from_values(flags))


def test_a_branch_of_a_run_whose_schedule_has_ended(cosine_run):
    with pytest.raises(ValueError, match="--lr_schedule=cosine ends at 0"):
        tf_lottery.run_branch(cosine_run, "fine_tune")
    assert not (cosine_run / "branches" / "fine_tune").exists()


@pytest.mark.parametrize("rate", [0.05, pytest.param(1e-12, marks=pytest.mark.slow)])
def test_a_rate_of_its_own(cosine_run, rate):
    tf_lottery.run_branch(cosine_run, "fine_tune", fine_tune_learning_rate=rate)
    label = f"fine_tune-fine_tune_learning_rate_{rate}".replace("-12", "_12")
    moved = longest_move(cosine_run, cosine_run / "branches" / label / "level_1")
    assert moved > 0.01 if rate == 0.05 else moved < 1e-9


def test_level_0_of_a_run_keeps_the_schedule(run_tiny, cosine_run, tmp_path):
    run = run_tiny(tmp_path, **COSINE, retraining="fine_tune", fine_tune_learning_rate=0.05)
    mine, plain = (load_tensors(path / "level_0" / "weights") for path in (run, cosine_run))
    for name, value in plain.items():
        assert mine[name].tobytes() == value.tobytes(), name
    assert longest_move(run, run / "level_1") > 0.01


@pytest.mark.slow
def test_other_branches_of_the_same_command_do_not_have_the_rate(cosine_run):
    tf_lottery.run_branch(cosine_run, "random_mask", fine_tune_learning_rate=0.05)
    assert (cosine_run / "branches" / "random_mask").exists()


def test_a_rate_without_fine_tuning_is_refused():
    with pytest.raises(
        ValueError,
        match=r"--fine_tune_learning_rate=0\.1 does not go with --retraining=\w+: it is for",
    ):
        tf_lottery.config_from_values({"fine_tune_learning_rate": 0.1})


def test_what_was_fine_tuned_so_by_an_older_version_is_still_shown(cosine_run):
    """Analyses read the configuration of a run that they do not train."""
    config = config_of_run(RunFolder.read(cosine_run), {}, {"retraining": "fine_tune"})
    assert config.fine_tunes
