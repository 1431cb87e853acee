"""How a network is executed fastest on the device at hand."""

from dataclasses import dataclass

import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.layer_kinds import kernel_attributes
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.wrapper import unwrapped
from tf_lottery.training.strategy import merges

_DEVICE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class ExecutionPlan:
    """Choices that affect speed.

    Attributes:
      compile_loop: compile whole training steps with XLA.
      compile_gradients: compile the forward and backward pass and the evaluation with XLA.
      compile_update: compile the optimizer's update with XLA.
      steps_per_execution: training steps in one compiled call.
      evaluation_batch: examples in one evaluation call.
      data_on_device: keep the data in the memory of every device.
    """

    compile_loop: bool = False
    compile_gradients: bool = False
    compile_update: bool = False
    steps_per_execution: int = 1
    evaluation_batch: int = 250
    data_on_device: bool = True

    @property
    def compiles_evaluation(self) -> bool:
        """Whether the evaluation is compiled with XLA."""
        return self.compile_loop or self.compile_gradients


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
    optimizer's update is compiled. With several replicas, the reduction across them stays outside
    of what is compiled. A TPU compiles everything by itself.

    Args:
      model: the network.
      jit_compile: "auto", "on" or "off".
      steps_per_execution: overrides the choice.
      in_memory: "auto", "on" or "off".
      data_bytes: size of the data.

    Raises:
      ValueError: if something is asked for that the strategy cannot do; names the flag.
    """
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return _on_tpu(jit_compile, in_memory)
    on_cpu = not tf.config.list_physical_devices("GPU")
    single = not merges(strategy)
    convolutional = has_convolutions(model)
    automatic = single and not (on_cpu and convolutional)
    compiled = automatic if jit_compile == "auto" else jit_compile == "on"
    if compiled and not single and _has_synchronized_normalization(model):
        raise ValueError(
            "--jit_compile=on: XLA cannot compile --batch_norm=synchronized, whose replicas wait "
            "for each other; leave one of the two out."
        )
    return ExecutionPlan(
        compile_loop=compiled and single,
        compile_gradients=compiled and not single,
        compile_update=single and not compiled and jit_compile != "off",
        steps_per_execution=steps_per_execution or (50 if compiled and single else 1),
        evaluation_batch=1000 if compiled else 250,
        data_on_device=(data_bytes <= _DEVICE_BYTES if in_memory == "auto" else in_memory == "on"),
    )


def has_convolutions(model: keras.Model) -> bool:
    """Whether a network has kernels of other layers than Dense: all others are convolutions."""
    return any(
        kernel_attributes(unwrapped(layer)) and not isinstance(unwrapped(layer), keras.layers.Dense)
        for _, layer in leaf_layers(model)
    )


def _on_tpu(jit_compile: str, in_memory: str) -> ExecutionPlan:
    for flag, value, wrong in (
        ("jit_compile", jit_compile, "off"),
        ("in_memory", in_memory, "on"),
    ):
        if value == wrong:
            raise ValueError(
                f"--{flag}={value} is not possible on a TPU, which compiles everything and is fed "
                "by the host; leave the flag out."
            )
    return ExecutionPlan(evaluation_batch=1000, data_on_device=False)


def _has_synchronized_normalization(model: keras.Model) -> bool:
    return any(getattr(layer, "synchronized", False) for _, layer in leaf_layers(model))
