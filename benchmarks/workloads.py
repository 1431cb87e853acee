"""Images per second of ResNet-20 and ResNet-50: ours against dense model.fit and stock tfmot.

    python benchmarks/workloads.py [--rounds=7] [--only=resnet20,resnet50]

Random images; no data is read. Run it on an idle machine. The input pipelines alone are measured by
benchmarks/input_pipeline.py, the pruning step by benchmarks/pruning_step.py.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from pairs import alternate, print_ratios

import tf_lottery
from tf_lottery.data import Augmentation, Epoch, Split
from tf_lottery.masking.kernels import kernel_attributes
from tf_lottery.models.build import build_model
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.training.execution import choose_execution
from tf_lottery.training.network import Network
from tf_lottery.training.resident import ResidentProgram
from tf_lottery.training.step import StepOptions, TrainingStep


@dataclass(frozen=True)
class Workload:
    """A network, its images, and how many steps a timed run has."""

    model: str
    shape: tuple[int, int, int]
    classes: int
    batch: int
    steps: int

    def data(self) -> Split:
        generator = np.random.default_rng(0)
        examples = self.batch * self.steps
        images = generator.integers(0, 256, (examples, *self.shape), np.uint8)
        return Split(images, generator.integers(0, self.classes, examples).astype(np.int32))

    def dense(self) -> keras.Model:
        return build_model(self.model, self.shape, self.classes, 0, ([127.0] * 3, [4000.0] * 3))


WORKLOADS = {
    "resnet20": Workload("resnet20", (32, 32, 3), 10, batch=128, steps=20),
    "resnet50": Workload("resnet50", (224, 224, 3), 1000, batch=8, steps=3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    arguments = parser.parse_args()
    devices = tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU")
    print(f"TensorFlow {tf.__version__}, {len(devices)} {devices[0].device_type}")
    for name in arguments.only.split(","):
        workload = WORKLOADS[name]
        data = workload.data()
        runs = {
            "dense, model.fit": fit_epoch(workload.dense(), data, workload.batch),
            "tf_lottery, 33% of the weights": our_epoch(workload, data),
            "stock tfmot, model.fit": tfmot_epoch(workload, data),
        }
        seconds = alternate(runs, arguments.rounds)
        title = f"{name}, batch {workload.batch} of {'x'.join(map(str, workload.shape))}"
        for reference in ("dense, model.fit", "stock tfmot, model.fit"):
            print_ratios(f"{title}, {workload.steps} steps", seconds, reference)
        for run, own in seconds.items():
            print(f"  {run:<38} {len(data) / np.median(own):8.1f} images/s")


def sgd() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.01, momentum=0.9, jit_compile=False)


def our_epoch(workload: Workload, data: Split) -> Callable[[], None]:
    model = tf_lottery.prunable(workload.dense())
    network = Network(model, sgd())
    scores = tf_lottery.magnitude(network.weights(), network.mask)
    plan = pruning_plan(model, 0.2, "global")
    tf_lottery.set_mask(model, plan.prune(scores, network.mask, level=5))
    execution = choose_execution(model)
    step = TrainingStep(
        network,
        StepOptions(workload.batch),
        lambda images, draws: images,
        compile_update=execution.compile_update,
    )
    program = ResidentProgram(step, data, Augmentation(), workload.batch, execution)

    def epoch() -> None:
        program.run(Epoch(0, 0, 0), 0, workload.steps)
        program.metrics()

    return epoch


def fit_epoch(
    model: keras.Model, data: Split, batch: int, callbacks: tuple = ()
) -> Callable[[], object]:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(sgd(), loss, ["accuracy"])
    batches = tf.data.Dataset.from_tensor_slices((data.images, data.labels))
    batches = batches.shuffle(len(data)).batch(batch, drop_remainder=True).prefetch(2)
    options = tf.data.Options()
    # With it, closing the iterator at times waits for seconds, which says nothing about training.
    options.autotune.enabled = False
    batches = batches.with_options(options)
    return lambda: model.fit(batches, epochs=1, verbose=0, callbacks=list(callbacks))


def tfmot_epoch(workload: Workload, data: Split) -> Callable[[], object]:
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.67, 0, frequency=100)

    def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
        if kernel_attributes(layer):
            return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)
        return layer

    model = keras.models.clone_model(workload.dense(), clone_function=wrap)
    return fit_epoch(model, data, workload.batch, (tfmot.sparsity.keras.UpdatePruningStep(),))


if __name__ == "__main__":
    main()
