"""Models that take words: their vocabularies are kept through copies, training and export."""

from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery

SENTENCES = [["a b c"], ["d e"], ["a d c b"], ["e"]]


@pytest.fixture(params=[tf_keras, keras_3], ids=["tf_keras", "keras"])
def keras(request) -> ModuleType:
    return request.param


@pytest.fixture
def model(keras) -> Any:
    """Counts words, which it was adapted to, and looks others up in a list that it was given."""
    words = keras.layers.TextVectorization(output_sequence_length=4, name="words")
    words.adapt(tf.constant(["a b c", "d e"]))
    codes = keras.layers.StringLookup(vocabulary=["a b c", "e"], output_mode="one_hot")
    sentence = keras.Input((1,), dtype="string")
    embedded = keras.layers.Embedding(8, 3, name="embedding")(words(sentence))
    pooled = keras.layers.GlobalAveragePooling1D()(embedded)
    joined = keras.layers.Concatenate()([pooled, codes(sentence)])
    return keras.Model(sentence, keras.layers.Dense(2, name="output")(joined))


@pytest.mark.slow
def test_words_are_the_same_to_a_copy_and_tickets_are_trained(keras, model):
    sentences = tf.constant(SENTENCES)
    masked = tf_lottery.prunable(model)
    np.testing.assert_array_equal(masked(sentences), model(sentences))
    assert sorted(tf_lottery.get_mask(masked)) == ["embedding/embeddings", "output/kernel"]

    masked.compile(keras.optimizers.Adam(0.1), "mse")
    search = tf_lottery.IterativeMagnitudePruning(masked, 1, 0.5, scope="layerwise")
    search.fit(tf.data.Dataset.from_tensors((sentences, np.ones((4, 2)))), epochs=3, verbose=0)
    trained = masked(sentences).numpy()
    assert (trained != model(sentences).numpy()).all()
    np.testing.assert_array_equal(tf_lottery.strip(masked)(sentences), trained)


@pytest.mark.slow
def test_such_models_are_exported_as_saved_models_alone(model, tmp_path):
    sentences = tf.constant(SENTENCES)
    masked = tf_lottery.prunable(model)
    with pytest.raises(ValueError, match=r"takes .*string.*`export_saved_model` takes any"):
        tf_lottery.export(masked, tmp_path / "files")
    tf_lottery.export_saved_model(masked, tmp_path / "ticket")
    serve = tf.saved_model.load(str(tmp_path / "ticket")).signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    (served,) = serve(**{name: sentences}).values()
    np.testing.assert_allclose(served, model(sentences), rtol=1e-6)
