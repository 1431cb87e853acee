"""The same experiment on other devices: the same within rounding, or refused."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from tf_lottery.config.experiment import config_from_values
from tf_lottery.experiments.running import setup
from tf_lottery.masking.masks import Mask
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.tensors import load_tensors


@pytest.mark.parametrize("in_memory", ["on", pytest.param("off", marks=pytest.mark.slow)])
@pytest.mark.parametrize("replicas", [1, 2])
def test_mirrored_replicas(mirrored, run_tiny, finished_run, in_memory, replicas, tmp_path):
    """One alone waits for others too, as TensorFlow has it."""
    strategy = mirrored if replicas == 2 else tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        run = run_tiny(tmp_path, in_memory=in_memory, levels=1, evaluate_every="45it")
    one = load_tensors(finished_run / "level_0" / "weights")
    for name, array in load_tensors(run / "level_0" / "weights").items():
        np.testing.assert_allclose(array, one[name], atol=1e-5, err_msg=name)
    mask = Mask.load(run / "level_1" / "masks.npz")
    assert mask.overlap(Mask.load(finished_run / "level_1" / "masks.npz")) > 0.99
    weights = load_tensors(run / "level_1" / "weights")
    assert not any(weights[name][~array].any() for name, array in mask.items())


@pytest.mark.parametrize(
    ("replicas", "in_memory", "where"),
    [(2, "on", "with several replicas"), (1, "off", "on data that the host feeds"), (1, "on", "")],
)
def test_steps_that_are_run_one_by_one_are_told_of(mirrored, capsys, replicas, in_memory, where):
    flags = {"model": "lenet_30_10", "steps_per_execution": 7, "in_memory": in_memory}
    with mirrored.scope() if replicas > 1 else nullcontext():
        setup.prepare(config_from_values(flags))
    told = f"--steps_per_execution=7 has no effect {where}." if where else ""
    assert capsys.readouterr().out == (f"Note: {told}\n" if told else "")


@pytest.mark.slow
def test_streamed_batches_change_no_bit(run_tiny, finished_run, outcome_of, tmp_path):
    # The metrics' sums are in another order; everything else is the same.
    expected, found = outcome_of(finished_run), outcome_of(run_tiny(tmp_path, in_memory="off"))
    for file, content in expected.items():
        if file.endswith((".index", ".npz")):
            assert found[file] == content, file


@pytest.mark.slow
def test_a_run_that_goes_on_with_other_replicas_says_so(mirrored, run_tiny, half_run, capsys):
    with mirrored.scope():
        run_tiny(half_run.parents[1])
    assert "begun on 1 replicas and goes on with 2" in capsys.readouterr().out
    assert (half_run / "level_2" / "level.json").exists()


def test_another_precision_is_refused(run_tiny, half_run, monkeypatch):
    monkeypatch.setattr(setup, "resolve_precision", lambda flag: "mixed_bfloat16")
    with pytest.raises(RunFolderMismatchError, match=r"--mixed_precision=auto.*=off"):
        run_tiny(half_run.parents[1])
    assert not (half_run / "level_2").exists()


def test_bfloat16_leaves_weights_float32(run_tiny, finished_run, tmp_path):
    run = run_tiny(tmp_path, mixed_precision="on", levels=1, evaluate_every="45it")
    full = load_tensors(finished_run / "level_0" / "weights")
    weights = load_tensors(run / "level_0" / "weights")
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    differences = [np.abs(weights[name] - full[name]).max() for name in full]
    assert 0 < max(differences) < 0.1
    # Rewinding is as exact as ever.
    mask = Mask.load(run / "level_1" / "masks.npz")
    assert mask.remaining == Mask.load(finished_run / "level_1" / "masks.npz").remaining
    rewind = load_tensors(run / "rewind" / "tensors")
    exact = [
        np.any(rewind[f"weights/{name}"] != tf.cast(
            tf.cast(rewind[f"weights/{name}"], tf.bfloat16), tf.float32).numpy())
        for name in mask
    ]  # fmt: skip
    assert all(exact)  # not rounded to bfloat16 on the way


@pytest.mark.slow
def test_two_replicas_train_networks_of_different_shapes_one_after_the_other(
    start_main, outcome_of, tmp_path
):
    devices = ("--distribution=mirrored", "--num_virtual_devices=2", "--levels=1")
    short = ("--train_steps=6it", "--evaluate_every=6it", "--rewind_step=0it")
    sweep = ("--sweep=model:lenet_20_10,lenet_30_10", "--replicates=1-2")
    process = start_main(*devices, *short, *sweep, workdir=tmp_path / "together")
    assert process.wait() == 0, process.output
    alone = ("--model=lenet_30_10", "--name=tiny_model_lenet_30_10", "--replicate=2")
    process = start_main(*devices, *short, *alone, workdir=tmp_path / "alone")
    assert process.wait() == 0, process.output
    together, once = (
        tmp_path / place / "tiny_model_lenet_30_10" / "replicate_2"
        for place in ("together", "alone")
    )
    assert outcome_of(together) == outcome_of(once)
