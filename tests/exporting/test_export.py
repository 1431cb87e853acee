"""A whole export: its folder, table and model card."""

import csv
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.exporting.export import export
from tf_lottery.exporting.export_report import FormatResult
from tf_lottery.exporting.formats import default_formats

FORMATS = {kind.name: kind for kind in default_formats()}

PIXELS = np.random.default_rng(5).integers(0, 17, (40, 4, 4, 1))
LABELS = np.random.default_rng(6).integers(0, 5, 40)
SIDES = {
    "a-side": np.random.default_rng(7).standard_normal((40, 3)),
    "b-side": np.random.default_rng(8).standard_normal((40, 3)),
}


def rows_of(folder) -> dict[str, dict[str, str]]:
    with (folder / "export.csv").open(newline="") as file:
        return {row["format"]: row for row in csv.DictReader(file)}


def run_snippets(folder, inputs) -> list[np.ndarray] | list[dict[str, np.ndarray]]:
    """Runs each piece of Python of the model card in the folder, and returns the outputs."""
    snippets = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    several = isinstance(inputs, dict)
    np.savez(folder / "inputs.npz", **(inputs if several else {"array": inputs}))
    code = 'import sys\nsys.modules["tf_lottery"] = None\nimport numpy as np\n'
    for number, snippet in enumerate(snippets):
        code += 'inputs = dict(np.load("inputs.npz"))\n'
        code += "" if several else 'inputs = inputs["array"]\n'
        code += (
            f"{snippet}results = outputs if isinstance(outputs, dict) else dict(array=outputs)\n"
        )
        code += f'np.savez("{number}.npz", **results)\n'
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=200)
    found = [dict(np.load(folder / f"{number}.npz")) for number in range(len(snippets))]
    return found if several else [outputs["array"] for outputs in found]


@pytest.mark.slow
def test_ticket_in_all_formats(ticket, tmp_path):
    folder = tmp_path / "new" / "out"
    report = export(
        ticket,
        folder,
        test_data=(PIXELS, LABELS),
        representative=PIXELS,
        dense=tf_lottery.strip(ticket),
        measure=False,
    )
    mask = tf_lottery.get_mask(ticket)
    outputs = ticket(PIXELS.astype(np.float32)).numpy()
    assert report.accuracy == np.mean(outputs.argmax(axis=1) == LABELS) == report.dense_accuracy
    assert report.density == mask.density
    files = {kind.file_name for kind in FORMATS.values()}
    assert {path.name for path in folder.iterdir()} == files | {
        "README.md",
        "export.csv",
        "export.json",
    }
    rows = rows_of(folder)
    assert list(rows) == [result.format for result in report.formats] == list(FORMATS)
    for name, row in rows.items():
        assert row["skipped"] == ""
        if not FORMATS[name].quantized:
            assert float(row["accuracy"]) == report.accuracy
    assert int(rows["tflite"]["bytes"]) == (folder / "model.tflite").stat().st_size
    card = (folder / "README.md").read_text()
    remaining = np.count_nonzero(mask["conv/kernel"])
    assert f"| conv/kernel | 27 | {remaining} | {100 * remaining / 27:.4g}% |" in card
    found = run_snippets(folder, PIXELS.astype(np.float32))
    assert len(found) == 4
    for result in found:
        np.testing.assert_allclose(result, outputs, rtol=1e-4, atol=1e-4)


@pytest.fixture
def sides() -> keras.Model:
    """Two inputs and two outputs, mistaken for one another by shape but not by value."""
    keras.utils.set_random_seed(1)
    left, right = (keras.Input((3,), name=name) for name in ("b-side", "a-side"))
    hidden = keras.layers.Dense(3, name="hidden")(left)
    joined = keras.layers.Subtract()([hidden, right])
    outputs = {name: keras.layers.Dense(3, name=name)(joined) for name in ("first", "second")}
    # In another order than that in which TensorFlow flattens dictionaries.
    reverse = dict(reversed(outputs.items()))
    return keras.Model([left, right], reverse, name="sides")


