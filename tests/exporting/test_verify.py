"""Comparing files with their network in another process, and their sizes."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.exporting import serving
from tf_lottery.exporting.formats import known_formats
from tf_lottery.exporting.measure import FileSize
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork
from tf_lottery.exporting.serving import ServingError, answers
from tf_lottery.exporting.verify import tolerance, verify

FORMATS = {name: kind for name, kind in known_formats().items() if not kind.packages_missing()}
INPUTS = np.random.default_rng(5).uniform(0, 16, (45, 6)).astype(np.float32)
STARTS_ANEW = """
import json, os, pathlib, sys
request = json.loads(pathlib.Path(sys.argv[1]).read_text())
with pathlib.Path(sys.argv[2]).open("w") as answers:
    for job in request["jobs"]:
        if job["name"] == "fatal":
            print("out of luck", file=sys.stderr)
            answers.close()
            os.kill(os.getpid(), 9) if "killed" in job["file"] else os._exit(3)
        answers.write(json.dumps({"error": "no"} if job["name"] == "wrong" else job) + "\\n")
"""

SAYS_WHAT_IS_IMPORTED = """
import runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
print(*{name.partition(".")[0] for name, module in sys.modules.items() if module})
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> ExportedNetwork:
    keras.utils.set_random_seed(1)
    # Kernels of fewer than 1,024 weights would not be rounded to 8 bits.
    layers = [keras.layers.Dense(300, "relu"), keras.layers.Dense(4, name="classes")]
    plain = PlainNetwork(keras.Sequential([keras.Input((6,), name="given"), *layers]))
    return ExportedNetwork(plain, tmp_path_factory.mktemp("network"), {"given": INPUTS})


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """A file of every format."""
    folder = tmp_path_factory.mktemp("files")
    paths = {kind: folder / kind.file_name for kind in FORMATS.values()}
    for kind, path in paths.items():
        kind.write(network, path)
    return paths


@pytest.mark.slow
def test_every_format_computes_what_the_network_does(network, files):
    inputs = {"given": INPUTS}
    expected = network.plain.compute(inputs)
    labels = expected["classes"].argmax(axis=1)
    labels[:9] = (labels[:9] + 1) % 4
    found = verify(files, inputs, expected, {"classes": labels})
    assert set(found) == set(FORMATS)
    for kind in FORMATS.values():
        # The 45 inputs are a batch and a part of one.
        largest = found[kind.name].largest_difference / np.abs(expected["classes"]).max()
        assert (1e-4 < largest < 0.1) if kind.quantized else largest < 1e-5
        assert found[kind.name].accuracy == pytest.approx(0.8, abs=0.1 * kind.quantized)


@pytest.mark.slow
def test_errors_name_format_and_file(network, files, tmp_path):
    damaged, missing = tmp_path / "damaged.tflite", tmp_path / "missing.keras"
    other = tmp_path / "other.tflite"
    model = network.plain.model
    headless = network.plain.with_model(keras.Model(model.inputs, model.layers[0].output))
    (tmp_path / "headless").mkdir()
    dynamic = FORMATS["tflite_int8_dynamic"]
    dynamic.write(ExportedNetwork(headless, tmp_path / "headless"), other)
    damaged.write_bytes(files[FORMATS["tflite"]].read_bytes()[:100])
    chosen = {FORMATS["tflite"]: damaged, FORMATS["keras"]: missing, dynamic: other}
    chosen[FORMATS["saved_model"]] = files[FORMATS["saved_model"]]
    chosen[FORMATS["tflite_sparse"]] = files[FORMATS["tflite_sparse"]]
    inputs = {"given": INPUTS}
    expected = network.plain.compute(inputs)
    expected["classes"][40, 1] += 0.01 * np.abs(expected["classes"]).max()
    found = verify(chosen, inputs, expected, {})
    assert all(isinstance(error, ServingError) for error in found.values())
    # The interpreter raises an error, or is killed, by what it makes of the rest.
    assert f"tflite: {damaged} " in str(found["tflite"])
    assert f"keras: {missing} cannot be used: " in str(found["keras"])
    assert "computes outputs of shape (45, 300), not (45, 4)" in str(found[dynamic.name])
    for name in ("saved_model", "tflite_sparse"):
        assert "computes other outputs than the network: up to" in str(found[name])


@pytest.mark.slow
def test_file_that_ends_its_process_does_not_end_the_others(monkeypatch, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(STARTS_ANEW)
    monkeypatch.setattr(serving, "_SCRIPT", script)
    names = ("good", "wrong", "fatal", "better", "fatal")
    jobs = [{"name": name, "file": f"{name}.file", "runtime": "tflite"} for name in names]
    # Which has a process of its own.
    jobs[0]["runtime"] = "keras"
    jobs[-1]["file"] = "killed.file"
    good, wrong, fatal, better, killed = answers(jobs)
    assert (good, better) == (jobs[0], jobs[3])
    assert str(wrong) == "wrong: wrong.file cannot be used: no"
    ending = "fatal: fatal.file ended the process that ran it (exit code 3: out of luck)"
    assert str(fatal) == ending
    assert str(killed) == "fatal: killed.file ended the process that ran it (SIGKILL)"
    assert answers([]) == []


def test_tflite_files_are_run_without_tensorflow(network, tmp_path):
    path = tmp_path / "model.tflite"
    FORMATS["tflite"].write(network, path)
    job = {
        "file": str(path),
        "runtime": "tflite",
        "outputs": {"classes": f"{tmp_path}/classes.npy"},
    }
    job["inputs"] = serving.saved_inputs({"given": INPUTS}, tmp_path)
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"threads": 1, "cpus": 1, "jobs": [job]}))
    command = [sys.executable, "-P", "-c", SAYS_WHAT_IS_IMPORTED, str(serving._SCRIPT)]
    command += [str(request), str(tmp_path / "answers")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "ai_edge_litert" in said.stdout.split()
    assert not {"keras", "tensorflow", "tf_keras", "tf_lottery"} & set(said.stdout.split())
    (expected,) = network.plain.compute({"given": INPUTS}).values()
    np.testing.assert_allclose(np.load(tmp_path / "classes.npy"), expected, rtol=1e-4, atol=1e-4)


def test_size_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "zeros").write_bytes(bytes(100_000))
    (tmp_path / "folder" / "inner" / "noise").write_bytes(np.random.default_rng(0).bytes(5_000))
    size = FileSize.of(tmp_path / "folder")
    assert size.bytes == 105_000
    assert 5_000 < size.compressed_bytes < 6_000
    assert FileSize.of(tmp_path / "folder" / "zeros").bytes == 100_000


def test_an_offset_does_not_hide_that_a_file_computes_other_outputs():
    outputs = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    # Rounding to float32 alone makes a difference of 0.016 beside 300,000.
    far = outputs + np.float32(3e5)
    assert 0.016 < tolerance(far) < np.abs(far - far.mean(axis=0)).max()
    spread = np.abs(outputs - outputs.mean(axis=0)).max()
    np.testing.assert_allclose(tolerance(outputs), 1e-3 * spread, rtol=1e-6)
    np.testing.assert_allclose(tolerance(outputs[:1]), 1e-3 * np.abs(outputs[0]).max(), rtol=1e-6)
