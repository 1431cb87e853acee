"""Runs exported files in a process that knows what loads them, but nothing of tf_lottery.

Started by `serving` as `python -P serving_script.py REQUEST.json ANSWERS.jsonl`: a file of its own,
which imports no other module of this package.

A request has `threads` (0: one per CPU), `cpus` (their number) and `jobs`, all of which need
TensorFlow, or none. A job has `file`, `runtime`, `inputs` (the .npy of each, by name, in the
network's order) and either `outputs`, likewise, to be written, or `batch_sizes`, `seconds` and,
perhaps, `dense_file` to measure. Every job's answer is a line of JSON, written before the next job
begins.
"""

import contextlib
import importlib
import json
import statistics
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

NEED_TENSORFLOW = frozenset({"keras", "saved_model"})
_MODULES = {
    "keras": "tensorflow",
    "onnx": "onnxruntime",
    "saved_model": "tensorflow",
    "tflite": "ai_edge_litert.interpreter",
}
# What a file still needs of these would be missing where it is used.
_ABSENT = ("tf_lottery", "tensorflow_model_optimization")
_BATCH = 32
_WARM_UP_CALLS = 5
_SAMPLE_SECONDS = 0.002
_MIN_PAIRS, _MAX_PAIRS = 15, 500

Arrays = dict[str, np.ndarray]
Call = Callable[[Arrays], Arrays]


def load(runtime: str, path: str, threads: int, output_names: Iterable[str] = ()) -> Call:
    """Returns the function from inputs to outputs, by name, that a file holds.

    Args:
      runtime: what loads it.
      path: the file.
      threads: of LiteRT and ONNX Runtime.
      output_names: of the outputs, in the network's order. Without them those of a .keras archive,
        whose names may be others, are computed and not returned.
    """
    if runtime == "tflite":
        return _TFLiteCall(path, threads)
    if runtime == "onnx":
        return _load_onnx(path, threads)
    return _load_keras(path, output_names) if runtime == "keras" else _load_saved_model(path)


def _load_saved_model(path: str) -> Call:
    import tensorflow as tf

    with contextlib.ExitStack() as stack:
        if path.endswith(".tar.gz"):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
            (path,) = map(str, Path(folder).iterdir())
        loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]

    def call(inputs: Arrays) -> Arrays:
        outputs = serve(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: output.numpy() for name, output in outputs.items()}

    # The signature does not keep the variables alive.
    call.loaded = loaded
    return call


def _load_keras(path: str, output_names: Iterable[str]) -> Call:
    import tensorflow as tf

    keras = importlib.import_module(_keras_of_archive(path))
    model = keras.models.load_model(path, compile=False)
    # A Sequential model of Keras 3 does not tell its input.
    structure = model.inputs[0] if len(model.inputs) == 1 else model.input

    @tf.function(autograph=False, reduce_retracing=True)
    def flat_outputs(flat_inputs: list[Any]) -> list[Any]:
        inputs = tf.nest.pack_sequence_as(structure, flat_inputs)
        return tf.nest.flatten(model(inputs, training=False))

    def call(inputs: Arrays) -> Arrays:
        outputs = flat_outputs([tf.constant(array) for array in inputs.values()])
        return dict(zip(output_names, [output.numpy() for output in outputs], strict=False))

    return call


def _keras_of_archive(path: str) -> str:
    with zipfile.ZipFile(path) as archive:
        version = json.loads(archive.read("metadata.json"))["keras_version"]
    return "keras" if version.startswith("3.") else "tf_keras"


