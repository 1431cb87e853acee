"""With --structure=units, levels are trained as the small networks that their masks leave."""

import json
import shutil
import signal
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
import tf_lottery.plugins
from tests.edited_config import edit_config
from tf_lottery.config.experiment import config_from_values
from tf_lottery.data import Epoch
from tf_lottery.experiments.running.compacted_network import CompactedNetwork
from tf_lottery.experiments.running.feeding import build_program
from tf_lottery.experiments.running.level_network import compacted_network
from tf_lottery.experiments.running.setup import Experiment, prepare
from tf_lottery.masking.masks import Mask
from tf_lottery.models.registry import FAMILIES
from tf_lottery.store.tensors import load_tensors
from tf_lottery.training.network import NetworkState

UNITS = {"structure": "units", "pruning_rate": 0.3, "optimizer": "adam"}
KERNELS = ("dense_1/kernel", "dense_2/kernel")


@pytest.fixture(scope="module")
def small_run(run_tiny, tmp_path_factory) -> Path:
    """The folder of a run whose levels were small networks; not to be changed."""
    return run_tiny(tmp_path_factory.mktemp("small"), **UNITS)


def record_of(run: Path, level: int) -> dict[str, Any]:
    return json.loads((run / f"level_{level}" / "level.json").read_text())["record"]


def mask_of(run: Path, level: int) -> Mask:
    return Mask.load(run / f"level_{level}" / "masks.npz")


def weights_of(run: Path, level: int) -> dict[str, np.ndarray]:
    return load_tensors(run / f"level_{level}" / "weights")


def rewind_weights(run: Path) -> dict[str, np.ndarray]:
    tensors = load_tensors(run / "rewind" / "tensors")
    weights = {name.partition("/")[2]: array for name, array in tensors.items()}
    return {name: weights[name] for name in weights_of(run, 0)}


def sizes_of(mask: Mask) -> tuple[int, int]:
    first, second = (int(mask[name].any(axis=0).sum()) for name in KERNELS)
    return first, second


def parameters(first: int, second: int) -> int:
    """Of a LeNet on the digits, without what standardises the pixels."""
    return 64 * first + first + first * second + second + second * 10 + 10


def experiment_of(**flags: Any) -> Experiment:
    values = {
        "model": "lenet_20_10",
        "train_steps": "40it",
        "jit_compile": "off",
        "levels": 2,
        **UNITS,
        **flags,
    }
    return prepare(config_from_values(values))


def units_gone(experiment: Experiment, gone: dict[str, list[int]]) -> Mask:
    arrays = {name: array.copy() for name, array in experiment.network.mask.items()}
    for name, units in gone.items():
        arrays[name][..., units] = False
    return Mask(arrays)


def test_levels_are_small_networks(small_run):
    start = rewind_weights(small_run)
    assert "parameters_trained" not in record_of(small_run, 0)
    for level in (1, 2):
        mask, weights = mask_of(small_run, level), weights_of(small_run, level)
        record = record_of(small_run, level)
        assert sizes_of(mask) < sizes_of(mask_of(small_run, level - 1))
        standardization = record["parameters_trained"] - parameters(*sizes_of(mask))
        assert standardization in (0, 2, 3, 64 * 2 + 1)
        assert record["weights_remaining"] == mask.remaining
        for layer, following in (("dense_1", "dense_2"), ("dense_2", "output")):
            kept = mask[f"{layer}/kernel"].any(axis=0)
            assert not weights[f"{layer}/bias"][~kept].any()
            assert not weights[f"{layer}/kernel"][:, ~kept].any()
            assert weights[f"{layer}/bias"][kept].all()
            # What leads from a unit that is gone stays where it was rewound to.
            name = f"{following}/kernel"
            rows = np.ix_(~kept, mask[name].any(axis=0))
            np.testing.assert_array_equal(weights[name][rows], start[name][rows])
            moved = weights[name][np.ix_(kept, mask[name].any(axis=0))]
            assert not np.isin(moved, start[name]).any()


def test_the_ticket_computes_what_was_evaluated(small_run):
    data = experiment_of().dataset.test
    for level in (1, 2):
        ticket = tf_lottery.load_ticket(small_run, level)
        hits = ticket.predict(data.images, verbose=0).argmax(axis=-1) == data.labels
        assert np.mean(hits) == pytest.approx(record_of(small_run, level)["test_accuracy"])


