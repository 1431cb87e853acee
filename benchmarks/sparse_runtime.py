"""Where sparse kernels of TensorFlow Lite and TensorFlow are faster than dense ones, and where not.

    python benchmarks/sparse_runtime.py [--seconds=0.7] [--threads=1]
        [--only=blocks,scattered,convolutions,tensorflow]

Random weights; no data is read. Times are medians, ratios medians over alternating pairs; below 1
the sparse kernels are faster. With one thread the time is that of the processor, with more it is
the clock's: then run it on an idle machine. The tables hold for a machine: XNNPACK has sparse
convolutions on ARM, but on x86 only without AVX.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import scipy.sparse
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

BLOCK = 4
BATCHES = (1, 32)
DENSITIES = {
    "blocks": (0.5, 0.2, 0.1, 0.05, 0.02),
    "scattered": (0.05, 0.03, 0.01),
}
POINTWISE_DENSITY = 0.1
SAMPLE_SECONDS = 0.001
MIN_ROUNDS, MAX_ROUNDS = 15, 500

SPARSE = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
INT8 = [tf.lite.Optimize.DEFAULT]

Call = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Stopwatch:
    """Times calls in turn, for about `seconds`, on `threads` threads."""

    seconds: float
    threads: int

    def files(
        self, contents: Mapping[str, bytes], shape: tuple[int, ...]
    ) -> dict[str, tuple[float, float]]:
        """Times TensorFlow Lite files on random inputs of one shape, as `calls` does."""
        calls = {name: interpreted(file, shape, self.threads) for name, file in contents.items()}
        return self.calls(calls, np.random.default_rng(0).random(shape, np.float32))

    def calls(
        self, calls: Mapping[str, Call], inputs: np.ndarray
    ) -> dict[str, tuple[float, float]]:
        """Microseconds of a call and their ratio to those of the call named "dense", by name."""
        once = {name: min(self._time(c, inputs, 1) for _ in range(5)) for name, c in calls.items()}
        # As many for each: the first call after another network's takes longer than those after it.
        repetitions = max(1, round(SAMPLE_SECONDS / min(once.values())))
        rounds = round(self.seconds / repetitions / sum(once.values()))
        samples: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(min(max(rounds, MIN_ROUNDS), MAX_ROUNDS)):
            for name in sorted(calls, reverse=turn % 2 == 1):
                samples[name].append(self._time(calls[name], inputs, repetitions))
        ratios = {
            name: [a / b for a, b in zip(own, samples["dense"], strict=True)]
            for name, own in samples.items()
        }
        return {
            name: (1e6 * statistics.median(own), statistics.median(ratios[name]))
            for name, own in samples.items()
        }

    def _time(self, call: Call, inputs: np.ndarray, repetitions: int) -> float:
        # Other programs interrupt long calls more often than short ones: that is no ratio of speed.
        clock = time.process_time if self.threads == 1 else time.perf_counter
        started = clock()
        for _ in range(repetitions):
            call(inputs)
        return (clock() - started) / repetitions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=0.7, help="about how long a row is timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="blocks,scattered,convolutions,tensorflow")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    stopwatch = Stopwatch(arguments.seconds, arguments.threads)
    chosen = arguments.only.split(",")
    print(f"TensorFlow {tf.__version__}, {arguments.threads} thread(s)")
    for pattern in DENSITIES:
        if pattern in chosen:
            dense_layers(pattern, stopwatch)
    if "convolutions" in chosen:
        convolution_networks(stopwatch)
    if "tensorflow" in chosen:
        tensorflow_layers(stopwatch)


def dense_layers(pattern: str, stopwatch: Stopwatch) -> None:
    """TensorFlow Lite: one Dense layer, scattered weights or 1x4 blocks along its input."""
    columns = ["layer", "density", "blocks used", "stored as", "dense, KiB", "sparse, KiB"]
    for batch in BATCHES:
        columns += [f"batch {batch}: dense, us", "sparse / dense", "8-bit / dense"]
    print_header(f"TensorFlow Lite, Dense layers, {pattern}", columns)
    for inputs, units in ((784, 300), (1024, 1024), (2048, 2048)):
        model = keras.Sequential([keras.layers.Dense(units, input_shape=(inputs,))])
        contents = {"dense": converted(model), "8-bit": converted(model, INT8)}
        for density in DENSITIES[pattern]:
            kept = kept_weights((inputs, units), density, blocks=pattern == "blocks")
            set_kernel(model.layers[0], kept)
            contents["sparse"] = converted(model, SPARSE)
            used = kept.reshape(inputs // BLOCK, BLOCK, units).any(axis=1).mean()
            row = [f"{inputs} x {units}", density, f"{used:.3f}", storage(contents["sparse"])]
            row += [len(contents[name]) // 1024 for name in ("dense", "sparse")]
            for batch in BATCHES:
                timing = stopwatch.files(contents, (batch, inputs))
                row += [f"{timing['dense'][0]:.1f}"]
                row += [f"{timing[name][1]:.2f}" for name in ("sparse", "8-bit")]
            print_row(row)


def convolution_networks(stopwatch: Stopwatch) -> None:
    """TensorFlow Lite: networks of 1x1 convolutions, which are pruned, at batch 1."""
    columns = ["network", "density", "dense, us", "zeros in a dense file / dense", "sparse / dense"]
    print_header("TensorFlow Lite, 1x1 convolutions, batch 1 of 96x96x3", columns)
    networks = {
        "MobileNetV1, padding 1": padded_mobilenet(96),
        "applications.MobileNetV2": keras.applications.MobileNetV2(
            weights=None, input_shape=(96, 96, 3), classes=10
        ),
    }
    for name, model in networks.items():
        contents = {"dense": converted(model)}
        for layer in model.layers:
            if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1):
                set_kernel(layer, kept_weights(layer.kernel.shape, POINTWISE_DENSITY))
        contents |= {"zeros": converted(model), "sparse": converted(model, SPARSE)}
        timing = stopwatch.files(contents, (1, 96, 96, 3))
        ratios = [f"{timing[kind][1]:.2f}" for kind in ("zeros", "sparse")]
        print_row([name, POINTWISE_DENSITY, f"{timing['dense'][0]:.0f}", *ratios])


def tensorflow_layers(stopwatch: Stopwatch) -> None:
    """TensorFlow's own sparse products and, for comparison, SciPy's."""
    names = ("sparse_dense_matmul", "CSR, built in each call", "SciPy CSR")
    columns = ["layer", "density", "batch", "dense, us", *(f"{name} / dense" for name in names)]
    print_header("TensorFlow functions, scattered weights", columns)
    generator = np.random.default_rng(0)
    for size in (300, 2048):
        for density in (0.05, 0.01):
            kernel = generator.standard_normal((size, size), np.float32)
            kernel *= kept_weights((size, size), density)
            products = tensorflow_products(kernel)
            for batch in BATCHES:
                images = generator.random((batch, size), np.float32)
                timing = stopwatch.calls(products, images)
                ratios = [f"{timing[name][1]:.2f}" for name in names]
                print_row(
                    [f"{size} x {size}", density, batch, f"{timing['dense'][0]:.0f}", *ratios]
                )


def tensorflow_products(kernel: np.ndarray) -> dict[str, Call]:
    """Products of inputs [batch, inputs] with a kernel [inputs, units]."""
    dense = tf.constant(kernel)
    columns = tf.sparse.from_dense(kernel.T.copy())
    rows = scipy.sparse.csr_array(kernel.T)
    signature = [tf.TensorSpec((None, kernel.shape[0]), tf.float32)]

    @tf.function(input_signature=signature)
    def by_dense(inputs: tf.Tensor) -> tf.Tensor:
        return tf.matmul(inputs, dense)

    @tf.function(input_signature=signature)
    def by_coordinates(inputs: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.sparse.sparse_dense_matmul(columns, inputs, adjoint_b=True))

    @tf.function(input_signature=signature)
    def by_compressed_rows(inputs: tf.Tensor) -> tf.Tensor:
        # A SavedModel cannot hold the matrix itself, which is a variant tensor.
        matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=columns.indices, values=columns.values, dense_shape=columns.dense_shape
        )
        return tf.transpose(tf.raw_ops.SparseMatrixMatMul(a=matrix, b=tf.transpose(inputs)))

    return {
        "dense": lambda inputs: by_dense(inputs).numpy(),
        "sparse_dense_matmul": lambda inputs: by_coordinates(inputs).numpy(),
        "CSR, built in each call": lambda inputs: by_compressed_rows(inputs).numpy(),
        "SciPy CSR": lambda inputs: (rows @ inputs.T).T,
    }


def padded_mobilenet(size: int) -> keras.Model:
    """MobileNetV1 (arXiv:1704.04861) with a padding of 1 wherever it strides.

    This is what XNNPACK's sparse inference asks of a network besides zeros, and what those of
    `keras.applications` do not have: they pad one side, or leave padding to the convolution.
    """
    filters_and_strides = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    filters_and_strides += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    layers = keras.layers

    def normalized(tensor: tf.Tensor, convolution: keras.layers.Layer) -> tf.Tensor:
        if convolution.strides == (2, 2):
            tensor = layers.ZeroPadding2D(1)(tensor)
        return layers.ReLU(6.0)(layers.BatchNormalization()(convolution(tensor)))

    def padding(stride: int) -> str:
        return "valid" if stride == 2 else "same"

    images = keras.Input((size, size, 3))
    tensor = normalized(images, layers.Conv2D(32, 3, 2, "valid", use_bias=False))
    for filters, stride in filters_and_strides:
        depthwise = layers.DepthwiseConv2D(3, stride, padding(stride), use_bias=False)
        tensor = normalized(tensor, depthwise)
        tensor = normalized(tensor, layers.Conv2D(filters, 1, use_bias=False))
    return keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(tensor)))


def kept_weights(shape: Sequence[int], density: float, blocks: bool = False) -> np.ndarray:
    """True for random weights, or for random blocks of four along the input."""
    generator = np.random.default_rng(0)
    if not blocks:
        return generator.random(shape) < density
    inputs, units = shape
    return np.repeat(generator.random((inputs // BLOCK, units)) < density, BLOCK, axis=0)


def set_kernel(layer: keras.layers.Layer, kept: np.ndarray) -> None:
    """Draws a new kernel of which only some weights remain."""
    generator = np.random.default_rng(1)
    layer.kernel.assign(generator.standard_normal(kept.shape, np.float32) * kept)


def converted(model: keras.Model, optimizations: Sequence[tf.lite.Optimize] = ()) -> bytes:
    """The TensorFlow Lite file of a model."""
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = list(optimizations)
        return converter.convert()


def storage(content: bytes) -> str:
    """How the only kernel of a file is stored, and so whether it is computed sparse."""
    details = Interpreter(model_content=content).get_tensor_details()
    stored = [tensor["sparsity_parameters"] for tensor in details if tensor["sparsity_parameters"]]
    if not stored:
        return "dense"
    return "1x4 blocks" if len(stored[0]["block_map"]) else "single weights"


def interpreted(content: bytes, shape: tuple[int, ...], threads: int) -> Call:
    """The function of a TensorFlow Lite file."""
    interpreter = Interpreter(model_content=content, num_threads=threads)
    (given,) = interpreter.get_input_details()
    (result,) = interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], shape)
    interpreter.allocate_tensors()

    def call(inputs: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(given["index"], inputs)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return call


def print_header(title: str, columns: Sequence[str]) -> None:
    print(f"\n{title}\n")
    print_row(columns)
    print_row(["---"] * len(columns))


def print_row(cells: Iterable[object]) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