@pytest.mark.slow
def test_model_of_several_inputs_and_outputs_in_all_formats(sides, tmp_path):
    labels = {"first": np.arange(40) % 3}
    report = export(
        tf_lottery.prunable(sides),
        tmp_path / "out",
        test_data=(SIDES, labels),
        representative=[SIDES["b-side"], SIDES["a-side"]],
        measure=False,
    )
    a_side, b_side = (SIDES[name].astype(np.float32) for name in ("a-side", "b-side"))
    expected = sides([b_side, a_side])
    accuracy = np.mean(np.argmax(expected["first"], axis=1) == labels["first"])
    assert report.accuracies == {"first": accuracy}
    assert all(result.skipped is None for result in report.formats)
    for name, row in rows_of(tmp_path / "out").items():
        assert FORMATS[name].quantized or float(row["accuracy"]) == accuracy
    found = run_snippets(tmp_path / "out", {"a_side": a_side, "b_side": b_side})
    assert len(found) == 4
    for results in found:
        assert set(results) == {"first", "second"}
        for name, array in results.items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_dense_network_with_other_names_is_measured_beside(sides, tmp_path):
    inputs = [keras.Input((3,), name=name) for name in ("other_b", "other_a")]
    difference = keras.layers.Subtract()(inputs)
    dense = keras.Model(inputs, [keras.layers.Dense(3)(difference) for _ in range(2)])
    kinds, begun = ["saved_model", "keras", "tflite"], []
    labels = [np.arange(40) % 3, np.arange(40) % 2]
    report = export(
        sides,
        tmp_path / "out",
        kinds,
        test_data=(SIDES, labels),
        dense=dense,
        progress=lambda *stage: begun.append(stage),
    )
    for result in report.formats:
        assert all(latency.ratio > 0 for latency in result.performance.latencies)
        assert set(result.verification.accuracies) == {"first", "second"}
    row = rows_of(tmp_path / "out")["keras"]
    assert float(row["accuracy_second"]) == report.accuracies["second"]
    assert float(row["dense_accuracy_first"]) == report.dense_accuracies["first"]
    assert (row["accuracy"], report.accuracy) == ("", None)
    assert begun == [
        *(("writing", name, number, 3) for number, name in enumerate(kinds, 1)),
        ("verifying", "all files", 1, 1),
        *(("measuring", name, number, 3) for number, name in enumerate(kinds, 1)),
    ]


def exported_text(folder, name: str, layer, *, mask_zero: bool) -> dict[str, FormatResult]:
    """Exports a model of texts of any length; checks that the card's code computes what it does."""
    keras.utils.set_random_seed(1)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(20, 8, mask_zero=mask_zero)(tokens)
    model = keras.Model(tokens, keras.layers.Dense(3, name="sums")(layer(embedded)), name=name)
    texts = np.random.default_rng(0).integers(1, 20, (33, 9))
    texts[::2, 6:] = 0
    report = export(
        model, folder, test_data=(texts, None), representative=texts, compact=False, measure=False
    )
    # One text, as the files that take one example at a time are to be called.
    for outputs in run_snippets(folder, texts[:1].astype(np.int32)):
        np.testing.assert_allclose(outputs, model(texts[:1]), rtol=1e-4, atol=1e-4)
    return {result.format: result for result in report.formats}


@pytest.mark.slow
def test_recurrent_networks_in_tflite_take_one_example_at_a_time(tmp_path):
    layer = keras.layers.SimpleRNN(4)
    results = exported_text(tmp_path / "out", "recurrent", layer, mask_zero=True)
    assert {name for name, result in results.items() if result.skipped} == {"tflite_int8"}
    reason = "cannot convert recurrent: ranges of activations in loops cannot be measured"
    assert reason in results["tflite_int8"].skipped
    for name, result in results.items():
        one_by_one = name in ("tflite", "tflite_sparse", "tflite_int8_dynamic")
        assert result.remark == ("takes one example at a time" if one_by_one else None)
    assert "(takes one example at a time):" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
def test_attention_is_written_in_all_formats_for_any_batch(tmp_path):
    attention = keras.layers.MultiHeadAttention(2, 4)
    pool = keras.layers.GlobalAveragePooling1D()
    folder = tmp_path / "out"
    results = exported_text(folder, "attention", lambda x: pool(attention(x, x)), mask_zero=False)
    assert all(result.skipped is result.remark is None for result in results.values())