@pytest.mark.parametrize("flags", [
    {"optimizer": "adam", "clip_norm": 0.5},
    pytest.param(
        {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05, "weight_decay": 1e-3,
         "lr_schedule": "linear"},
        marks=pytest.mark.slow,
    ),
], ids=lambda flags: flags["optimizer"])  # fmt: skip
def test_small_network_is_trained_as_the_whole_one_would_be(flags):
    """As the whole one with the offsets of its pruned units at 0."""
    experiment = experiment_of(**flags)
    network = experiment.network
    mask = units_gone(experiment, {"dense_1/kernel": [0, 3, 11], "dense_2/kernel": [4]})
    # With slots that are not 0.
    build_program(experiment).run(Epoch(1, 0, 0), 0, 5)
    network.restore(network.state(), mask)
    level = compacted_network(experiment)
    start = level.network.state()
    network.restore(start, mask)
    build_program(experiment).run(Epoch(1, 1, 0), 5, 12)
    level.program.run(Epoch(1, 1, 0), 5, 12)
    whole, small = network.state(), level.network.state()
    assert small.step == whole.step == 12
    kept = [np.ones(20, bool), np.ones(10, bool)]
    kept[0][[0, 3, 11]], kept[1][4] = False, False
    parts = {"dense_1/bias": kept[0], "dense_2/bias": kept[1]}
    parts |= {"dense_1/kernel": np.ix_(np.ones(64, bool), kept[0])}
    parts |= {"dense_2/kernel": np.ix_(*kept), "output/kernel": np.ix_(kept[1], np.ones(10, bool))}
    for name, array in small.weights.items():
        part = parts.get(name, ...)
        np.testing.assert_allclose(array[part], whole.weights[name][part], atol=2e-5, err_msg=name)
        outside = np.ones(array.shape, bool)
        outside[part] = False
        np.testing.assert_array_equal(array[outside], start.weights[name][outside])


def test_states_are_of_the_whole_network_and_come_back_exactly():
    experiment = experiment_of(rewind_optimizer=True, rewind_step="5it")
    network = experiment.network
    build_program(experiment).run(Epoch(1, 0, 0), 0, 5)
    network.restore(network.state(), units_gone(experiment, {"dense_1/kernel": [2, 7]}))
    before = network.state()
    level = compacted_network(experiment)
    compacted = level.network
    assert isinstance(compacted, CompactedNetwork)
    assert compacted.mask == network.mask
    state = compacted.state()
    assert_same(state, before, but=("dense_1/bias", [2, 7]))
    level.program.run(Epoch(1, 1, 0), 5, 9)
    later = compacted.state()
    level.program.run(Epoch(1, 1, 0), 9, 11)
    compacted.restore(later, compacted.mask)
    assert_same(compacted.state(), later)
    with pytest.raises(ValueError, match="another mask"):
        compacted.restore(later, Mask.ones_like(later.weights))


def assert_same(
    state: NetworkState, other: NetworkState, but: tuple[str, list[int]] | None = None
) -> None:
    assert state.step == other.step
    for name, array in state.weights.items():
        expected = other.weights[name].copy()
        if but is not None and name == but[0]:
            assert expected[but[1]].all()
            expected[but[1]] = 0
        assert array.tobytes() == expected.tobytes()
    for array, expected in zip(state.optimizer, other.optimizer, strict=True):
        assert array.shape == expected.shape
        assert array.tobytes() == expected.tobytes()


@pytest.mark.slow
def test_killed_within_a_small_level(start_main, outcome_of, small_run, tmp_path):
    flags = [f"--{name}={value}" for name, value in UNITS.items()]
    moment = ("level_2/checkpoint/step_20", signal.SIGKILL)
    process = start_main(*flags, workdir=tmp_path, signal_at=moment, checkpoint_always=True)
    assert process.wait() == -signal.SIGKILL, process.output
    process = start_main(*flags, workdir=tmp_path)
    assert process.wait() == 0, process.output
    assert "level 2 continues at step" in process.output
    assert outcome_of(tmp_path / "tiny" / "replicate_1") == outcome_of(small_run)


@pytest.mark.slow
def test_two_replicas(start_main, tmp_path):
    _run_on_two_replicas(start_main, tmp_path)
    run = tmp_path / "tiny" / "replicate_1"
    mask, weights = mask_of(run, 1), weights_of(run, 1)
    assert record_of(run, 1)["parameters_trained"] < parameters(20, 10)
    for name in KERNELS:
        gone = ~mask[name].any(axis=0)
        assert not weights[name][:, gone].any()
        assert not weights[name.replace("kernel", "bias")][gone].any()


@pytest.mark.slow
def test_two_replicas_killed(start_main, outcome_of, tmp_path):
    moment = ("level_1/checkpoint/step_20", signal.SIGKILL)
    _run_on_two_replicas(start_main, tmp_path / "killed", signal_at=moment, checkpoint_always=True)
    for name in ("killed", "at_once"):
        _run_on_two_replicas(start_main, tmp_path / name)
    killed, at_once = (tmp_path / name / "tiny" / "replicate_1" for name in ("killed", "at_once"))
    assert outcome_of(killed) == outcome_of(at_once)


