"""What masks cost in training, against the dense network and against stock tfmot.

    python benchmarks/train_step.py [--rounds=7] [--only=masks,tfmot,experiment]
    python benchmarks/train_step.py --against=CLONE_OF_ANOTHER_VERSION [--rounds=7]
    python benchmarks/train_step.py --kernels [--rounds=7]

Random images of Fashion-MNIST's and CIFAR-10's shapes; no data is read. Run it on an idle machine.
With --against, an epoch of masked training here takes turns with one of the other version, each in
a process of its own; with --kernels, one with oneDNN's kernels with one without.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from pairs import alternate, print_ratios, time_call

import tf_lottery
from tf_lottery.data import Augmentation, Dataset, Epoch, from_arrays
from tf_lottery.models.build import build_model
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.training.execution import choose_execution
from tf_lottery.training.network import Network
from tf_lottery.training.resident import ResidentProgram
from tf_lottery.training.step import StepOptions, TrainingStep

BATCH = 60
# The number and shape of their images.
NETWORKS = {"lenet_300_100": (60_000, (28, 28, 1)), "conv2": (1800, (32, 32, 3))}
NETWORKS_OF_KERNELS = NETWORKS | {"resnet20": (1800, (32, 32, 3))}
TRAIN_WHEN_TOLD = """
import ast, sys
import train_step
name, images = sys.argv[1], ast.literal_eval(sys.argv[2])
data = train_step.random_images(*images)
epoch = train_step.training_epoch(train_step.masked_model(name, data), data)
for _ in sys.stdin:
    epoch()
    print("trained", flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="masks,tfmot,experiment")
    parser.add_argument("--against", type=Path, help="folder of another version")
    parser.add_argument("--kernels", action="store_true", help="oneDNN's against TensorFlow's own")
    arguments = parser.parse_args()
    if arguments.kernels:
        compare_kernels(arguments.rounds)
        return
    if arguments.against:
        compare_versions(arguments.against, arguments.rounds)
        return
    chosen = arguments.only.split(",")
    lenet = random_images(*NETWORKS["lenet_300_100"])
    if "masks" in chosen:
        for name, images in NETWORKS.items():
            data = random_images(*images)
            runs = {
                "dense": training_epoch(dense_model(name, data), data),
                "masked, 33% of the weights": training_epoch(masked_model(name, data), data),
            }
            title = f"{name}, batch {BATCH}, {len(data.train)} examples, an epoch"
            print_ratios(title, alternate(runs, arguments.rounds), "dense")
    if "tfmot" in chosen:
        runs = {
            "stock tfmot, model.fit": tfmot_epoch(lenet),
            "dense, model.fit": fit_epoch(dense_model("lenet_300_100", lenet), lenet),
            "tf_lottery, masked": training_epoch(masked_model("lenet_300_100", lenet), lenet),
        }
        seconds = alternate(runs, arguments.rounds)
        print_ratios(f"lenet_300_100, batch {BATCH}, an epoch", seconds, "stock tfmot, model.fit")
    if "experiment" in chosen:
        whole_experiment(lenet)


def compare_versions(other: Path, rounds: int) -> None:
    for name in NETWORKS:
        with version(Path(__file__).parents[1], name) as ours, version(other, name) as theirs:
            seconds = alternate({"this version": ours, "the other": theirs}, rounds)
        print_ratios(f"{name}, batch {BATCH}, an epoch with masks", seconds, "the other")


def compare_kernels(rounds: int) -> None:
    here = Path(__file__).parents[1]
    for name in NETWORKS_OF_KERNELS:
        with version(here, name, "1") as with_onednn, version(here, name, "0") as without:
            seconds = alternate({"with oneDNN": with_onednn, "without": without}, rounds)
        print_ratios(f"{name}, batch {BATCH}, an epoch with masks", seconds, "without")


