"""Which of compilation and steps per call is chosen, without a GPU."""

import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.prunable import prunable
from tf_lottery.training.execution import ExecutionPlan, choose_execution

pytestmark = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="the choice on a GPU is another"
)


def dense() -> keras.Model:
    return prunable(keras.Sequential([keras.layers.Dense(3, input_shape=(6,))]))


def convolutional() -> keras.Model:
    conv = keras.layers.Conv2D(2, 3, input_shape=(6, 6, 1))
    return prunable(
        keras.Sequential([conv, keras.layers.Flatten(), keras.layers.Dense(3)]), exclude=[conv.name]
    )


def test_dense_networks_are_compiled_whole():
    plan = choose_execution(dense())
    assert plan.compile_loop
    assert plan.steps_per_execution > 1


def test_convolutions_are_not_compiled_on_a_cpu_even_unpruned_ones():
    plan = choose_execution(convolutional())
    assert not plan.compile_loop
    assert plan.compile_update


def test_several_replicas_on_a_cpu_are_not_compiled(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        plan = choose_execution(dense())
    assert not plan.compile_loop
    assert not plan.compile_update


def test_reductions_across_replicas_are_never_compiled(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        plan = choose_execution(dense(), jit_compile="on")
    assert plan.compile_gradients
    assert not plan.compile_loop
    assert not plan.compile_update


def test_waiting_replicas_cannot_be_compiled(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        norm = keras.layers.experimental.SyncBatchNormalization()
        model = prunable(keras.Sequential([keras.layers.Dense(3, input_shape=(6,)), norm]))
        with pytest.raises(ValueError, match=r"--jit_compile=on.*--batch_norm=synchronized"):
            choose_execution(model, jit_compile="on")
        assert not choose_execution(model).compile_gradients


def test_the_user_decides_if_wanted():
    assert choose_execution(convolutional(), jit_compile="on").compile_loop
    plan = choose_execution(dense(), jit_compile="off", steps_per_execution=7)
    assert (plan.compile_loop, plan.compile_update, plan.steps_per_execution) == (False, False, 7)


def test_large_data_stay_with_the_host_unless_wanted():
    large = 3 * 2**30
    assert choose_execution(dense(), data_bytes=2**20).data_on_device
    assert not choose_execution(dense(), data_bytes=large).data_on_device
    assert choose_execution(dense(), data_bytes=large, in_memory="on").data_on_device
    assert not choose_execution(dense(), data_bytes=2**20, in_memory="off").data_on_device


def test_the_evaluation_is_compiled_where_training_is():
    assert not ExecutionPlan(compile_update=True).compiles_evaluation
    assert ExecutionPlan(compile_loop=True).compiles_evaluation
    assert ExecutionPlan(compile_gradients=True).compiles_evaluation
