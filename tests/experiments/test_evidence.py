"""The examples and seeds of which an experiment's scores are made."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import tf_lottery
from tf_lottery.data import Epoch, epoch_order
from tf_lottery.experiments.running.evidence import build_evidence, scoring_batches
from tf_lottery.experiments.running.setup import Experiment, prepare
from tf_lottery.pruning.score import known_methods

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (350, 4, 4, 1)).astype(np.uint8)
LABELS = np.arange(350) % 5


def experiment_of(**flags) -> Experiment:
    config = tf_lottery.config_from_values(
        {"model": "lenet_8", "levels": 1, "train_steps": "3it", "validation_examples": 0, **flags}
    )
    splits = ((IMAGES, LABELS), (IMAGES[:5], LABELS[:5]))
    return prepare(config, None if "dataset" in flags else tf_lottery.from_arrays(*splits))


def rows_of(images: np.ndarray) -> list[int]:
    numbers = {image.tobytes(): number for number, image in enumerate(IMAGES.astype(np.float32))}
    return [numbers[image.tobytes()] for image in images]


def test_batches_are_raw_training_examples_in_an_order_of_their_own():
    experiment = experiment_of(score_examples=230, shift_crop=2)
    batches = list(scoring_batches(experiment))
    assert [len(labels) for _, labels in batches] == [77, 77, 76]
    rows = rows_of(np.concatenate([images for images, _ in batches]))
    assert len(set(rows)) == 230
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), LABELS[rows])
    assert batches[0][0].dtype == np.float32
    assert rows != epoch_order(Epoch(1, 0, 0), 350)[:230].tolist()
    for other, flags in ((rows, {"levels": 3}), (None, {"data_seed": 2})):
        again = scoring_batches(experiment_of(score_examples=230, **flags))
        found = rows_of(np.concatenate([images for images, _ in again]))
        assert (found == rows) == (other is not None)


@pytest.mark.parametrize(("wanted", "sizes"), [(1000, [88, 88, 87, 87]), (100, [100]), (1, [1])])
def test_as_many_examples_as_wanted_and_there(wanted: int, sizes: list[int]):
    batches = scoring_batches(experiment_of(score_examples=wanted))
    assert [len(labels) for _, labels in batches] == sizes


@pytest.mark.slow
def test_streamed_examples():
    with tfds.testing.mock_data(num_examples=40):
        experiment = experiment_of(
            dataset="imagenet2012", image_size=32, batch_size=4, score_examples=15
        )
        batches = list(scoring_batches(experiment))
        again = list(scoring_batches(experiment))
    ((images, labels),) = batches
    assert images.shape == (15, 32, 32, 3)
    assert images.dtype == np.float32
    assert images.max() > 1
    assert labels.shape == (15,)
    np.testing.assert_array_equal(images, again[0][0])


def test_the_evidence_of_a_level(mirrored: tf.distribute.Strategy):
    """The same on two replicas, of which each would see half of a batch in training."""
    scores = {}
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            experiment = experiment_of(score_examples=64)
            weights, mask = experiment.network.weights(), experiment.network.mask
            evidence = build_evidence(experiment, lambda weights=weights: weights)
            scores[strategy] = {
                (name, level): method.score(weights, mask, evidence(level))
                for name, method in known_methods().items()
                for level in (1, 2)
            }
    single, replicated = scores.values()
    for key, arrays in single.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, replicated[key][name])
    for name in ("snip", "synflow", "random"):
        equal = np.array_equal(*(single[name, level]["dense_1/kernel"] for level in (1, 2)))
        assert equal == (name != "random")
