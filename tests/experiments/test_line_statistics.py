"""Statistics of batch normalization at points of a line."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tests.experiments.measured_lines import line, measure, recorded, rows
from tf_lottery.config.lines import Lines
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.models.registry import FAMILIES, register_model
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.network import weights_of


@pytest.fixture(scope="module")
def normalized_run(run_tiny, tmp_path_factory) -> Path:
    """A run of a network with batch normalization, all training examples in one batch."""
    return run_tiny(
        tmp_path_factory.mktemp("normalized"),
        model="wideresnet_10_1",
        batch_size=1237,
        train_steps="2it",
        rewind_step="0it",
        evaluate_every="1it",
        levels=1,
    )


@pytest.mark.slow
def test_statistics_are_those_of_the_line_or_estimated_anew(normalized_run, digits):
    for statistics in ("interpolated", "estimated"):
        measure(normalized_run, "level_0,level_1", line_statistics=statistics, line_split="both")
    stored = line(normalized_run, "level_0--level_1", "3_points__union__interpolated__both")
    estimated = line(
        normalized_run, "level_0--level_1", "3_points__union__estimated_at_random__both"
    )
    for level in (0, 1):
        found = stored[-level]["test_loss"], stored[-level]["test_error"]
        assert found == recorded(normalized_run / f"level_{level}")
        model, data = tf_lottery.load_ticket(normalized_run, level), digits["train"]
        # Estimated on one batch of all examples: as if that batch were trained on.
        logits = model(data.images.astype(np.float32), training=True).numpy().astype(np.float64)
        losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(data)), data.labels]
        assert estimated[-level]["train_loss"] == pytest.approx(losses.mean(), rel=1e-3)
        assert stored[-level]["train_loss"] != pytest.approx(losses.mean(), rel=1e-2)


@pytest.fixture
def sorted_run(run_tiny, tmp_path) -> Iterator[tuple[Path, tf_lottery.Dataset]]:
    """A run of a small network with batch normalization on data that are stored by class."""

    @register_model("one_normalization", examples=["one_normalization"])
    def network(inputs, classes):
        features = keras.layers.Dense(8, name="one")(keras.layers.Flatten()(inputs))
        features = keras.layers.BatchNormalization(momentum=0.9, name="norm")(features)
        features = keras.layers.ReLU()(features)
        return keras.layers.Dense(classes, name="output")(features)

    random, labels = np.random.default_rng(0), np.repeat(np.arange(4), 200)
    images = random.normal(60 * labels[:, None, None, None], 20, (800, 4, 4, 1))
    data = (images.clip(0, 255).astype(np.uint8), labels)
    dataset = tf_lottery.from_arrays(data, data, name="sorted")
    short = {"levels": 1, "train_steps": "60it", "evaluate_every": "20it", "batch_size": 10}
    try:
        yield run_tiny(tmp_path, dataset, model="one_normalization", **short), dataset
    finally:
        FAMILIES.remove("one_normalization")


def test_statistics_are_those_of_all_classes_though_data_are_stored_by_class(sorted_run):
    run, dataset = sorted_run
    analyzed = AnalyzedRun(run, dataset=dataset)
    weights = analyzed.level(0).weights
    analyzed.evaluator(Lines())(weights)
    found = weights_of(analyzed.experiment.network.model)
    details = RunFolder.read(run).details
    pixels = (dataset.train.images - details.pixel_mean) / np.sqrt(details.pixel_variance)
    features = pixels.reshape(len(pixels), -1) @ weights["one/kernel"] + weights["one/bias"]
    np.testing.assert_allclose(found["norm/moving_mean"], features.mean(axis=0), atol=1e-3)
    # Random batches of 10 hold nine tenths of the variance.
    ratio = found["norm/moving_variance"] / features.var(axis=0)
    assert ((ratio > 0.85) & (ratio < 0.95)).all()


@pytest.mark.slow
def test_what_earlier_versions_measured_with_other_statistics_stays_in_its_own_files(sorted_run):
    run, dataset = sorted_run
    names = {
        way: (
            f"lines/level_0--level_1__3_points__union__{way}__test.csv",
            f"successive_levels__3_points__union__{way}__test.csv",
        )
        for way in ("estimated", "estimated_at_random")
    }
    old = [run / "landscape" / name for name in names["estimated"]]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of an earlier version")
    run_analysis(run, "interpolate", solutions="level_0,level_1", points=3, dataset=dataset)
    run_analysis(run, "successive_levels", points=3, dataset=dataset)
    assert {path.read_text() for path in old} == {"of an earlier version"}
    points, (pair,) = (rows(run / "landscape" / name) for name in names["estimated_at_random"])
    errors = [row["test_error"] for row in points]
    assert pair["test_error_barrier"] == max(errors) - (errors[0] + errors[2]) / 2
    # The ends of the line are as good as the levels.
    for end, level in ((0, 0), (2, 1)):
        assert errors[end] == pytest.approx(recorded(run / f"level_{level}")[1], abs=0.03)
    measured = MeasuredRun(run)
    assert measured.line_settings(Lines()) == (30, "union", "estimated_at_random", "test")
    given = measured.line_settings(Lines(line_statistics="interpolated"))
    assert given == (30, "union", "interpolated", "test")
