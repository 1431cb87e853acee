"""What holds for every network and way of fitting: levels, masks, files."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import tf_lottery
from tests.conformance.user_model_checks import check_pruned
from tests.conformance.ways_of_fitting import BATCHES, EPOCHS, WAYS, Way, inputs_of, targets_of
from tf_lottery.masking.keras_versions import is_copied_as_it_is
from tf_lottery.training.network import weights_of

RATE, REWIND_STEP = 0.5, 3


def searched(row: Way, keras: ModuleType, **fit_arguments: Any) -> tuple[Any, Any]:
    """Makes a model, and searches it in the way of the row.

    Returns:
      The search and the model, which holds the last ticket.
    """
    keras.utils.set_random_seed(0)
    model = tf_lottery.prunable(row.build(keras))
    inputs = inputs_of(model)
    targets = targets_of(row, model(inputs))
    model.compile(row.optimizer(keras), row.loss, **row.compiled(keras))
    search = tf_lottery.IterativeMagnitudePruning(
        model, row.levels, RATE, f"{REWIND_STEP}it", "layerwise"
    )
    arguments = {"verbose": 0, **row.fit(keras, inputs, targets), **fit_arguments}
    search.fit(epochs=EPOCHS, **arguments)
    return search, model


def check_way(name: str, keras: ModuleType, folder: Path) -> None:
    """Searches; checks the levels, the ticket and its files."""
    row = WAYS[name]
    search, model = searched(row, keras)
    check_levels(search, model, BATCHES * EPOCHS)
    if row.same_as:
        check_same(model, searched(WAYS[row.same_as], keras)[1])
    check_files(row, keras, model, folder)


def check_files(
    row: Way,
    keras: ModuleType,
    model: Any,
    folder: Path,
    *,
    inputs: Any = None,
    build_prunable: Callable[[], Any] | None = None,
) -> None:
    """Saves, loads, exports and strips a ticket; a model in place has no masks after it.

    Args:
      row: says which classes of the user's are in it, and how it is exported.
      keras: the Keras module.
      model: holds the ticket.
      folder: takes the files.
      inputs: examples; by default those of `inputs_of`.
      build_prunable: makes the model anew, with masks of ones; by default the row says how.
    """
    inputs = inputs_of(model) if inputs is None else inputs
    new = build_prunable or (lambda: tf_lottery.prunable(row.build(keras)))
    check_saved(row, keras, model, inputs, folder, new)
    check_exported(row, model, inputs, folder)
    check_stripped(row, keras, model, inputs, folder)


def check_levels(search: Any, model: Any, iterations: int) -> None:
    """Every level is of full length and of the planned density; the last one was trained."""
    levels = search.history.levels
    sizes = [array.size for array in search.mask(0).values()]
    for number, level in enumerate(levels):
        remaining = sum(round(size * (1 - RATE) ** number) for size in sizes)
        assert level.weights_remaining == search.mask(number).remaining == remaining
        assert level.density == remaining / sum(sizes)
        assert level.iterations == level.weights_at == iterations
        assert not level.stopped_early
        assert all(np.isfinite(value) for value in level.metrics.values())
    mask, trained = search.mask(len(levels) - 1), weights_of(model)
    assert tf_lottery.get_mask(model) == mask
    check_pruned(model, mask)
    search.restore(len(levels) - 1, "rewind", into=model)
    check_pruned(model, mask)
    rewound = weights_of(model)
    moved = [(trained[name] != rewound[name])[array] for name, array in mask.items()]
    assert np.concatenate(moved).mean() > 0.2
    search.restore(len(levels) - 1, into=model)


def check_same(model: Any, other: Any) -> None:
    """Both were pruned and trained alike, up to rounding."""
    assert tf_lottery.get_mask(model) == tf_lottery.get_mask(other)
    expected = weights_of(other)
    for name, value in weights_of(model).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


def check_saved(
    row: Way,
    keras: ModuleType,
    model: Any,
    inputs: Any,
    folder: Path,
    build_prunable: Callable[[], Any],
) -> None:
    """Models of Keras and files of weights have their masks when they are loaded."""
    outputs, mask = outputs_of(model, inputs), tf_lottery.get_mask(model)
    if is_copied_as_it_is(model):
        model.save(folder / "masked.keras")
        whole = keras.models.load_model(folder / "masked.keras", custom_objects=users(row, keras))
        assert tf_lottery.get_mask(whole) == mask
        assert_equal(outputs_of(whole, inputs), outputs)
    else:
        with pytest.warns(UserWarning, match="is saved without its masks"):
            model.save(folder / "masked.keras")
    model.save_weights(folder / "model.weights.h5")
    loaded = build_prunable()
    loaded.load_weights(folder / "model.weights.h5")
    assert tf_lottery.get_mask(loaded) == mask
    assert_equal(outputs_of(loaded, inputs), outputs)


def check_stripped(row: Way, keras: ModuleType, model: Any, inputs: Any, folder: Path) -> None:
    """Stripped, it computes the same, also after it was saved by Keras alone."""
    outputs = outputs_of(model, inputs)
    plain = tf_lottery.strip(model)
    assert_equal(outputs_of(plain, inputs), outputs)
    plain.save(folder / "plain.keras")
    loaded = keras.models.load_model(folder / "plain.keras", custom_objects=users(row, keras))
    assert_equal(outputs_of(loaded, inputs), outputs)


def check_exported(row: Way, model: Any, inputs: Any, folder: Path) -> None:
    """The file computes the same with TensorFlow alone."""
    # An export computes with 32 bits.
    tolerance = {"rtol": 1e-2, "atol": 1e-3} if row.in_16_bits else {"rtol": 1e-3, "atol": 1e-4}
    expected = tf.nest.flatten(outputs_of(model, inputs))
    if row.files is None:
        tf_lottery.export_saved_model(model, folder / "ticket")
        served = _serve(folder / "ticket", inputs)
    elif row.files == "saved_model":
        report = tf_lottery.export(
            model, folder / "ticket", ["saved_model"], test_data=(inputs, None), measure=False
        )
        served = _serve(next(report.folder.glob("*saved_model")), inputs)
    else:
        report = tf_lottery.export(
            model, folder / "ticket", ["tflite"], test_data=(inputs, None), measure=False
        )
        served = _run_tflite(next(report.folder.glob("*.tflite")), inputs)
    for output, one in zip(served, expected, strict=True):
        np.testing.assert_allclose(output, one, **tolerance)


def _serve(path: Path, inputs: Any) -> list[Any]:
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    if isinstance(inputs, dict):
        given = inputs
    else:
        # The inputs of the networks here are named in the order "words", "allowed".
        given = dict(zip(sorted(specs, reverse=True), tf.nest.flatten(inputs), strict=True))
    served = serve(**{name: tf.cast(given[name], spec.dtype) for name, spec in specs.items()})
    return [served[name] for name in sorted(served)]


def _run_tflite(path: Path, inputs: np.ndarray) -> list[Any]:
    run = Interpreter(str(path)).get_signature_runner("serving_default")
    (name,) = run.get_input_details()
    (output,) = run(**{name: inputs}).values()
    return [output]


def outputs_of(model: Any, inputs: Any) -> Any:
    """What it computes in use: layers of augmentation are active unless they are told."""
    return model(inputs, training=False)


def users(row: Way, keras: ModuleType) -> dict[str, Any]:
    """The classes of the user's in the model, by name."""
    return {kind(keras).__name__: kind(keras) for kind in row.classes}


def assert_equal(outputs: Any, expected: Any) -> None:
    """All outputs are the same, bit for bit."""
    for output, one in zip(tf.nest.flatten(outputs), tf.nest.flatten(expected), strict=True):
        np.testing.assert_array_equal(output, one)
