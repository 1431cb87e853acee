"""A search that goes on with other arrays than those its folder began with."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.either_keras import TF_KERAS_FAST
from tests.tickets.small_searches import BATCHES, BOTH, X, Y, network
from tf_lottery.store.seal import seal, verify_seal
from tf_lottery.tickets.fit.fingerprint import differences, fingerprint

WEIGHTS = np.ones(16, np.float32)
BATCH = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)


def fit(folder: Path, levels: int, x: Any, y: Any = None, keras: Any = tf_keras, **data) -> None:
    model = network(keras)
    # One step a level, for which a graph is not worth its time.
    model.compile("sgd", model.loss, run_eagerly=True)
    search = tf_lottery.IterativeMagnitudePruning(model, levels, folder=folder)
    batch = {} if y is None else {"batch_size": 16, "shuffle": False}
    search.fit(x, y, verbose=0, **batch, **data)


@BOTH
def test_other_labels_are_told_where_a_level_is_trained_on_them(keras, tmp_path):
    fit(tmp_path / "search", 1, X, Y, keras)
    before = (tmp_path / "search" / "search.json").read_bytes()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The search goes on")
        # Nothing is trained.
        fit(tmp_path / "search", 1, X, 2 - Y, keras)
        assert (tmp_path / "search" / "search.json").read_bytes() == before
        fit(tmp_path / "search", 2, X.copy(), tf.constant(Y), keras)
    match = (
        r"^The search goes on with level 3 on other data than .*: y holds other values, .*folder"
    )
    with pytest.warns(UserWarning, match=match):
        fit(tmp_path / "search", 3, X, 2 - Y, keras)


@TF_KERAS_FAST
def test_other_class_weights_are_told(keras, tmp_path):
    weights = {0: 1.0, 1: 2.0, 2: 1.0}
    fit(tmp_path / "search", 0, X, Y, keras, class_weight=weights)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The search goes on")
        fit(tmp_path / "search", 1, X, Y, keras, class_weight=dict(reversed(weights.items())))
    with pytest.warns(UserWarning, match=r"goes on with level 2 .*: class_weight holds other val"):
        fit(tmp_path / "search", 2, X, Y, keras, class_weight={**weights, 1: 9.0})


def test_a_level_0_that_was_not_finished_begins_with_any_data(tmp_path):
    def interrupt(batch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    stop = tf_keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "search", 1, X, Y, callbacks=[stop])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The search goes on")
        fit(tmp_path / "search", 1, X, 2 - Y)
        fit(tmp_path / "search", 2, X, 2 - Y)


@pytest.mark.parametrize("began_with", ["an earlier version", "a data set"])
def test_a_folder_without_a_fingerprint_goes_on(tmp_path, began_with):
    folder = tmp_path / "search"
    if began_with == "a data set":
        fit(folder, 0, BATCH)
    else:
        fit(folder, 0, X, Y)
        content = verify_seal(folder, name="search.json")
        del content["data"]
        seal(folder, [], content, "search.json")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The search goes on")
        fit(folder, 1, X, 2 - Y)
        fit(folder, 2, BATCH)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"x": X, "y": Y, "sample_weight": WEIGHTS}, []),
        ({"x": tf.constant(X), "y": pd.Series(Y), "sample_weight": WEIGHTS}, []),
        (
            {"x": X[:8], "y": Y, "sample_weight": WEIGHTS},
            ["x had the shape (16, 8), and has (8, 8)"],
        ),
        (
            {"x": X, "y": Y.astype(np.int32), "sample_weight": WEIGHTS},
            ["y was int64, and is int32"],
        ),
        ({"x": X, "y": Y, "sample_weight": None}, ["sample_weight is missing"]),
        (
            {"x": {"a": X}, "y": Y, "sample_weight": WEIGHTS},
            ["x is missing", "x['a'] is new"],
        ),
        ({"x": BATCHES, "y": None, "sample_weight": None}, []),
    ],
)
def test_what_differs_is_named(now, expected):
    was = fingerprint({"x": X, "y": Y, "sample_weight": WEIGHTS})
    assert differences(was, fingerprint(now)) == expected


def test_parts_texts_and_many_examples():
    texts = np.array(["one", "two", "three"], dtype=object)
    many = np.arange(100_000)
    was = fingerprint({"x": {"texts": texts, "many": [many, many]}})
    assert list(was) == ["x['texts']", "x['many'][0]", "x['many'][1]"]
    copies = {"texts": tf.constant(texts), "many": [many.copy(), many + 1]}
    found = differences(was, fingerprint({"x": copies}))
    # Those of TensorFlow are bytes.
    others = "holds other values, or the same in another order"
    assert found == [f"x['texts'] {others}", f"x['many'][1] {others}"]
    same = {"texts": texts.copy(), "many": [many, many]}
    assert differences(was, fingerprint({"x": same})) == []
