"""Branches of plug-ins are what they say of themselves, as the package's own are."""

import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import tf_lottery
from tests.command_line import command_of
from tests.report.runs_on_disk import write_branch, write_run
from tf_lottery.config.branches import BRANCHES
from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.jobs.control_checks import check_controls
from tf_lottery.plugins import Mask, Origin, Start, register_branch
from tf_lottery.report.run_state import read_run_state
from tf_lottery.store.tensors import load_tensors

SHORT = {"train_steps": "12it", "rewind_step": "2it", "evaluate_every": "10it", "levels": 1}
LINEAR = {**SHORT, "optimizer": "sgd", "learning_rate": 0.1, "lr_schedule": "linear"}


@pytest.fixture
def registered() -> Iterator[Callable[..., None]]:
    """Returns a function that registers a branch which trains on after the end of training."""

    def register(**facts) -> None:
        @register_branch(first_level=1, draws=False, **facts)
        def trained_on(origin: Origin) -> Start:
            return origin.of_variant(retraining="fine_tune")

    yield register
    if "trained_on" in BRANCHES.all():
        BRANCHES.remove("trained_on")


@pytest.fixture(scope="module")
def linear_run(run_tiny, tmp_path_factory):
    """A run whose learning rate ends at 0; branches may be added."""
    return run_tiny(tmp_path_factory.mktemp("linear"), **LINEAR)


@pytest.mark.parametrize(
    "changes",
    [
        {"fine_tune_learning_rate": 0.05},
        pytest.param({"final_learning_rate": 0.01}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.slow
def test_a_branch_that_fine_tunes_is_trained_as_the_package_s_own(linear_run, registered, changes):
    registered(fine_tunes=True, prunes=False)
    weights = []
    for branch in ("trained_on", "fine_tune"):
        tf_lottery.run_branch(linear_run, branch, **changes)
        folder = plan_branch(linear_run, branch, changes).path
        weights.append(load_tensors(folder / "level_1" / "weights"))
    assert {name: array.tobytes() for name, array in weights[0].items()} == {
        name: array.tobytes() for name, array in weights[1].items()
    }


def test_it_needs_a_learning_rate_that_trains_and_is_not_rewound(linear_run, registered):
    registered(fine_tunes=True, prunes=False)
    with pytest.raises(ValueError, match="--lr_schedule=linear ends at 0"):
        tf_lottery.run_branch(linear_run, "trained_on")
    with pytest.raises(ValueError, match=r"--branch=trained_on of .* goes on from the end of tra"):
        tf_lottery.run_branch(linear_run, "trained_on", rewind_step="0it")
    flags = [f"--{name}={value}" for name, value in LINEAR.items()]
    message = (
        "--controls=trained_on goes on at the last learning rate of training, but --lr_schedule="
        "linear ends at 0, where next to nothing is learnt; give it afterwards as "
        "--experiment=branch --branch=trained_on with --fine_tune_learning_rate"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check_controls(command_of("--controls=trained_on", "--model=lenet_20_10", *flags))


def test_a_branch_that_fine_tunes_without_saying_so_is_refused(linear_run, registered):
    registered(prunes=False)
    right = r"--branch=trained_on begins at iteration 12, but .* @register_branch\(fine_tunes=True"
    with pytest.raises(ValueError, match=right):
        tf_lottery.run_branch(linear_run, "trained_on", final_learning_rate=0.02)


def test_the_end_of_its_training_is_known_while_it_is_trained(registered, tmp_path):
    registered(fine_tunes=True)
    run = write_run(tmp_path / "replicate_1", [0.97], details={"rewind_step": 500})
    branch = write_branch(
        run,
        "trained_on",
        {},
        identity={"branch": "trained_on"},
        details={"rewind_step": 500, "branch_levels": [1]},
        checkpoints={1: [3200]},
    )
    assert (read_run_state(branch).epoch, read_run_state(branch).epochs) == (32.0, 55.0)


def test_flags_that_a_branch_of_a_plugin_takes_follow_from_what_it_says(finished_run, registered):
    ask = ("--experiment=branch", f"--run={finished_run}", "--levels=1")
    registered(fine_tunes=True, layerwise=True)
    own = BRANCHES.find("trained_on")
    assert {name for name in ("score", "pruning_scope", "branch_seed") if own.takes(name)} == {
        "score"
    }
    reason = "trained_on prunes within each layer by itself; the flag is for before_training, one_"
    with pytest.raises(ValueError, match=reason):
        tf_lottery.run_command(command_of(*ask, "--branch=trained_on", "--pruning_scope=layerwise"))
    with pytest.raises(
        ValueError, match=r"is for fine_tune, trained_on, and branches of runs with"
    ):
        tf_lottery.run_command(command_of(*ask, "--branch=retrain", "--fine_tune_learning_rate=1"))
    registered(ranks_together=True)
    right = (
        "--branch=trained_on ranks the weights of all layers together with --score=snip, .* or "
        r"take a branch that prunes within each layer, --branch=before_training_layerwise\."
    )
    with pytest.raises(ValueError, match=right):
        plan_branch(finished_run, "trained_on", {"score": "snip", "pruning_scope": "layerwise"})


def test_a_branch_that_returns_no_start_is_told_what_to_return(linear_run):
    @register_branch(first_level=1, draws=False, prunes=False)
    def trained_on(origin: Origin) -> None:
        origin.start.with_weights(origin.start.state.weights)

    try:
        with pytest.raises(ValueError, match=r"--branch=trained_on returned None: return a Start"):
            tf_lottery.run_branch(linear_run, "trained_on")
    finally:
        BRANCHES.remove("trained_on")


def _without_one(weights):
    return dict(list(weights.items())[1:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.with_weights(_without_one(s.state.weights)), "weights that differ from the "),
        (lambda s: s.with_weights(s.state.weights | {"dense_1/bias": np.zeros(2)}), "weights of d"),
        (lambda s: s.with_weights(s.state.weights | {"dense_1/bias": np.full(20, np.nan)}), "weig"),
        (
            lambda s: s.with_weights({n: a * 1j for n, a in s.state.weights.items()}),
            "complex64, wh",
        ),
        (lambda s: s.with_weights([1]), "[1] as weights: give a Mapping, as the level's is"),
        (lambda s: s.with_mask(dict(s.mask)), "as mask: give a Mask, as the level's is"),
        (lambda s: s.with_mask(Mask(_without_one(s.mask))), "mask that differ from the level's in"),
        (
            lambda s: s.with_mask(Mask({n: np.zeros_like(a) for n, a in s.mask.items()})),
            "a mask in which no weight remains",
        ),
    ],
)
def test_what_a_branch_starts_from_has_to_fit_the_network(linear_run, change, said):
    @register_branch(first_level=1, draws=False, prunes=False)
    def trained_on(origin: Origin) -> Start:
        return change(origin.start)

    try:
        with pytest.raises(ValueError, match=rf"^--branch=trained_on returned .*{re.escape(said)}"):
            tf_lottery.run_branch(linear_run, "trained_on")
    finally:
        BRANCHES.remove("trained_on")
