"""Seconds that the landscape of LeNet-300-100 takes: a line between solutions, and curvature.

    python benchmarks/landscape.py [--examples=10000] [--count=10] [--tolerance=0.01] [--probes=4]

Random images shaped like Fashion-MNIST's, of classes that a short training tells apart; some labels
are wrong. No data is read. Run it on an idle machine.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from pairs import time_call

from tf_lottery.data import Split
from tf_lottery.landscape.hessian import LossAtWeights
from tf_lottery.landscape.interpolation import interpolate
from tf_lottery.landscape.lanczos import spectral_density, top_eigenvalues, trace
from tf_lottery.landscape.pruning_limit import measured_pruning_ratio, predicted_pruning_ratio
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.models.build import build_model
from tf_lottery.training.evaluation import Evaluator
from tf_lottery.training.execution import choose_execution
from tf_lottery.training.network import weights_of

CLASSES, WRONG_LABELS, DENSITY_STEPS = 10, 0.1, 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--tolerance", type=float, default=0.01)
    parser.add_argument("--probes", type=int, default=4)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    images, labels = examples(arguments.examples, random)
    model = trained(images, labels)
    weights = weights_of(model)
    landscape = LossAtWeights(model, images, labels)
    dimension, product = landscape.coordinates.dimension, landscape.hessian(weights)
    loss = landscape.loss(weights)
    print(f"{os.cpu_count()} CPU cores, TensorFlow {tf.__version__}, {dimension} weights")
    print(f"{len(images)} examples, loss {loss:.4f}")
    time_line(model, images, labels, random)
    vector = random.standard_normal(dimension)
    print(f"first product, with tracing    {time_call(lambda: product(vector)):8.3f} s")
    products = [time_call(lambda: product(vector)) for _ in range(10)]
    print(f"a product, median of 10        {np.median(products):8.3f} s")

    started = time.perf_counter()
    top = top_eigenvalues(product, dimension, arguments.count, arguments.tolerance, random=random)
    print(f"top {len(top.values)} eigenvalues{seconds_since(started)}, {top.products} products")
    for value, bound in zip(top.values, top.error_bounds, strict=True):
        print(f"  {value:12.5f} to {bound / value:.4%}")
    started = time.perf_counter()
    density = spectral_density(product, dimension, arguments.probes, DENSITY_STEPS, random)
    print(f"density{seconds_since(started)}, {arguments.probes * DENSITY_STEPS} products")
    started = time.perf_counter()
    estimate = trace(product, dimension, 10, random)
    print(f"trace{seconds_since(started)}, {estimate.mean:.2f} +- {estimate.standard_error:.2f}")
    spectrum, mask = density.with_top(top.values), get_mask(model)
    for order in ("magnitude", "random"):
        flat = landscape.coordinates.vector(weights)
        predicted = predicted_pruning_ratio(spectrum, flat, 0.1 * loss, order)
        started = time.perf_counter()
        measured = measured_pruning_ratio(
            landscape.loss, weights, mask, 0.1 * loss, order, random=random
        )
        print(
            f"loss 10% higher, by {order}: {predicted:.3f} predicted, {measured:.3f} measured"
            f"{seconds_since(started)}"
        )


def examples(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of one coarse image per class, `[count, 28, 28, 1]`, and their labels."""
    coarse = random.uniform(0, 255, (CLASSES, 4, 4))
    labels = random.integers(0, CLASSES, count)
    smooth = np.kron(coarse, np.ones((7, 7)))[labels]
    pixels = smooth * random.uniform(0.3, 1, (count, 1, 1)) + random.normal(0, 60, smooth.shape)
    wrong = random.random(count) < WRONG_LABELS
    labels[wrong] = random.integers(0, CLASSES, np.count_nonzero(wrong))
    return np.clip(pixels, 0, 255).astype(np.uint8)[..., None], labels.astype(np.int32)


def trained(images: np.ndarray, labels: np.ndarray) -> keras.Model:
    model = prunable(build_model("lenet_300_100", (28, 28, 1), CLASSES, 0, ([127.0], [4000.0])))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1.2e-3), loss)
    model.fit(images, labels, batch_size=60, epochs=3, verbose=0)
    return model


def time_line(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> None:
    """Times a line of 30 points to another network, after one that compiles the evaluation."""
    plan = choose_execution(model)
    evaluators = {"test": Evaluator(model, Split(images, labels), plan)}
    evaluate = SolutionEvaluator(model, evaluators)
    here = Solution("here", weights_of(model), get_mask(model))
    moved = {
        name: (array + 0.01 * random.standard_normal(array.shape)).astype(np.float32)
        for name, array in here.weights.items()
    }
    there = Solution("there", moved, here.mask)
    interpolate(evaluate, here, there, points=3)
    seconds = [time_call(lambda: interpolate(evaluate, here, there)) for _ in range(5)]
    evaluate(here.weights)
    print(f"a line of 30 points, median of 5 {np.median(seconds):6.3f} s")


def seconds_since(started: float) -> str:
    return f" in {time.perf_counter() - started:.1f} s"


if __name__ == "__main__":
    main()
