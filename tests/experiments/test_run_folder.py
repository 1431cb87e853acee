"""What an experiment leaves on the disk, checked against plain NumPy and TensorFlow."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tf_lottery
from tests.command_line import run_command_of
from tf_lottery.data import Epoch, epoch_order, load_dataset
from tf_lottery.experiments.running.setup import prepare
from tf_lottery.store.csv_files import MetricsLog, read_csv
from tf_lottery.store.errors import StorageError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import METRICS_COLUMNS, RENAMED_METRICS
from tf_lottery.store.tensors import load_tensors

KERNELS = ("dense_1/kernel", "dense_2/kernel", "output/kernel")
REMAINING = (1580, 1264, 1011)  # of 64*20 + 20*10 + 10*10 weights, at rate 0.2


def _rows(path):
    with path.open() as file:
        return [
            {name: float(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def _mask(run, level):
    return tf_lottery.Mask.load(run / f"level_{level}" / "masks.npz")


def _weights(run, level):
    return load_tensors(run / f"level_{level}" / "weights")


def test_files(finished_run):
    of_level = {"level.json", "masks.npz", "metrics.csv", "weights.index"}
    of_level |= {"weights.data-00000-of-00001"}
    for level in range(3):
        assert {path.name for path in (finished_run / f"level_{level}").iterdir()} == of_level
    names = {path.name for path in finished_run.iterdir() if not path.name.startswith(".lock")}
    assert names == {
        *("config.json", "flags.cfg", "rewind", "level_0", "level_1", "level_2"),
        *("densities.csv", "summary.csv", "summary.png", "tensorboard"),
    }
    assert json.loads((finished_run / "config.json").read_text())["identity"]["levels"] == 2
    assert finished_run.name == "replicate_1"
    assert finished_run.parent.name == "tiny"


def test_masks_keep_the_largest_weights(finished_run):
    previous = np.ones(REMAINING[0], bool)
    for level, remaining in enumerate(REMAINING):
        mask = _mask(finished_run, level)
        assert set(mask) == set(KERNELS)
        flat = np.concatenate([mask[name].ravel() for name in KERNELS])
        assert np.count_nonzero(flat) == remaining
        assert not (flat & ~previous).any(), "a pruned weight came back"
        if level:
            trained = _weights(finished_run, level - 1)
            magnitudes = np.concatenate([np.abs(trained[name]).ravel() for name in KERNELS])
            assert magnitudes[flat].min() >= magnitudes[previous & ~flat].max()
        previous = flat


@pytest.mark.parametrize("level", [0, 1, 2])
def test_pruned_weights_are_zero_after_training(finished_run, level):
    mask, weights = _mask(finished_run, level), _weights(finished_run, level)
    for name in KERNELS:
        assert (weights[name][~mask[name]] == 0).all()
        assert not np.signbit(weights[name][~mask[name]]).any()
        assert np.count_nonzero(weights[name][mask[name]]) > 0.99 * np.count_nonzero(mask[name])


def test_rewind_weights_are_those_of_a_training_that_ends_there(finished_run, run_tiny, tmp_path):
    short = run_tiny(tmp_path, experiment="train", train_steps="7it", rewind_step="0it")
    at_the_rewind_step = load_tensors(finished_run / "rewind" / "tensors")
    weights = _weights(short, 0)
    assert len(weights) == 6
    for name, array in weights.items():
        assert array.tobytes() == at_the_rewind_step[f"weights/{name}"].tobytes(), name


def test_levels_train_from_the_rewound_weights(run_tiny, tmp_path):
    """A plain loop over the rewound ticket, without our training code, arrives there as well."""
    run = run_tiny(tmp_path, optimizer="sgd", learning_rate=0.1, levels=1)
    masks = {name: tf.constant(mask, tf.float32) for name, mask in _mask(run, 1).items()}
    model = tf_lottery.strip(tf_lottery.load_ticket(run, 1, "rewind"))
    data = load_dataset("digits", validation_examples=200, split_seed=0).train
    epoch_steps = len(data) // 60
    for step in range(7, 45):
        order = epoch_order(Epoch(1, 1, step // epoch_steps), len(data))
        batch = order[step % epoch_steps * 60 :][:60]
        with tf.GradientTape() as tape:
            logits = model(data.images[batch].astype(np.float32), training=True)
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(data.labels[batch], logits, True)
            )
        variables = model.trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            mask = masks.get(variable.name.removesuffix(":0"), 1.0)
            variable.assign_sub(0.1 * gradient * mask)
    trained = _weights(run, 1)
    for variable in model.trainable_variables:
        name = variable.name.removesuffix(":0")
        np.testing.assert_allclose(variable.numpy(), trained[name], atol=2e-5, err_msg=name)


def test_metrics(finished_run):
    for level, first in ((0, 0), (1, 7), (2, 7)):
        rows = _rows(finished_run / f"level_{level}" / "metrics.csv")
        assert [row["step"] for row in rows] == [first, 10, 20, 30, 40, 45]
        for row in rows:
            for split in ("validation", "test"):
                assert 0 < row[f"{split}_loss"] < 10
                assert 0 < row[f"{split}_accuracy"] < 1
        for row in rows[1:]:
            assert 0 < row["train_loss_since_last_row"] < 10
            assert 0 < row["train_accuracy_since_last_row"] < 1


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_first_row_is_of_the_network_before_training(finished_run, level):
    """Of level 0 that of the initial weights, of others that of the untrained ticket."""
    first = _rows(finished_run / f"level_{level}" / "metrics.csv")[0]
    if level:
        model = tf_lottery.load_ticket(finished_run, level, weights="rewind")
    else:
        config = tf_lottery.config_from_values({"model": "lenet_20_10"})
        model = prepare(config).network.model
    test = load_dataset("digits", validation_examples=200, split_seed=0).test
    logits = model(test.images.astype(np.float32)).numpy()
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(test.labels, logits)
    assert first["test_loss"] == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-5)
    assert first["test_accuracy"] == pytest.approx(np.mean(logits.argmax(1) == test.labels))
    assert first["train_loss_since_last_row"] is None


def test_metrics_of_older_versions_are_read(copied_run):
    """Their columns had other names, and no row before training."""
    path = copied_run / "level_1" / "metrics.csv"
    text = path.read_text().replace("_since_last_row", "")
    lines = text.splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    rows = read_csv(path, METRICS_COLUMNS, RENAMED_METRICS)
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 45]
    log = MetricsLog.load(path, METRICS_COLUMNS, up_to_step=20, renamed=RENAMED_METRICS)
    assert log.rows == rows[:2]
    assert rows[0]["train_loss_since_last_row"] == float(lines[2].split(",")[1])


@pytest.mark.parametrize("level", [0, 2])
def test_last_metrics_are_those_of_the_saved_ticket(finished_run, level):
    last = _rows(finished_run / f"level_{level}" / "metrics.csv")[-1]
    data = load_dataset("digits", validation_examples=200, split_seed=0)
    model = tf_lottery.load_ticket(finished_run, level)
    for name, split in (("validation", data.validation), ("test", data.test)):
        logits = model.predict(split.images.astype(np.float32), verbose=0).astype(np.float64)
        accuracy = np.mean(logits.argmax(axis=1) == split.labels)
        true_logits = logits[np.arange(len(split)), split.labels]
        loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - true_logits)
        assert last[f"{name}_accuracy"] == pytest.approx(accuracy, abs=1e-12)
        assert last[f"{name}_loss"] == pytest.approx(loss, rel=1e-5)


def test_summary(finished_run):
    rows = _rows(finished_run / "summary.csv")
    assert list(rows[0]) == [
        *("level", "density", "weights_remaining", "test_accuracy", "test_loss"),
        *("early_stop_step", "early_stop_test_accuracy", "seconds"),
    ]
    assert [row["level"] for row in rows] == [0, 1, 2]
    assert [row["weights_remaining"] for row in rows] == list(REMAINING)
    assert [row["density"] for row in rows] == [count / 1580 for count in REMAINING]
    for level, row in enumerate(rows):
        metrics = _rows(finished_run / f"level_{level}" / "metrics.csv")
        best = min(metrics, key=lambda metric: metric["validation_loss"])
        assert row["test_accuracy"] == metrics[-1]["test_accuracy"]
        assert row["test_loss"] == metrics[-1]["test_loss"]
        assert row["early_stop_step"] == best["step"]
        assert row["early_stop_test_accuracy"] == best["test_accuracy"]
        assert row["seconds"] > 0


def test_without_validation_examples(run_tiny, tmp_path):
    run = run_tiny(tmp_path, validation_examples=0, experiment="train")
    with (run / "summary.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["early_stop_step"] == row["early_stop_test_accuracy"] == ""
    assert float(row["test_accuracy"]) > 0


def test_figure_is_an_image(finished_run, pictures):
    image = tf.io.decode_png((finished_run / "summary.png").read_bytes()).numpy()
    assert image.shape[0] > 300
    assert image.shape[1] > 300
    assert image.std() > 0


def test_tensorboard_shows_the_metrics(finished_run):
    log = EventAccumulator(str(finished_run / "tensorboard" / "level_1"))
    log.Reload()
    rows = _rows(finished_run / "level_1" / "metrics.csv")
    for split, ending in (("train", "_since_last_row"), ("validation", ""), ("test", "")):
        for measure in ("loss", "accuracy"):
            events = log.Tensors(f"{measure}/{split}{ending}")
            shown = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events]
            wanted = [
                (row["step"], np.float32(value))
                for row in rows
                if (value := row[f"{split}_{measure}{ending}"]) is not None
            ]
            assert shown == wanted


def test_flag_file_replays_the_run(finished_run, outcome_of, tmp_path):
    run_command_of(f"--flagfile={finished_run / 'flags.cfg'}", f"--workdir={tmp_path}")
    assert outcome_of(tmp_path / "tiny" / "replicate_1") == outcome_of(finished_run)


@pytest.mark.parametrize("kind", ["run", pytest.param("branch", marks=pytest.mark.slow)])
def test_a_folder_that_could_not_be_written_to_at_the_start_is_not_kept_locked(
    copied_run, run_tiny, tmp_path, monkeypatch, kind
):
    def start():
        if kind == "run":
            run_tiny(tmp_path)
        else:
            tf_lottery.run_branch(copied_run, "retrain", [1])

    def fail(run: RunFolder, details) -> None:
        raise StorageError(run.path, "the disk is full")

    with monkeypatch.context() as context, pytest.raises(StorageError) as error:
        context.setattr(RunFolder, "remember", fail)
        start()
    start()
    # Until here it holds the frames of what failed, and what they hold.
    assert "the disk is full" in str(error.value)
