"""Devices that are not there, and batches that they cannot share."""

import re

import pytest
import tensorflow as tf

from tf_lottery.config.run import RunConfig
from tf_lottery.training import strategy
from tf_lottery.training.strategy import check_batch_size, open_strategy


def test_auto_takes_the_strategy_of_the_scope(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        assert open_strategy(RunConfig()) is mirrored
    assert open_strategy(RunConfig()).num_replicas_in_sync == 1


def test_one_device_is_one_device_whatever_the_machine_has():
    opened = open_strategy(RunConfig(distribution="one_device"))
    assert opened.num_replicas_in_sync == 1
    assert opened.cluster_resolver is None


def test_mirrored_is_one_device_where_there_are_no_others(monkeypatch):
    monkeypatch.setattr(strategy, "_local_devices", lambda: ["CPU:0"])
    assert open_strategy(RunConfig(distribution="mirrored")) is tf.distribute.get_strategy()


@pytest.mark.parametrize(("batch_size", "instead"), [(61, "60"), (1, "2"), (127, "12[68]")])
def test_replicas_must_share_the_batch(mirrored, batch_size: int, instead: str):
    check_batch_size(128, mirrored)
    with pytest.raises(ValueError, match=rf"--batch_size={batch_size} .* of 2, such as {instead}"):
        check_batch_size(batch_size, mirrored)


def test_another_number_of_virtual_devices_needs_another_process():
    tf.config.list_logical_devices()  # from here on TensorFlow's devices are fixed
    open_strategy(RunConfig(distribution="one_device", num_virtual_devices=2))
    with pytest.raises(ValueError, match=r"--num_virtual_devices=3.* 2 CPU devices"):
        open_strategy(RunConfig(num_virtual_devices=3))


def test_no_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=r"--distribution=multi_worker needs .* TF_CONFIG"):
        open_strategy(RunConfig(distribution="multi_worker"))


@pytest.mark.parametrize(
    "run",
    [RunConfig(tpu="grpc://127.0.0.1:1"), RunConfig(distribution="tpu"), RunConfig(tpu="local")],
    ids=["address", "no address", "local"],
)
def test_no_tpu(run: RunConfig):
    flag = "--distribution=tpu without --tpu" if run.tpu is None else f"--tpu={run.tpu}"
    with pytest.raises(ValueError, match=f"^{re.escape(flag)}: no TPU can be reached"):
        open_strategy(run)