def _run_on_two_replicas(start_main, workdir: Path, **how: Any) -> None:
    flags = [f"--{name}={value}" for name, value in UNITS.items()]
    flags += ["--distribution=mirrored", "--num_virtual_devices=2", "--levels=1"]
    process = start_main(*flags, workdir=workdir, **how)
    assert process.wait() == (-signal.SIGKILL if how else 0), process.output


@pytest.mark.slow
def test_branches_are_small_networks_too(small_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    for branch in ("random_mask", "random_reinitialization", "fine_tune"):
        tf_lottery.run_branch(run, branch, [2])
        own = run / "branches" / branch
        assert json.loads((own / "config.json").read_text())["identity"]["compact_training"]
        sizes, trained = sizes_of(mask_of(own, 2)), record_of(own, 2)["parameters_trained"]
        assert trained - parameters(*sizes) == record_of(run, 2)["parameters_trained"] - parameters(
            *sizes_of(mask_of(run, 2))
        )
        gone = ~mask_of(own, 2)["dense_1/kernel"].any(axis=0)
        assert gone.any()
        assert not weights_of(own, 2)["dense_1/bias"][gone].any()


@pytest.mark.slow
def test_small_networks_are_let_go_of(run_tiny, tmp_path, monkeypatch):
    built = []

    def remembered(experiment: Experiment):
        level = compacted_network(experiment)
        built.extend(map(weakref.ref, (level.program, level.network.small.model)))
        return level

    monkeypatch.setattr(
        "tf_lottery.experiments.running.level_training.compacted_network", remembered
    )
    run_tiny(tmp_path, **UNITS)
    assert [reference() for reference in built] == [None] * 4


@pytest.mark.slow
def test_masked_training_when_told_so(run_tiny, small_run, tmp_path):
    run = run_tiny(tmp_path, **UNITS, compact_training=False, levels=1)
    assert "parameters_trained" not in record_of(run, 1)
    assert mask_of(run, 1) == mask_of(small_run, 1)
    # Biases begin with 0, and those of units that are rectified away get no gradient.
    for name, array in weights_of(run, 1).items():
        np.testing.assert_allclose(array, weights_of(small_run, 1)[name], atol=0.05)


@pytest.mark.slow
def test_a_run_from_before_goes_on_masked(run_tiny, tmp_path, capsys):
    run = run_tiny(tmp_path, **UNITS, compact_training=False, levels=1)
    edit_config(run, without=("compact_training",))
    assert run_tiny(tmp_path, **UNITS, levels=2) == run
    assert "parameters_trained" not in record_of(run, 2)
    tf_lottery.run_branch(run, "random_mask", [1])
    own = run / "branches" / "random_mask"
    assert "parameters_trained" not in record_of(own, 1)
    edit_config(own, without=("compact_training",))
    tf_lottery.run_branch(run, "random_mask", [1, 2])
    assert "parameters_trained" not in record_of(own, 2)
    # And in the end it is shown.
    capsys.readouterr()
    run_tiny(tmp_path, **UNITS, levels=2)
    assert "level  density" in capsys.readouterr().out


def test_a_run_with_another_value_is_refused(small_run, run_tiny, tmp_path):
    shutil.copytree(small_run.parents[1], tmp_path / "copy")
    with pytest.raises(ValueError, match=r"--compact_training: the run folder has true"):
        run_tiny(tmp_path / "copy", **UNITS, compact_training=False)


@pytest.fixture
def sigmoid_network() -> Iterator[str]:
    """The name of a network whose units are not 0 where their inputs are."""

    @tf_lottery.plugins.register_model(r"sigmoid_(\d+)", examples=["sigmoid_4"])
    def sigmoid(inputs, classes, width):
        """A hidden layer between the pixels and the classes."""
        features = keras.layers.Flatten(name="flatten")(inputs)
        features = keras.layers.Dense(int(width), "sigmoid", name="hidden")(features)
        return keras.layers.Dense(classes, name="output")(features)

    yield "sigmoid_12"
    FAMILIES.remove(r"sigmoid_(\d+)")


def test_what_cannot_be_compacted_is_trained_masked(sigmoid_network, run_tiny, tmp_path, capsys):
    run = run_tiny(tmp_path, **UNITS, model=sigmoid_network)
    output = capsys.readouterr().out
    note = "--compact_training has no effect at level 1, which is trained masked"
    assert output.count("--compact_training") == output.count(note) == 1
    assert "hidden does not make 0 of 0" in output
    assert "parameters_trained" not in record_of(run, 2)
    gone = ~mask_of(run, 2)["hidden/kernel"].any(axis=0)
    assert gone.any()
    assert weights_of(run, 2)["hidden/bias"][gone].all()


@pytest.mark.slow
def test_without_units_it_has_no_effect(run_tiny, tmp_path, capsys):
    run_tiny(tmp_path, levels=0, train_steps="10it", rewind_step="0it", compact_training=False)
    note = "--nocompact_training has no effect: --structure is not units."
    assert note in capsys.readouterr().out
