"""What is compiled for a network is taken over by the next training of the same network."""

import pytest

from tf_lottery.experiments.running import compiled_network, setup, skeleton
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.experiments.running.compiled_network import _KEPT
from tf_lottery.training.step import TrainingStep

_SHORT = {"levels": 1, "train_steps": "6it", "evaluate_every": "3it", "rewind_step": "2it"}


@pytest.fixture
def steps_built(monkeypatch):
    """Counts the training steps that are built, with as many networks kept as outside of tests."""
    monkeypatch.setattr(setup, "take_compiled", compiled_network.take_compiled)
    monkeypatch.setattr(skeleton, "keep_compiled", compiled_network.keep_compiled)
    _KEPT.clear()
    built = []
    original = TrainingStep.__init__

    def counted(self, *arguments, **options):
        built.append(self)
        original(self, *arguments, **options)

    monkeypatch.setattr(TrainingStep, "__init__", counted)
    return built


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "branches"),
    [
        ("sgd", ["random_reinitialization"]),
        pytest.param(
            "adam",
            ["random_mask", "random_reinitialization", "rewound_dense"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_replicates_and_branches_share_it_and_have_the_bits_of_a_process_of_their_own(
    optimizer, branches, run_tiny, tmp_path, outcome_of, steps_built
):
    def train(workdir, forget):
        found = []
        for replicate in (1, 2):
            flags = {**_SHORT, "optimizer": optimizer, "learning_rate": 0.01}
            run = run_tiny(workdir, **flags, replicate=replicate)
            _ = _KEPT.clear() if forget else None
            for branch in branches:
                run_branch(run, branch, [0 if branch == "rewound_dense" else 1], data_seed=9)
                _ = _KEPT.clear() if forget else None
            found.append(outcome_of(run))
        return found

    alone = train(tmp_path / "alone", forget=True)
    assert len(steps_built) == 2 + 2 * len(branches)
    assert train(tmp_path / "shared", forget=False) == alone
    assert len(steps_built) == 3 + 2 * len(branches)


@pytest.mark.slow
def test_another_network_learning_rate_or_length_is_compiled_anew(run_tiny, tmp_path, steps_built):
    for number, change in enumerate(
        [{}, {"model": "lenet_20_11"}, {"learning_rate": 0.02}, {"train_steps": "7it"}], 1
    ):
        run = run_tiny(tmp_path, **{**_SHORT, **change}, name=f"run_{number}")
        assert len(steps_built) == number and len(_KEPT) == 1
    run_branch(run, "fine_tune", [1], fine_tune_learning_rate=0.01)
    assert len(steps_built) == number + 1


def test_nothing_is_kept_of_a_training_that_was_ended_by_an_error(run_tiny, tmp_path, steps_built):
    with pytest.raises(ArithmeticError):
        run_tiny(tmp_path, **_SHORT, learning_rate=1e30)
    assert not compiled_network._KEPT
