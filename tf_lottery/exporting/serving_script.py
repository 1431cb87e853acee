"""Runs exported files in a process that knows TensorFlow but nothing of tf_lottery.

Started by `serving` as `python -P serving_script.py REQUEST.json ANSWERS.jsonl`: a file of its own,
which imports no other module of this package.

A request has `threads` (0: all) and `jobs`. A job has `file`, `runtime`, `inputs` (.npy) and either
`outputs`, a .npy to write, or `batch_sizes`, `seconds` and, perhaps, `dense_file` to measure. Every
job's answer is a line of JSON, written before the next job begins.
"""

import contextlib
import functools
import json
import statistics
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

_BATCH = 32
_WARM_UP_CALLS = 5
_SAMPLE_SECONDS = 0.002
_MIN_PAIRS, _MAX_PAIRS = 15, 500

Call = Callable[[np.ndarray], np.ndarray]


def load(runtime: str, path: str, threads: int) -> Call:
    """Returns the function from inputs to outputs that a file holds."""
    loaders = {"saved_model": _load_saved_model, "keras": _load_keras}
    if runtime == "tflite":
        return _TFLiteCall(path, threads)
    return loaders[runtime](path)


def _load_saved_model(path: str) -> Call:
    with contextlib.ExitStack() as stack:
        if path.endswith(".tar.gz"):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
            (path,) = map(str, Path(folder).iterdir())
        loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def call(inputs: np.ndarray) -> np.ndarray:
        (outputs,) = serve(**{name: tf.constant(inputs)}).values()
        return outputs.numpy()

    # The signature does not keep the variables alive.
    call.loaded = loaded
    return call


def _load_keras(path: str) -> Call:
    import tf_keras

    model = tf_keras.models.load_model(path, compile=False)
    function = tf.function(functools.partial(model, training=False), reduce_retracing=True)
    return lambda inputs: function(tf.constant(inputs)).numpy()


class _TFLiteCall:
    """An interpreter whose batch size follows its inputs."""

    def __init__(self, path: str, threads: int):
        with warnings.catch_warnings():
            # Its class will move to another package; TensorFlow is pinned below that version.
            warnings.simplefilter("ignore")
            self._interpreter = tf.lite.Interpreter(path, num_threads=threads)
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self._shape = None

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        if inputs.shape != self._shape:
            self._interpreter.resize_tensor_input(self._input["index"], inputs.shape)
            self._interpreter.allocate_tensors()
            self._shape = inputs.shape
        self._interpreter.set_tensor(self._input["index"], inputs)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])


def write_outputs(job: dict[str, Any], threads: int) -> dict[str, Any]:
    """Writes the outputs for all inputs."""
    inputs = np.load(job["inputs"], mmap_mode="r")
    call = load(job["runtime"], job["file"], threads)
    batches = [np.array(inputs[at : at + _BATCH]) for at in range(0, len(inputs), _BATCH)]
    np.save(job["outputs"], np.concatenate([call(batch) for batch in batches]))
    return {}


def measure(job: dict[str, Any], threads: int) -> dict[str, Any]:
    """Measures memory, then times calls in pairs with the dense network's file."""
    examples = np.load(job["inputs"])
    largest = max(job["batch_sizes"])
    examples = np.resize(examples, (largest, *examples.shape[1:]))
    before = peak_memory()
    calls = [load(job["runtime"], job["file"], threads)]
    calls[0](examples)
    answer = {"runtime_bytes": before, "peak_bytes": peak_memory(), "latencies": []}
    if job["dense_file"]:
        calls.append(load(job["runtime"], job["dense_file"], threads))
    for batch_size in job["batch_sizes"]:
        seconds = _alternate(calls, examples[:batch_size], job["seconds"])
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


def _alternate(calls: list[Call], inputs: np.ndarray, seconds: float) -> list[list[float]]:
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


def _seconds_of(call: Call, inputs: np.ndarray, repetitions: int) -> float:
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
    # What a file still needs of these would be missing where it is used.
    sys.modules["tf_lottery"] = sys.modules["tensorflow_model_optimization"] = None
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
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