@pytest.mark.slow
def test_last_level_of_a_run_beside_its_dense_network(tmp_path):
    flags = {"model": "lenet_20_10", "train_steps": "45it", "levels": 2, "jit_compile": "off"}
    config = tf_lottery.config_from_values(flags | {"workdir": str(tmp_path / "runs")})
    summaries = tf_lottery.run_experiment(config)
    test = tf_lottery.data.load_dataset("digits").test
    data = (test.images, test.labels)
    # What this process has had is not to be counted as the other's.
    ballast = np.ones(100_000_000)
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert ballast.nbytes < own_peak
    folder = tmp_path / "out"
    report = export(config.run_path, folder, ["tflite"], test_data=data)
    (result,) = report.formats
    assert report.accuracy == result.verification.accuracy == summaries[2].test_accuracy
    assert report.dense_accuracy == summaries[0].test_accuracy
    assert report.density == pytest.approx(summaries[2].density)
    assert result.size.compressed_bytes < result.dense_size.compressed_bytes
    row = rows_of(folder)["tflite"]
    for batch_size in (1, 32):
        for threads in ("one_thread", "all_threads"):
            names = (f"{name}_batch_{batch_size}_{threads}" for name in ("ms", "dense_ms", "ratio"))
            assert min(float(row[name]) for name in names) > 0
    assert 0 < int(row["runtime_memory_bytes"]) <= int(row["peak_memory_bytes"])
    assert sys.platform != "linux" or int(row["peak_memory_bytes"]) < own_peak
    card = (folder / "README.md").read_text()
    assert "for the dataset digits" in card
    assert (config.run_path / "flags.cfg").read_text() in card
    with pytest.raises(ValueError, match=r"level=3 is not finished"):
        export(config.run_path, tmp_path / "other", level=3)
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_formats_that_cannot_be_written_are_skipped_or_refused(tmp_path):
    layers = [keras.Input((4,)), keras.layers.Lambda(lambda x: tf.raw_ops.Betainc(a=x, b=x, x=x))]
    model = keras.Sequential(layers, name="beta")
    inputs = np.random.default_rng(0).uniform(0.1, 0.9, (8, 4))
    report = export(model, tmp_path / "all", test_data=(inputs, None), measure=False)
    skipped = {result.format: result.skipped for result in report.formats}
    assert skipped.pop("saved_model") is skipped.pop("saved_model_compressed") is None
    assert "is a Lambda" in skipped.pop("keras")
    assert "needs representative=" in skipped.pop("tflite_int8")
    assert all("cannot convert beta" in reason for reason in skipped.values())
    assert not list((tmp_path / "all").glob("*.tflite"))
    assert report.density == 1.0
    assert "no prunable weights (100%)" in (tmp_path / "all" / "README.md").read_text()
    with pytest.raises(ValueError, match=r"^test_data: beta .* not finite .* give test_data="):
        export(model, tmp_path / "drawn", ["saved_model"])
    for name, problem in (
        ("tflite", r"formats: tflite: .*cannot convert beta"),
        ("tflite_int8", r"formats: tflite_int8 cannot be written: it needs representative="),
    ):
        with pytest.raises(ValueError, match=problem):
            export(model, tmp_path / "named", ["saved_model", name], test_data=(inputs, None))
    assert [path.name for path in tmp_path.iterdir()] == ["all"]


@pytest.mark.slow
def test_replaces_nothing_but_an_earlier_export(ticket, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("export.csv", "README.md", "model.tflite"):
        (folder / name).write_text("earlier")
    with pytest.raises(ValueError, match=r"folder=.*out holds an export; give overwrite=True"):
        export(ticket, folder, ["keras"], measure=False)
    assert (folder / "model.tflite").read_text() == "earlier"
    export(ticket, folder, ["keras"], overwrite=True, measure=False)
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.keras", "export.csv", "export.json", "README.md"}
    (folder / "notes.txt").write_text("all my work")
    with pytest.raises(ValueError, match=r"holds notes\.txt, which is no part of an export"):
        export(ticket, folder, overwrite=True)
    with pytest.raises(ValueError, match=r"notes\.txt is a file"):
        export(ticket, folder / "notes.txt", overwrite=True)
    with pytest.raises(ValueError, match="folder=/proc/out cannot be written"):
        export(ticket, "/proc/out", ["tflite"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"formats": ["pb"]}, r"formats=\['pb'\]: pb is no format; choose from saved_model"),
        ({"formats": [3]}, r"formats=\[3\]: use a list of names, such as"),
        ({"dense": "path"}, "dense='path': give a model of Keras"),
        ({"level": 3}, "level=3 is of no use with a model"),
        ({"test_data": (PIXELS, LABELS[:-1])}, r"labels are int64 of shape \(39,\), .* \(40,\)"),
        ({"test_data": (PIXELS, LABELS + 1)}, "there is the label 5, but .* tells 5 classes apart"),
        ({"test_data": (PIXELS, LABELS / 1.0)}, "labels are float64"),
        ({"test_data": (PIXELS[:, 1:], LABELS)}, r"test_data: .*\(40, 3, 4, 1\), but .* 4, 4, 1\]"),
        ({"test_data": PIXELS}, "test_data must be a pair"),
        ({"representative": PIXELS[:0]}, r"representative: there are no examples of "),
        ({"dense": "other"}, r"dense=other maps \[batch, 3\] of float32 to .*, but the network"),
    ],
)
def test_arguments_that_do_not_fit(ticket, tmp_path, arguments, problem):
    if arguments == {"dense": "other"}:
        layers = [keras.Input((3,)), keras.layers.Dense(2)]
        arguments = {"dense": keras.Sequential(layers, name="other")}
    with pytest.raises(ValueError, match=problem):
        export(ticket, tmp_path / "out", **arguments)
    assert not list(tmp_path.iterdir())


def test_folder_that_is_no_run(tmp_path):
    with pytest.raises(ValueError, match="is not a run folder"):
        export(tmp_path / "nothing", tmp_path / "out")
