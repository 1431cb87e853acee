"""Compaction of the networks of the papers, and what a search makes of it."""

from collections.abc import Mapping

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tests.exporting.compact_checks import check_compaction, left, randomize, units
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.models.build import build_model
from tf_lottery.pruning.model_plan import pruning_plan


def pruned(
    name: str, rate: float, shape=(16, 16, 3)
) -> tuple[keras.Model, Mapping[str, np.ndarray]]:
    """A network without a part of its units, and its mask."""
    model = tf_lottery.prunable(build_model(name, shape, 10, 1, ([7.0], [9.0])))
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Dead filters are 0 after the rectifiers.
            if layer.scale:
                layer.gamma.assign(np.abs(layer.gamma))
            layer.beta.assign(-np.abs(layer.beta))
            layer.moving_mean.assign(np.abs(layer.moving_mean))
    scores = {
        weight: np.abs(variable.numpy())
        for weight, (variable, _) in masked_variables(model).items()
    }
    plan = pruning_plan(model, rate, "layerwise", "units")
    mask = plan.prune(scores, tf_lottery.get_mask(model), 1)
    tf_lottery.set_mask(model, mask)
    return model, mask


def live(mask: np.ndarray) -> int:
    return int(mask.any(axis=tuple(range(mask.ndim - 1))).sum())


def test_lenet():
    model, mask = pruned("lenet_300_100", 0.8, (8, 8, 1))
    result = check_compaction(model)
    widths = [live(mask[f"dense_{number}/kernel"]) for number in (1, 2)]
    assert widths == [60, 20]
    assert result.parameters == 64 * 60 + 60 + 60 * 20 + 20 + 20 * 10 + 10
    assert left(result) == {}


@pytest.mark.slow
def test_vgg():
    model, mask = pruned("vgg11", 0.75)
    result = check_compaction(model)
    widths, before, parameters = units(result), 3, 0
    for name in (name for name in widths if "conv" in name and "bn" not in name):
        width = live(mask[f"{name}/kernel"])
        assert widths[name] == widths[f"{name}_bn"] == width
        parameters += 9 * before * width + 4 * width
        before = width
    assert result.parameters == parameters + before * 10 + 10
    assert result.parameters < result.parameters_before / 10
    assert left(result) == {}


@pytest.mark.slow
def test_resnet20():
    model, mask = pruned("resnet20", 0.5, (8, 8, 3))
    result = check_compaction(model)
    widths = units(result)
    stages = {}
    for name, array in mask.items():
        layer = name.removesuffix("/kernel")
        if layer.endswith("conv1"):
            assert widths[layer] == live(array)
        elif layer != "output":
            stage = layer.split("_")[0].replace("stem", "stage1")
            alive = array.any(axis=(0, 1, 2))
            stages[stage] = stages.get(stage, False) | alive
    for stage, alive in stages.items():
        layers = [name for name in widths if name.startswith(stage) and "conv1" not in name]
        assert layers and {widths[name] for name in layers} == {alive.sum()}, stage


@pytest.mark.slow
def test_a_pruned_network_is_trained_compacted_and_exported(tmp_path):
    generator = np.random.default_rng(0)
    images = generator.normal(size=(60, 8, 8, 1)).astype(np.float32)
    labels = (images.mean(axis=(1, 2, 3)) > 0).astype(np.int64)
    model = tf_lottery.prunable(build_model("conv2", (8, 8, 1), 2, 1, ([0.0], [1.0])))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    search = tf_lottery.IterativeMagnitudePruning(
        model, levels=2, pruning_rate=0.5, rewind_step="1it", structure="units"
    )
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(20)
    search.fit(data, epochs=1, verbose=0)
    result = check_compaction(model)
    assert result.parameters < result.parameters_before / 2
    tf_lottery.export_saved_model(result.model, tmp_path / "small")
    loaded = tf.saved_model.load(str(tmp_path / "small"))
    np.testing.assert_allclose(loaded(images), model(images), rtol=1e-4, atol=1e-4)


def test_report_has_a_row_for_each_layer():
    model, _ = pruned("lenet_20_10", 0.5, (4, 4, 1))
    frame = tf_lottery.compact(model).to_frame()
    assert frame.name.tolist() == ["dense_1", "dense_2", "output"]
    assert frame.units_before.tolist() == [20, 10, 10]
    assert frame.units.tolist() == [10, 5, 10]
    assert frame.parameters.tolist() == [16 * 10 + 10, 10 * 5 + 5, 5 * 10 + 10]
    assert frame.parameters_before.tolist() == [16 * 20 + 20, 20 * 10 + 10, 10 * 10 + 10]


@pytest.mark.parametrize("name", ["mobilenet_v2", "inception_v3", "applications.EfficientNetB0"])
@pytest.mark.slow
def test_networks_of_keras(name):
    model, _ = pruned(name, 0.5, (75, 75, 3))
    result = check_compaction(model)
    assert result.parameters < 0.6 * result.parameters_before
