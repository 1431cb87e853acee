import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.tickets.fit.texts import check_fit_texts

TEXTS = ["a b", "c d"]


@pytest.fixture(scope="module")
def numbers() -> keras.Model:
    return keras.Sequential([keras.layers.Dense(3, input_shape=(2,))], name="numbers")


@pytest.fixture(scope="module")
def words() -> keras.Model:
    layers = keras.layers
    vectors = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=2)
    return keras.Sequential([keras.Input((1,), dtype="string"), vectors, layers.Dense(3)])


@pytest.mark.parametrize(
    "x",
    [
        TEXTS,
        [[text] for text in TEXTS],
        np.array(TEXTS),
        np.array(TEXTS, object),
        np.array([text.encode() for text in TEXTS]),
        tf.constant(TEXTS),
        {"input": tf.constant(TEXTS)},
        tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1])).batch(2),
    ],
    ids=lambda x: type(x).__name__,
)
def test_text_for_a_model_that_takes_numbers_is_refused(numbers, x):
    with pytest.raises(
        ValueError, match=r"^x holds text \(.*\), and numbers takes float32: .*TextVectorization"
    ):
        check_fit_texts(numbers, x)


def test_text_for_a_model_that_takes_text_has_to_be_an_array(words):
    with pytest.raises(ValueError, match=re.escape("x is a list of texts ('a b'): give an array")):
        check_fit_texts(words, TEXTS)
    check_fit_texts(words, np.array(TEXTS))
    check_fit_texts(words, tf.data.Dataset.from_tensor_slices((TEXTS, TEXTS)).batch(2))


def test_numbers_pass(numbers):
    for x in (
        np.zeros((2, 2)),
        [0.0, 1.0],
        np.array([0, 1.5], object),
        iter([]),
        np.array([], object),
    ):
        check_fit_texts(numbers, x)
    # Labels may be what they like.
    check_fit_texts(numbers, tf.data.Dataset.from_tensor_slices(([[0.0, 1.0]], ["a"])))


def test_a_search_says_so_before_training(build_model, arrays):
    search = IterativeMagnitudePruning(build_model(), 1)
    for x, message in (("text", "x='text': give the data"), (["a"] * 16, "x holds text ('a')")):
        with pytest.raises(ValueError, match=re.escape(message)):
            search.fit(x, arrays[1], verbose=0)
