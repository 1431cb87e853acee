"""How a network is executed fastest on the device at hand."""

from dataclasses import dataclass

import tensorflow as tf
import tf_keras as keras

from tf_lottery.pruning.prunable import leaf_layers
from tf_lottery.pruning.wrapper import prunable_kernels, unwrapped

_DEVICE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class ExecutionPlan:
    """Choices that affect speed.

    Attributes:
      compile_step: compile whole training steps and evaluation with XLA.
      compile_update: compile the optimizer's update with XLA.
      steps_per_execution: training steps in one compiled call.
      evaluation_batch: examples in one evaluation call.
      data_on_device: keep the training data in the device's memory.
    """

    compile_step: bool
    compile_update: bool
    steps_per_execution: int
    evaluation_batch: int
    data_on_device: bool = True


def choose_execution(
    model: keras.Model,
    *,
    jit_compile: str = "auto",
    steps_per_execution: int | None = None,
    in_memory: str = "auto",
    data_bytes: int = 0,
) -> ExecutionPlan:
    """Chooses by device, strategy and network.

    XLA makes networks of dense layers faster, but its convolutions on CPUs are slow; there only the
    optimizer's update is compiled. Under a strategy with several replicas on a CPU, XLA cannot
    compile the reduction across them.

    Args:
      model: the network.
      jit_compile: "auto", "on" or "off".
      steps_per_execution: overrides the choice.
      in_memory: "auto", "on" or "off".
      data_bytes: size of the training data.
    """
    on_cpu = not tf.config.list_physical_devices("GPU")
    single = tf.distribute.get_strategy().num_replicas_in_sync == 1
    # Every prunable layer but Dense is a convolution.
    convolutional = any(
        prunable_kernels(unwrapped(layer)) and not isinstance(unwrapped(layer), keras.layers.Dense)
        for _, layer in leaf_layers(model)
    )
    automatic = single and not (on_cpu and convolutional)
    compile_step = automatic if jit_compile == "auto" else jit_compile == "on"
    return ExecutionPlan(
        compile_step=compile_step,
        compile_update=single and jit_compile != "off",
        steps_per_execution=steps_per_execution or (50 if compile_step else 1),
        evaluation_batch=1000 if compile_step else 250,
        data_on_device=(data_bytes <= _DEVICE_BYTES if in_memory == "auto" else in_memory == "on"),
    )
