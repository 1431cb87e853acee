"""Compaction in the export: when, and what the report says of it."""

import csv

import numpy as np
import pytest

import tf_lottery
from tf_lottery.exporting.network_of import network_of
from tf_lottery.exporting.smaller import smaller_network
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.pruning.model_plan import pruning_plan

ROWS = np.random.default_rng(5).standard_normal((40, 6)).astype(np.float32)
LABELS = np.random.default_rng(6).integers(0, 3, 40)


@pytest.fixture
def half_dead(keras):
    """A ticket of 20 hidden units, half of which have no inputs and a value of their own."""
    keras.utils.set_random_seed(1)
    hidden = keras.layers.Dense(20, "relu", name="hidden", bias_initializer="random_normal")
    layers = [keras.Input((6,), name="rows"), hidden, keras.layers.Dense(3, name="classes")]
    model = tf_lottery.prunable(keras.Sequential(layers, name="half"))
    mask = {name: np.array(array) for name, array in tf_lottery.get_mask(model).items()}
    mask["hidden/kernel"][:, ::2] = False
    tf_lottery.set_mask(model, tf_lottery.Mask(mask))
    return model


def test_what_can_be_removed_is_unless_that_is_not_wanted(half_dead):
    ticket = network_of(half_dead)
    for wanted in (None, True):
        network, compaction = smaller_network(ticket, wanted)
        assert (compaction.parameters_before, compaction.parameters) == (203, 103)
        assert network.parameters == 103
        assert (network.name, network.inputs, network.outputs) == (
            ticket.name,
            ticket.inputs,
            ticket.outputs,
        )
        assert [(layer.units_before, layer.units) for layer in compaction.layers] == [
            (20, 10),
            (3, 3),
        ]
        found, expected = (n.compute({"rows": ROWS})["classes"] for n in (network, ticket))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert smaller_network(ticket, False) == (ticket, None)


def test_kernels_in_blocks_are_not_broken_up_unless_that_is_wanted(keras):
    layers = [keras.Input((8,), name="rows"), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)]
    model = tf_lottery.prunable(keras.Sequential(layers))
    mask = {name: np.array(array) for name, array in tf_lottery.get_mask(model).items()}
    first, second = mask
    mask[first][:, 0] = False
    mask[second][4:, 1] = False
    tf_lottery.set_mask(model, tf_lottery.Mask(mask))
    ticket = network_of(model)
    assert smaller_network(ticket, None) == (ticket, None)
    assert smaller_network(ticket, True)[1].parameters == ticket.parameters - 8 - 1 - 3


def test_a_network_of_which_nothing_can_be_removed_stays_unless_it_must(ticket):
    network = network_of(ticket)
    assert smaller_network(network, None) == (network, None)
    with pytest.raises(ValueError, match=r"^compact=True \(--compact=on\): no unit of sequential"):
        smaller_network(network, True)


def test_subclassed_models_stay_unless_they_must_not(keras):
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model(ROWS)
    network = network_of(model, (ROWS, LABELS))
    assert smaller_network(network, None) == (network, None)
    with pytest.raises(ValueError, match=r"^compact=True .*: own is a subclassed model, and only"):
        smaller_network(network, True)


@pytest.mark.slow
def test_a_model_without_units_gives_smaller_files(keras, tmp_path):
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu", name="conv"),
        keras.layers.Flatten(),
        keras.layers.Dense(40, activation="relu", name="hidden"),
        keras.layers.Dense(3, name="classes"),
    ]
    model = tf_lottery.prunable(keras.Sequential(layers))
    scores = {name: np.abs(weight) for name, (weight, _) in masked_variables(model).items()}
    plan = pruning_plan(model, 0.5, "layerwise", "units")
    tf_lottery.set_mask(model, plan.prune(scores, tf_lottery.get_mask(model), 1))
    smaller, same = (
        tf_lottery.export(
            model, tmp_path / str(compact), ["tflite"], compact=compact, measure=False
        )
        for compact in (None, False)
    )
    assert [(layer.name, layer.units) for layer in smaller.compaction.layers] == [
        ("conv", 8),
        ("hidden", 20),
        ("classes", 3),
    ]
    assert smaller.formats[0].size.bytes < same.formats[0].size.bytes / 2


def test_refused_before_anything_is_written(ticket, tmp_path):
    with pytest.raises(ValueError, match=r"no unit of sequential.* can be removed"):
        tf_lottery.export(ticket, tmp_path / "out", compact=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_files_of_the_smaller_network_compute_what_the_ticket_does(keras, half_dead, tmp_path):
    reports = {
        compact: tf_lottery.export(
            half_dead,
            tmp_path / str(compact),
            ["keras", "tflite"],
            test_data=(ROWS, LABELS),
            dense=tf_lottery.strip(half_dead),
            compact=compact,
            measure=False,
        )
        for compact in (None, False)
    }
    smaller, same = reports[None], reports[False]
    assert smaller.density == same.density == pytest.approx((60 + 60) / (120 + 60))
    assert smaller.accuracy == same.accuracy
    for report in reports.values():
        assert all(result.verification.accuracy == report.accuracy for result in report.formats)
    loaded = keras.models.load_model(tmp_path / "None" / "model.keras", compile=False)
    assert loaded.count_params() == 103
    np.testing.assert_allclose(loaded(ROWS), half_dead(ROWS), rtol=1e-5, atol=1e-5)
    assert smaller.formats[1].size.bytes < same.formats[1].size.bytes
    assert same.compaction is None
    assert not (tmp_path / "False" / "compaction.csv").exists()
    with (tmp_path / "None" / "compaction.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["units_before"], row["units"]) for row in rows] == [
        ("hidden", "20", "10"),
        ("classes", "3", "3"),
    ]
    card = (tmp_path / "None" / "README.md").read_text()
    assert "A network of 203 parameters, with 120 of its 180 prunable weights" in card
    assert "which leaves 103 parameters" in card
    assert "| hidden | 20 | 10 | 140 | 70 |" in card
    assert "| hidden/kernel | 120 | 60 | 50% |" in card
    # An earlier export with a compaction.csv is replaced as a whole.
    again = tf_lottery.export(
        tf_lottery.compact(half_dead), tmp_path / "None", ["keras"], overwrite=True, measure=False
    )
    assert again.compaction is None
    names = {path.name for path in (tmp_path / "None").iterdir()}
    assert names == {"model.keras", "export.csv", "export.json", "README.md"}
