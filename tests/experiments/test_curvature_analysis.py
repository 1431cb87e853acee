"""The curvature of a run's levels, against the full Hessian of its tiny network."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tf_lottery.data import Epoch, Split, epoch_order, load_dataset
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.experiments.measuring.retraining import Retrainer
from tf_lottery.report.report import compare_runs
from tf_lottery.store.csv_files import write_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_table import read_sealed_table
from tf_lottery.store.tensors import load_tensors
from tf_lottery.training.network import set_weights

ADDED = ("predicted_ratio_magnitude_", "predicted_ratio_random_", "solutions")
KERNELS = ("dense_1/kernel", "dense_2/kernel", "output/kernel")


def measure(run: Path, levels=None, **options) -> None:
    run_analysis(run, "curvature", levels, **{"retrain_steps": 0, **options})


def file_name(
    name: str, settings: str, steps: int = 0, suffix: str = "csv", rate: str = "last_rate"
) -> str:
    examples, loss_rise, seed, eigenvalues = settings.split(",")
    of_curvature = f"{examples}_examples__loss_rise_{loss_rise}__seed_{seed}"
    of_training = f"retrained_{steps}it__at_{rate}"
    return f"{name}__{of_curvature}__{eigenvalues}_eigenvalues__{of_training}.{suffix}"


def rows(run: Path, name: str, settings: str, steps: int = 0) -> list[dict[str, float | None]]:
    with (run / "landscape" / file_name(name, settings, steps)).open() as file:
        read = list(csv.DictReader(file))
    return [
        {key: float(cell) if cell else None for key, cell in row.items() if key != "solutions"}
        for row in read
    ]


def loss_and_hessian(run: Path, level: int, data: Split) -> tuple[float, np.ndarray]:
    """Loss of a tiny network, and its Hessian by the kernels that remain, derived by hand."""
    details, folder = RunFolder.read(run).details, run / f"level_{level}"
    weights = {
        name: array.astype(np.float64) for name, array in load_tensors(folder / "weights").items()
    }
    first, second, third = (weights[name] for name in KERNELS)
    pixels = data.images.reshape(len(data), -1).astype(np.float64)
    x = (pixels - details.pixel_mean) / np.sqrt(details.pixel_variance)
    h1 = np.maximum(x @ first + weights["dense_1/bias"], 0)
    h2 = np.maximum(h1 @ second + weights["dense_2/bias"], 0)
    logits = h2 @ third + weights["output/bias"]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.eye(10)[data.labels]
    # How the kernels move the logits, and the curvature of the loss by the logits, factorized.
    back2 = (h2 > 0)[:, :, None] * third
    back1 = (h1 > 0)[:, :, None] * (second @ back2)
    jacobian = np.concatenate(
        [
            np.einsum("ni,nak->nkia", x, back1).reshape(len(x), 10, -1),
            np.einsum("na,nbk->nkab", h1, back2).reshape(len(x), 10, -1),
            np.einsum("nb,jk->nkbj", h2, np.eye(10)).reshape(len(x), 10, -1),
        ],
        axis=2,
    )
    factor = np.sqrt(p)[:, :, None] * (np.eye(10) - p[:, None, :]) / np.sqrt(len(x))
    mask = tf_lottery.Mask.load(folder / "masks.npz")
    remaining = np.flatnonzero(np.concatenate([mask[name].ravel() for name in KERNELS]))
    root = (factor @ jacobian[:, :, remaining]).reshape(-1, len(remaining))
    of_logits = _curvature_of_logits(x, h1, h2, second, third, (p - truth) / len(x))
    hessian = root.T @ root + of_logits[np.ix_(remaining, remaining)]
    return -np.log(p[truth > 0]).mean(), hessian


def _curvature_of_logits(x, h1, h2, second, third, error) -> np.ndarray:
    """Second derivatives of the logits by kernels of two layers, weighted by the errors."""
    on1, on2 = (h1 > 0).astype(np.float64), (h2 > 0).astype(np.float64)
    inputs = np.einsum("ni,na->nia", x, on1).reshape(len(x), -1)
    outputs = np.einsum("nb,nk->nbk", on2, error)
    of_12 = (inputs.T @ (on2 * (error @ third.T))).reshape(64, 20, 10)
    of_12 = np.einsum("iab,ac->iacb", of_12, np.eye(20))
    of_13 = (inputs.T @ outputs.reshape(len(x), -1)).reshape(64, 20, 10, 10)
    of_13 = of_13 * second[:, :, None]
    of_23 = np.einsum("abk,bc->abck", np.einsum("na,nbk->abk", h1, outputs), np.eye(10))
    upper = np.zeros((1580, 1580))
    upper[:1280, 1280:1480] = of_12.reshape(1280, 200)
    upper[:1280, 1480:] = of_13.reshape(1280, 100)
    upper[1280:1480, 1480:] = of_23.reshape(200, 100)
    return upper + upper.T


@pytest.fixture(scope="module")
def train() -> Split:
    return load_dataset("digits", validation_examples=200).train


@pytest.fixture(scope="module")
def few(train) -> Split:
    """The examples that are drawn where 200 are asked for."""
    chosen = np.sort(np.random.Generator(np.random.Philox(0)).permutation(len(train))[:200])
    return Split(train.images[chosen], train.labels[chosen])


@pytest.fixture(scope="module")
def measured(finished_run, few, tmp_path_factory) -> tuple[Path, dict, float, np.ndarray]:
    """A run, what was measured of its level 2, and the loss and the Hessian there."""
    run = tmp_path_factory.mktemp("measured") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, run)
    measure(run, [2], eigenvalues=4, curvature_examples=200)
    (row,) = rows(run, "curvature", "200,0.1,0,4")
    return run, row, *loss_and_hessian(run, 2, few)


def test_loss_eigenvalues_and_trace_are_those_of_the_full_hessian(measured):
    run, row, loss, hessian = measured
    assert row["level"] == 2
    largest = [row[f"eigenvalue_{rank}"] for rank in range(1, 5)]
    assert row["density"] == pytest.approx(len(hessian) / 1580)
    assert row["loss"] == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(largest, np.linalg.eigvalsh(hessian)[::-1][:4], rtol=0.011)
    assert row["largest_eigenvalue"] == largest[0]
    assert 0 < row["trace_standard_error"] < 0.3 * np.trace(hessian)
    assert abs(row["trace"] - np.trace(hessian)) < 4 * row["trace_standard_error"]
    smallest = removed_by_pruning(run / "level_2", 0.2)
    along = smallest @ hessian @ smallest / (smallest @ smallest)
    assert row["sharpness_of_smallest"] == pytest.approx(along, rel=1e-3)
    assert row["sharpness_of_random"] == pytest.approx(
        mean_sharpness_of_random(run / "level_2", hessian), rel=0.5
    )
    assert row["sharpness_of_smallest"] < row["sharpness_of_random"]
    for order in ("magnitude", "random"):
        assert 0 < row[f"measured_ratio_{order}"] <= row[f"predicted_ratio_{order}"] < 1


def test_predictions_are_those_of_the_full_hessian(measured):
    """Of a thousand weights, from random vectors."""
    run, row, _, hessian = measured
    check_predictions(row, hessian, remaining_weights(run / "level_2"), exact=False)


def test_predictions_for_few_weights_are_those_of_the_full_hessian(run_tiny, tmp_path, few):
    """Of three hundred, from all eigenvalues."""
    run = run_tiny(tmp_path, name="small", pruning_rate=0.8, levels=1, evaluate_every="45it")
    measure(run, [1], eigenvalues=1, curvature_examples=200)
    (row,) = rows(run, "curvature", "200,0.1,0,1")
    hessian = loss_and_hessian(run, 1, few)[1]
    check_predictions(row, hessian, remaining_weights(run / "level_1"), exact=True)


def check_predictions(row: dict, hessian: np.ndarray, weights: np.ndarray, *, exact: bool) -> None:
    eigenvalues = np.linalg.eigvalsh(hessian)
    for order in ("magnitude", "random"):
        expected = counted_by_hand(eigenvalues, weights, 0.1, order)
        found, error = (row[f"predicted_ratio_{order}{ending}"] for ending in ("", "_error"))
        assert found == pytest.approx(expected, abs=0.01)
        assert abs(found - expected) <= 2 * error + 1 / weights.size
        assert error == 0 if exact else 0.001 < error < 0.02


def counted_by_hand(
    eigenvalues: np.ndarray, weights: np.ndarray, loss_rise: float, order: str
) -> float:
    """The largest k / D with at least k angular dimensions at R(k), all k tried one by one."""
    rising = eigenvalues[eigenvalues > 0]
    radii, flat, largest = np.sqrt(2 * loss_rise / rising), len(eigenvalues) - len(rising), 0
    smallest_first, count = np.sort(np.abs(weights)), len(weights)
    for pruned in range(1, count + 1):
        distance = np.linalg.norm(smallest_first[:pruned])
        if order == "random":
            distance = np.linalg.norm(weights) * np.sqrt(pruned / count)
        if flat + np.sum(radii**2 / (distance**2 + radii**2)) >= pruned:
            largest = pruned
    return largest / count


def remaining_weights(level: Path) -> np.ndarray:
    """The weights that remain in a level, in the order of `KERNELS`."""
    mask, weights = tf_lottery.Mask.load(level / "masks.npz"), load_tensors(level / "weights")
    return np.concatenate([weights[name][mask[name]] for name in KERNELS]).astype(np.float64)


@pytest.mark.slow
def test_predictions_of_an_earlier_version_are_measured_again(copied_run):
    """Its files have no errors; levels that are not asked for stay as they are."""
    options = {"curvature_examples": 20, "eigenvalues": 1}
    measure(copied_run, [2], **options)
    path = copied_run / "landscape" / file_name("curvature", "20,0.1,0,1")
    (today,) = read_sealed_table(path)
    old = {name: value for name, value in today.items() if not name.startswith(ADDED)}
    poisoned = [{**old, "level": level, "predicted_ratio_random": 0.125} for level in (1, 2)]
    write_csv(path, list(old), poisoned)
    path.with_name(f"{path.name}.sha256").unlink()  # as a file without a seal
    measure(copied_run, [2], **options)
    kept = {**dict.fromkeys(today), **poisoned[0], "solutions": "-"}
    # As text, as NaN is not equal to itself.
    assert str(read_sealed_table(path)) == str([kept, today])


def mean_sharpness_of_random(level: Path, hessian: np.ndarray) -> float:
    """Of the steps that prune random fifths, the mean of three hundred."""
    mask, weights = tf_lottery.Mask.load(level / "masks.npz"), load_tensors(level / "weights")
    vector = np.concatenate([weights[name][mask[name]] for name in KERNELS]).astype(np.float64)
    random, sharpnesses = np.random.default_rng(0), []
    for _ in range(300):
        step = np.where(random.permutation(vector.size) < 0.2 * vector.size, vector, 0)
        sharpnesses.append(step @ hessian @ step / (step @ step))
    return float(np.mean(sharpnesses))


def removed_by_pruning(level: Path, fraction: float) -> np.ndarray:
    """The smallest of the weights that remain in a level; the others are 0."""
    mask, weights = tf_lottery.Mask.load(level / "masks.npz"), load_tensors(level / "weights")
    vector = np.concatenate([weights[name][mask[name]] for name in KERNELS]).astype(np.float64)
    kept = np.argsort(np.abs(vector))[round(fraction * vector.size) :]
    vector[kept] = 0
    return vector


@pytest.mark.slow
def test_pruning_the_measured_fraction_raises_the_loss_as_little_as_was_asked(copied_run, train):
    measure(copied_run, [0], loss_rise=0.2, eigenvalues=1)
    (row,) = rows(copied_run, "curvature", "10000,0.2,0,1")
    model = tf_lottery.load_ticket(copied_run, 0)
    losses = []
    for more in (0, 2 / 1580):
        count = round((row["measured_ratio_magnitude"] + more) * 1580)
        tf_lottery.set_mask(model, without_smallest(copied_run / "level_0", count))
        logits = model(train.images.astype(np.float32)).numpy().astype(np.float64)
        right = logits[np.arange(len(train)), train.labels]
        losses.append(np.mean(np.log(np.exp(logits).sum(1)) - right))
    assert losses[0] <= row["loss"] + 0.2 + 1e-5
    assert losses[1] > row["loss"] + 0.2 - 1e-5


def without_smallest(level: Path, count: int) -> tf_lottery.Mask:
    """The mask of a dense network without its `count` smallest weights."""
    magnitudes = {name: np.abs(load_tensors(level / "weights")[name]) for name in KERNELS}
    largest = np.sort(np.concatenate([array.ravel() for array in magnitudes.values()]))[count - 1]
    return tf_lottery.Mask({name: array > largest for name, array in magnitudes.items()})


@pytest.mark.slow
def test_levels_that_were_measured_are_not_measured_again(copied_run, snapshot):
    options = {"curvature_examples": 50, "eigenvalues": 2}
    measure(copied_run, [1], **options)
    folder = copied_run / "landscape"
    path = folder / file_name("curvature", "50,0.1,0,2")
    header, line = path.read_text().splitlines()
    poisoned = line.split(",")
    poisoned[2] = "99.5"  # a loss that nobody would measure
    path.write_text(f"{header}\n{','.join(poisoned)}\n")
    path.with_name(f"{path.name}.sha256").unlink()  # as a file without a seal
    measure(copied_run, **options)
    measured = rows(copied_run, "curvature", "50,0.1,0,2")
    assert [row["level"] for row in measured] == [0, 1, 2]
    assert [row["loss"] == 99.5 for row in measured] == [False, True, False]
    before = snapshot(folder)[path.name]
    measure(copied_run, [0, 2], **options)
    assert snapshot(folder)[path.name] == before


@pytest.mark.slow
def test_a_level_is_measured_again_if_its_row_was_lost(copied_run):
    options = {"curvature_examples": 50, "eigenvalues": 2}
    measure(copied_run, [0, 1], **options)
    path = copied_run / "landscape" / file_name("curvature", "50,0.1,0,2")
    before = path.read_text()
    lines = before.splitlines(keepends=True)
    assert lines[2].startswith("1,")
    path.write_text("".join(lines[:2]))
    path.with_name(f"{path.name}.sha256").unlink()  # as a file without a seal
    measure(copied_run, [0, 1], **options)
    assert path.read_text() == before


@pytest.mark.slow
def test_figures_say_by_how_much_the_loss_may_rise_and_are_drawn_anew_if_lost(copied_run, snapshot):
    options = {"curvature_examples": 50, "eigenvalues": 2, "loss_rise": 0.25}
    measure(copied_run, **options)
    folder = copied_run / "landscape"
    names = {"pruning_ratio", "curvature", "eigenvalues"}
    images = {file_name(name, "50,0.25,0,2", suffix="png") for name in names}
    before = snapshot(folder)
    table = file_name("curvature", "50,0.25,0,2")
    assert set(before) == images | {table, f"{table}.sha256"}
    assert {row["loss_rise"] for row in rows(copied_run, "curvature", "50,0.25,0,2")} == {0.25}
    (folder / file_name("pruning_ratio", "50,0.25,0,2", suffix="png")).unlink()
    measure(copied_run, **options)
    assert [digest for _, digest in snapshot(folder).values()] == [
        digest for _, digest in before.values()
    ]
    page = compare_runs([copied_run]).page.read_text()
    assert "rises by at most 0.25 nats" in page


@pytest.mark.slow
def test_another_number_of_eigenvalues_leaves_what_was_measured(copied_run, snapshot):
    measure(copied_run, [0, 1], curvature_examples=50, eigenvalues=2)
    before = snapshot(copied_run / "landscape")
    measure(copied_run, [0], curvature_examples=50, eigenvalues=3)
    after = snapshot(copied_run / "landscape")
    assert {name: after[name] for name in before} == before
    added = {name for name in set(after) - set(before) if name.endswith(".csv")}
    assert added == {file_name("curvature", "50,0.1,0,3")}


@pytest.mark.slow
def test_another_seed_draws_other_examples(copied_run):
    for seed in (0, 1):
        measure(copied_run, [0], curvature_examples=50, eigenvalues=1, curvature_seed=seed)
    losses = [rows(copied_run, "curvature", f"50,0.1,{seed},1")[0]["loss"] for seed in (0, 1)]
    assert losses[0] != losses[1]


@pytest.mark.slow
def test_a_level_of_fewer_weights_than_eigenvalues(run_tiny, tmp_path, capsys):
    run = run_tiny(tmp_path, levels=1, pruning_rates="0.999", train_steps="8it")
    left = tf_lottery.Mask.load(run / "level_1" / "masks.npz").remaining
    assert 1 <= left < 4
    capsys.readouterr()
    measure(run, curvature_examples=50, eigenvalues=4)
    dense, sparse = rows(run, "curvature", "50,0.1,0,4")
    assert {name for name, value in dense.items() if np.isnan(value)} == {
        f"retrained_ratio_{order}" for order in ("magnitude", "random")
    }
    missing = [sparse[f"eigenvalue_{rank}"] is None for rank in range(1, 5)]
    assert missing == [rank > left for rank in range(1, 5)]
    assert np.isnan(sparse["sharpness_of_smallest"])
    printed = capsys.readouterr().out
    measure(run, curvature_examples=50, eigenvalues=4)
    assert capsys.readouterr().out == printed


@pytest.fixture(scope="module")
def trained_run(run_tiny, tmp_path_factory) -> Path:
    """A run with more training; not to be changed but by analyses and branches."""
    flags = {"train_steps": "300it", "rewind_step": "200it", "evaluate_every": "1000it"}
    return run_tiny(tmp_path_factory.mktemp("trained"), levels=1, **flags)


@pytest.mark.slow
def test_more_can_be_pruned_if_the_others_are_trained(trained_run):
    measure(trained_run, [0], eigenvalues=1, retrain_steps=60)
    (row,) = rows(trained_run, "curvature", "10000,0.1,0,1", 60)
    for order in ("magnitude", "random"):
        fixed, retrained = row[f"measured_ratio_{order}"], row[f"retrained_ratio_{order}"]
        assert fixed + 0.05 < retrained < 1


@pytest.mark.slow
def test_retraining_is_fine_tuning(trained_run):
    """The mask of level 1 on the weights of level 0, bit for bit as the branch trains them."""
    tf_lottery.run_branch(trained_run, "fine_tune", levels=[1])
    expected = load_tensors(trained_run / "branches" / "fine_tune" / "level_1" / "weights")
    retraining = Retrainer(AnalyzedRun(trained_run).experiment, 100)
    seen = []
    mask = tf_lottery.Mask.load(trained_run / "level_1" / "masks.npz")
    start = mask.apply(load_tensors(trained_run / "level_0" / "weights"))
    reached = retraining(start, mask, lambda weights: seen.append(weights), 1)
    assert not reached
    assert len(seen) == 20
    for name, value in expected.items():
        assert seen[-1][name].tobytes() == value.tobytes(), name
    assert retraining(start, mask, lambda weights: True, 1)


def test_a_retraining_that_diverged_says_nothing_of_the_next(copied_run):
    analyzed = AnalyzedRun(copied_run)
    solution, retraining = analyzed.level(0), Retrainer(analyzed.experiment, 4)
    huge = {
        name: np.full_like(array, 1e30) if array.ndim > 1 else array
        for name, array in solution.weights.items()
    }
    assert not retraining(huge, solution.mask, lambda weights: True, 0)
    assert retraining(solution.weights, solution.mask, lambda weights: True, 0)


@pytest.mark.slow
def test_the_fraction_is_one_that_retraining_brings_back(trained_run, train):
    """Checked with another loop: pruned so far and fine-tuned, the loss comes back; not further."""
    measure(trained_run, [0], eigenvalues=1, retrain_steps=60, loss_rise=0.05)
    (row,) = rows(trained_run, "curvature", "10000,0.05,0,1", 60)
    experiment = AnalyzedRun(trained_run, {}).experiment
    model = tf_lottery.load_ticket(trained_run, 0)
    ends = []
    for more in (0, 0.04):
        count = round((row["retrained_ratio_magnitude"] + more) * 1580)
        set_weights(
            model,
            load_tensors(trained_run / "level_0" / "weights"),
            without_smallest(trained_run / "level_0", count),
        )
        model.compile(
            keras.optimizers.Adam(experiment.config.training.learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        losses = []
        for step in range(300, 360):
            epoch, position = divmod(step, len(train) // 60)
            batch = epoch_order(Epoch(1, 0, epoch), len(train))[position * 60 :][:60]
            model.train_on_batch(train.images[batch].astype(np.float32), train.labels[batch])
            if step % 3 == 2:
                losses.append(
                    model.evaluate(train.images.astype(np.float32), train.labels, 1000, verbose=0)
                )
        ends.append(min(losses) - row["loss"])
    assert ends[0] < 0.05 * 1.05
    assert ends[1] > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("steps", [pytest.param(0, marks=pytest.mark.slow), 10])
def test_a_learning_rate_that_has_ended_is_told(run_tiny, tmp_path, steps):
    run = run_tiny(tmp_path, levels=1, train_steps="8it", lr_schedule="cosine")
    if not steps:
        measure(run, [0], curvature_examples=50, eigenvalues=1)
        return
    message = "retrains .*=cosine ends at 0, .*give --retrain_steps=0, .*--retrain_learning_rate"
    with pytest.raises(ValueError, match=message):
        measure(run, [0], curvature_examples=50, eigenvalues=1, retrain_steps=steps)
    measure(
        run, [0], curvature_examples=50, eigenvalues=1, retrain_steps=1, retrain_learning_rate=0.001
    )
    assert (run / "landscape" / file_name("curvature", "50,0.1,0,1", 1, rate="0.001")).exists()


@pytest.mark.slow
def test_eigenvalues_that_a_network_of_few_weights_does_not_have_are_empty(run_tiny, tmp_path):
    short = {"train_steps": "4it", "rewind_step": "0it", "evaluate_every": "4it"}
    run = run_tiny(tmp_path, model="lenet_1", levels=1, pruning_rate=0.96, **short)
    remaining = tf_lottery.Mask.load(run / "level_1" / "masks.npz").remaining
    assert remaining < 5
    measure(run, [1], eigenvalues=5, curvature_examples=50)
    (row,) = rows(run, "curvature", "50,0.1,0,5")
    there = [row[f"eigenvalue_{rank}"] is not None for rank in range(1, 6)]
    assert there == [rank <= remaining for rank in range(1, 6)]
