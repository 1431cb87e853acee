"""After rewinding to k > 0 the program trains with a new optimizer whose schedule goes on."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.data import Epoch, epoch_order
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.experiments.measuring.trained_copies import check_rewinds
from tf_lottery.experiments.running.setup import prepare
from tf_lottery.masking.masks import Mask
from tf_lottery.report.report import compare_runs
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors

RATE, REWIND, STEPS = 0.01, 30, 100
Weights = Mapping[str, np.ndarray]


def rewind_weights(run: Path) -> Weights:
    (prefix,) = (run / "rewind").glob("*.index")
    tensors = load_tensors(prefix.with_suffix(""))
    parts = {name: name.removeprefix("weights/") for name in tensors if name.startswith("weights/")}
    return {short: tensors[name] for name, short in parts.items()}


def replay(
    start: Weights, mask: Mask, images: np.ndarray, labels: np.ndarray, batch: int, total: int
) -> dict[str, np.ndarray]:
    """Level 1 by Adam (arXiv 1412.6980, algorithm 1) in float64, from the formulas alone.

    A network of three Dense layers; the rate falls along a line from iteration 0 to `total`.
    """
    weights = {name: np.array(array, np.float64) for name, array in mask.apply(start).items()}
    kernels = [name for name in weights if name.endswith("/kernel")]
    trained = [*kernels, *(name.replace("/kernel", "/bias") for name in kernels)]
    first = {name: np.zeros_like(weights[name]) for name in trained}
    second = {name: np.zeros_like(weights[name]) for name in trained}
    per_epoch = len(images) // batch
    for iteration in range(REWIND, total):
        epoch, position = divmod(iteration, per_epoch)
        rows = epoch_order(Epoch(1, 1, epoch), len(images))[position * batch :][:batch]
        gradients = _gradients(weights, kernels, images[rows], labels[rows])
        steps = iteration - REWIND + 1
        rate = RATE * (1 - iteration / total)
        for name in trained:
            gradient = gradients[name]
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.999 * second[name] + 0.001 * gradient**2
            mean = first[name] / (1 - 0.9**steps)
            root = np.sqrt(second[name] / (1 - 0.999**steps))
            # Keras adds its epsilon before the correction of the second moment.
            epsilon = 1e-7 / np.sqrt(1 - 0.999**steps)
            weights[name] = weights[name] - rate * mean / (root + epsilon)
            if name in mask:
                weights[name] *= mask[name]
    return weights


def _gradients(
    weights: Weights, kernels: list[str], images: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    values = [images]
    for kernel in kernels:
        value = values[-1] @ weights[kernel] + weights[kernel.replace("/kernel", "/bias")]
        values.append(value if kernel == kernels[-1] else np.maximum(value, 0))
    shifted = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
    delta = shifted / shifted.sum(axis=1, keepdims=True)
    delta[np.arange(len(labels)), labels] -= 1
    delta /= len(labels)
    gradients = {}
    for index in reversed(range(len(kernels))):
        kernel = kernels[index]
        gradients[kernel] = values[index].T @ delta
        gradients[kernel.replace("/kernel", "/bias")] = delta.sum(axis=0)
        delta = (delta @ weights[kernel].T) * (values[index] > 0)
    return gradients


@pytest.mark.parametrize("jit_compile", [pytest.param("on", marks=pytest.mark.slow), "off"])
def test_a_level_against_formulas_in_float64(run_tiny, tmp_path, jit_compile):
    total = REWIND + STEPS
    flags = {
        "optimizer": "adam",
        "learning_rate": RATE,
        "lr_schedule": "linear",
        "rewind_step": f"{REWIND}it",
        "train_steps": f"{total}it",
        "evaluate_every": "1000it",
        "levels": 1,
        "jit_compile": jit_compile,
    }
    run = run_tiny(tmp_path, **flags)
    config = tf_lottery.config_from_values({**flags, "model": "lenet_20_10"})
    experiment = prepare(config)
    train, details = experiment.dataset.train, experiment.details
    images = train.images.reshape(len(train), -1).astype(np.float64)
    images = (images - details.pixel_mean) / np.sqrt(details.pixel_variance)
    mask = Mask.load(run / "level_1" / "masks.npz")
    expected = replay(
        rewind_weights(run), mask, images, train.labels, config.training.batch_size, total
    )
    trained = load_tensors(run / "level_1" / "weights")
    for name, value in expected.items():
        np.testing.assert_allclose(trained[name], value, atol=1e-5, err_msg=name)


def longest_move(start: Weights, level: Path, names: str = "") -> float:
    """The most that any weight whose name ends so has moved since the start of a level."""
    start = Mask.load(level / "masks.npz").apply(start)
    trained = load_tensors(level / "weights")
    return max(
        np.abs(trained[name] - start[name]).max() for name in trained if name.endswith(names)
    )


LATE = {
    "learning_rate": RATE,
    "rewind_step": "1000it",
    "train_steps": "1001it",
    "evaluate_every": "1000it",
}


@pytest.fixture(scope="module")
def late_run(run_tiny, tmp_path_factory) -> Path:
    """A run by Adam whose levels have one step each after rewinding; branches may be added."""
    # The branch `perturbed` moves a level as far as the next level prunes.
    return run_tiny(tmp_path_factory.mktemp("late"), levels=2, **LATE)


def test_the_first_step_after_rewinding_is_one_learning_rate_long(late_run):
    assert 0.9 * RATE < longest_move(rewind_weights(late_run), late_run / "level_1") < 1.02 * RATE


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(
            {"optimizer": "adamw", "weight_decay": 0.001}, id="adamw", marks=pytest.mark.slow
        ),
        pytest.param(
            {"distribution": "mirrored", "num_virtual_devices": 2},
            id="two replicas",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_so_it_is_of_adamw_and_on_two_replicas(run_tiny, tmp_path, flags):
    run = run_tiny(tmp_path, levels=1, **{**LATE, **flags})
    assert 0.9 * RATE < longest_move(rewind_weights(run), run / "level_1") < 1.02 * RATE


@pytest.mark.slow
@pytest.mark.parametrize(
    "branch", ["random_mask", "fine_tune", "rewound_dense", "rewind_learning_rate", "perturbed"]
)
def test_branches_restart_too(late_run, branch):
    """One step from where they start."""
    level = 0 if branch == "rewound_dense" else 1
    tf_lottery.run_branch(late_run, branch, levels=[level])
    folder = late_run / "branches" / branch / f"level_{level}"
    after_dense = branch in ("fine_tune", "rewind_learning_rate")
    start = load_tensors(late_run / "level_0" / "weights")
    # The random direction of `perturbed` moves the kernels only.
    moved = longest_move(
        start if after_dense else rewind_weights(late_run),
        folder,
        "/bias" if branch == "perturbed" else "",
    )
    assert 0.5 * RATE < moved < 1.02 * RATE


class TestOlderRules:
    """A run whose levels were begun with the step count of the rewind step."""

    def test_it_is_not_continued(self, half_run, run_tiny, tmp_path, snapshot):
        edit_config(half_run, without=["rules"])
        before = snapshot(half_run)
        with pytest.raises(RunFolderMismatchError, match=r"older version.*step count of adam"):
            run_tiny(tmp_path)
        assert snapshot(half_run) == before

    def test_it_is_shown_with_a_note(self, copied_run, run_tiny, tmp_path, capsys):
        edit_config(copied_run, without=["rules"])
        run_tiny(tmp_path)
        assert "begun by an older version of tf_lottery: the step count of adam" in (
            capsys.readouterr().out
        )

    def test_its_tickets_have_no_further_branches(self, copied_run):
        edit_config(copied_run, without=["rules"])
        with pytest.raises(RunFolderMismatchError, match="would differ from them in that too"):
            tf_lottery.run_branch(copied_run, "random_mask", levels=[1])
        assert not (copied_run / "branches").exists()

    @pytest.mark.slow
    def test_what_analyses_trained_is_not_measured_with_what_they_train_now(
        self, run_tiny, tmp_path
    ):
        """Also of a run of level 0 alone, which itself is the same by both rules."""
        run = run_tiny(tmp_path, experiment="train", train_steps="10it")
        tf_lottery.run_branch(run, "rewound_dense", [0], for_analysis=True, data_seed=1001)
        (copy,) = (run / "branches").iterdir()
        check_rewinds(AnalyzedRun(run, {}), "instability")
        edit_config(copy, without=["rules"])
        with pytest.raises(RunFolderMismatchError, match=f"branches/{copy.name}: the step count"):
            check_rewinds(AnalyzedRun(run, {}), "instability")
        page = compare_runs([run]).page.read_text()
        assert "older version of tf_lottery" in page and "(copies)" in page

    @pytest.mark.slow
    def test_it_goes_on_where_the_rule_made_no_difference(self, half_run, run_tiny, tmp_path):
        """Level 0 is the same by both rules."""
        edit_config(half_run, without=["rules"])
        (half_run / "level_1").rename(tmp_path / "elsewhere")
        run_tiny(tmp_path)
        assert RunFolder.read(half_run).details.rules >= 2
        assert RunFolder.read(half_run).finished_levels() == [0, 1, 2]

    @pytest.mark.parametrize(
        "flags",
        [
            {"optimizer": "sgd"},
            pytest.param({"rewind_step": "0it"}, marks=pytest.mark.slow),
            pytest.param({"rewind_optimizer": True}, marks=pytest.mark.slow),
        ],
    )
    def test_other_runs_go_on(self, run_tiny, tmp_path, flags):
        run = run_tiny(tmp_path, levels=1, train_steps="10it", **flags)
        edit_config(run, without=["rules"])
        run_tiny(tmp_path, levels=2, train_steps="10it", **flags)
        assert RunFolder.read(run).finished_levels() == [0, 1, 2]