@contextmanager
def version(clone: Path, name: str, onednn: str = "1") -> Iterator[Callable[[], None]]:
    """A process that trains an epoch of a network with the code of a clone, whenever it is called.

    What it calls is this file as it is there.
    """
    command = [sys.executable, "-c", TRAIN_WHEN_TOLD, name, repr(NETWORKS_OF_KERNELS[name])]
    folder = clone.resolve()
    environment = os.environ | {
        "PYTHONPATH": f"{folder}:{folder / 'benchmarks'}",
        "TF_ENABLE_ONEDNN_OPTS": onednn,
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, stdin=pipe, stdout=pipe, env=environment, text=True, bufsize=1
    ) as process:
        assert process.stdin and process.stdout
        asked, answers = process.stdin, process.stdout

        def train() -> None:
            asked.write("train\n")
            if answers.readline() != "trained\n":
                raise RuntimeError(f"{clone}: its process has ended")

        yield train
        asked.close()


def random_images(examples: int, shape: tuple[int, ...]) -> Dataset:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (examples, *shape), np.uint8)
    labels = generator.integers(0, 10, examples)
    return from_arrays((images, labels), (images[:10_000], labels[:10_000]), classes=10)


def dense_model(name: str, data: Dataset) -> keras.Model:
    return build_model(name, data.input_shape, data.classes, 0, data.pixel_statistics())


def masked_model(name: str, data: Dataset) -> keras.Model:
    model = tf_lottery.prunable(dense_model(name, data))
    plan = pruning_plan(model, 0.2, "global")
    network = Network(model, keras.optimizers.SGD())
    scores = tf_lottery.magnitude(network.weights(), network.mask)
    tf_lottery.set_mask(model, plan.prune(scores, network.mask, level=5))
    return model


def training_epoch(model: keras.Model, data: Dataset):
    network = Network(model, keras.optimizers.Adam(1.2e-3, jit_compile=False))
    plan = choose_execution(model)
    step = TrainingStep(
        network,
        StepOptions(BATCH),
        lambda images, draws: images,
        compile_update=plan.compile_update,
    )
    program = ResidentProgram(step, data.train, Augmentation(), BATCH, plan)

    def epoch() -> None:
        program.run(Epoch(0, 0, 0), 0, len(data.train) // BATCH)
        program.metrics()

    return epoch


def fit_epoch(model: keras.Model, data: Dataset, callbacks=()):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1.2e-3), loss, ["accuracy"])
    images = data.train.images.astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices((images, data.train.labels))
    batches = batches.shuffle(len(images)).batch(BATCH, drop_remainder=True)
    options = tf.data.Options()
    # With it, closing the iterator at times waits for seconds, which says nothing about training.
    options.autotune.enabled = False
    batches = batches.with_options(options)
    return lambda: model.fit(batches, epochs=1, verbose=0, callbacks=list(callbacks))


def tfmot_epoch(data: Dataset):
    # Stock tfmot does not know the Normalization layer: it is left out of the model.
    layers = dense_model("lenet_300_100", data).layers[2:]
    model = keras.Sequential([keras.Input(data.input_shape), *layers])
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.67, 0)
    model = tfmot.sparsity.keras.prune_low_magnitude(model, schedule)
    return fit_epoch(model, data, [tfmot.sparsity.keras.UpdatePruningStep()])


def whole_experiment(data: Dataset) -> None:
    levels, epochs = 3, 12
    arrays = (data.train.images, data.train.labels)
    split = from_arrays(
        arrays, (data.test.images, data.test.labels), validation_examples=5_000, classes=10
    )
    pure = training_epoch(masked_model("lenet_300_100", split), split)
    pure()
    with tempfile.TemporaryDirectory() as workdir:
        config = tf_lottery.config_from_values(
            {
                "workdir": workdir,
                "levels": levels,
                "train_steps": f"{epochs}ep",
                "batch_size": BATCH,
                "validation_examples": 5_000,
            }
        )
        before = time_call(lambda: [pure() for _ in range(2 * epochs)])
        whole = time_call(lambda: tf_lottery.run_experiment(config, split))
        after = time_call(lambda: [pure() for _ in range(2 * epochs)])
    training = (before + after) / (4 * epochs) * epochs * (levels + 1)
    print(f"\nwhole experiment, {levels} levels of {epochs} epochs, evaluated every epoch")
    print(f"  run_experiment {whole:.1f} s, the training steps alone {training:.1f} s")
    print(f"  x {whole / training:.3f} of pure training")


if __name__ == "__main__":
    main()