def _load_onnx(path: str, threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def call(inputs: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return call


class _TFLiteCall:
    """An interpreter whose batch size follows its inputs, if the file lets it."""

    def __init__(self, path: str, threads: int):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(path, num_threads=threads)
        # The runner is not kept: no tensor may be resized while there is one.
        runner = self._interpreter.get_signature_runner("serving_default")
        given, results = runner.get_input_details(), runner.get_output_details()
        self._inputs = {name: details["index"] for name, details in given.items()}
        self._outputs = {name: details["index"] for name, details in results.items()}
        self._one_by_one = any(details["shape_signature"][0] == 1 for details in given.values())
        self._shapes = None

    def __call__(self, inputs: Arrays) -> Arrays:
        if not self._one_by_one:
            return self._invoke(inputs)
        examples = len(next(iter(inputs.values())))
        calls = [
            self._invoke({name: array[at : at + 1] for name, array in inputs.items()})
            for at in range(examples)
        ]
        return {name: np.concatenate([outputs[name] for outputs in calls]) for name in calls[0]}

    def _invoke(self, inputs: Arrays) -> Arrays:
        shapes = {name: inputs[name].shape for name in self._inputs}
        if shapes != self._shapes:
            for name, index in self._inputs.items():
                self._interpreter.resize_tensor_input(index, shapes[name])
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        # Recurrent layers would go on with the states of the call before.
        self._interpreter.reset_all_variables()
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, inputs[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(at) for name, at in self._outputs.items()}


def write_outputs(job: dict[str, Any], threads: int) -> dict[str, Any]:
    """Writes the outputs for all inputs."""
    inputs = {name: np.load(path, mmap_mode="r") for name, path in job["inputs"].items()}
    call = load(job["runtime"], job["file"], threads, job["outputs"])
    examples = len(next(iter(inputs.values())))
    batches = [
        call({name: np.array(array[at : at + _BATCH]) for name, array in inputs.items()})
        for at in range(0, examples, _BATCH)
    ]
    for name, path in job["outputs"].items():
        np.save(path, np.concatenate([batch[name] for batch in batches]))
    return {}


def measure(job: dict[str, Any], threads: int) -> dict[str, Any]:
    """Measures memory, then times calls in pairs with the dense network's file."""
    largest = max(job["batch_sizes"])
    examples = {}
    for name, path in job["inputs"].items():
        array = np.load(path)
        examples[name] = np.resize(array, (largest, *array.shape[1:]))
    before = peak_memory()
    calls = [load(job["runtime"], job["file"], threads)]
    calls[0](examples)
    answer = {"runtime_bytes": before, "peak_bytes": peak_memory(), "latencies": []}
    if job["dense_file"]:
        calls.append(load(job["runtime"], job["dense_file"], threads))
    for batch_size in job["batch_sizes"]:
        batch = {name: array[:batch_size] for name, array in examples.items()}
        seconds = _alternate(calls, batch, job["seconds"])
        answer["latencies"].append({"batch_size": batch_size, **_medians(seconds)})
    return answer


def peak_memory() -> int:
    """The most bytes of memory that this process has had at a time."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts in ru_maxrss what the parent process had when it started this one.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _alternate(calls: list[Call], inputs: Arrays, seconds: float) -> list[list[float]]:
    """Times all calls in turn, about as long as `seconds`; the order changes with every turn."""
    warm_up = [_seconds_of(call, inputs, 1) for call in calls for _ in range(_WARM_UP_CALLS)]
    # As many for each: the first call after another network's takes longer than those after it.
    repetitions = max(1, round(_SAMPLE_SECONDS / min(warm_up)))
    times: list[list[float]] = [[] for _ in calls]
    end, order = time.perf_counter() + seconds, list(range(len(calls)))
    while len(times[0]) < _MIN_PAIRS or time.perf_counter() < end:
        for index in order:
            times[index].append(_seconds_of(calls[index], inputs, repetitions))
        order.reverse()
        if len(times[0]) == _MAX_PAIRS:
            break
    return times


def _seconds_of(call: Call, inputs: Arrays, repetitions: int) -> float:
    started = time.perf_counter()
    for _ in range(repetitions):
        call(inputs)
    return (time.perf_counter() - started) / repetitions


def _medians(times: list[list[float]]) -> dict[str, float | None]:
    milliseconds = [1000 * statistics.median(own) for own in times]
    if len(times) == 1:
        return {"milliseconds": milliseconds[0], "dense_milliseconds": None, "ratio": None}
    ratio = statistics.median(own / dense for own, dense in zip(*times, strict=True))
    return dict(
        zip(("milliseconds", "dense_milliseconds", "ratio"), (*milliseconds, ratio), strict=True)
    )


def main(request_path: str, answers_path: str) -> None:
    """Does the jobs of a request and writes their answers, errors among them."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    runtimes = {job["runtime"] for job in request["jobs"]}
    for absent in _ABSENT if runtimes & NEED_TENSORFLOW else (*_ABSENT, "tensorflow"):
        sys.modules[absent] = None  # pyright: ignore[reportArgumentType] - forbids the import
    # Before memory is measured: the rest is what a file takes.
    for module in {_MODULES[runtime] for runtime in runtimes}:
        importlib.import_module(module)
    if runtimes & NEED_TENSORFLOW:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(request["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(request["threads"])
    with Path(answers_path).open("w", encoding="utf-8") as answers:
        for job in request["jobs"]:
            do = write_outputs if "outputs" in job else measure
            try:
                answer = do(job, request["threads"] or request["cpus"])
            except Exception as error:  # Any: it is told to the process that asked.
                answer = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
