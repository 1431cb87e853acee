"""Inputs and labels as users give them."""

import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.exporting.example_inputs import check_outputs, checked_inputs, example_inputs
from tf_lottery.exporting.plain_network import PlainNetwork

IMAGES = np.arange(24).reshape(4, 6)
WORDS = np.arange(12).reshape(4, 3)
CLASSES, RANKS = np.array([0, 1, 2, 0]), np.array([1, 0, 1, 1])


@pytest.fixture(scope="module")
def two() -> PlainNetwork:
    """Takes images and words of any number, and gives classes, ranks and a number."""
    images, words = keras.Input((6,), name="images"), keras.Input((None,), None, "words", "int32")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 2)(words))
    joined = keras.layers.Concatenate()([images, pooled])
    outputs = [
        keras.layers.Dense(n, name=name)(joined) for n, name in ((3, "classes"), (2, "rank"))
    ]
    number = keras.layers.Dense(1, name="number")(joined)
    return PlainNetwork(keras.Model([images, words], [*outputs, number], name="two"))


@pytest.fixture(scope="module")
def one() -> PlainNetwork:
    return PlainNetwork(keras.Sequential([keras.Input((6,), name="rows"), keras.layers.Dense(3)]))


@pytest.mark.parametrize(
    "inputs", [[IMAGES, WORDS], (IMAGES.tolist(), WORDS), {"words": WORDS, "images": IMAGES}]
)
def test_inputs_are_given_in_the_order_of_the_model_or_by_name(two, inputs):
    arrays = checked_inputs("representative", inputs, two)
    assert [(name, array.dtype.name) for name, array in arrays.items()] == [
        ("images", "float32"),
        ("words", "int32"),
    ]
    assert np.array_equal(arrays["images"], IMAGES)
    assert np.array_equal(arrays["words"], WORDS)


@pytest.mark.parametrize("inputs", [IMAGES, IMAGES.tolist(), {"rows": IMAGES}])
def test_one_input_is_an_array(one, inputs):
    assert np.array_equal(checked_inputs("representative", inputs, one)["rows"], IMAGES)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (None, []),
        ([CLASSES, RANKS, None], ["classes", "rank"]),
        ([None, RANKS, None], ["rank"]),
        ({"rank": RANKS}, ["rank"]),
        ({"rank": RANKS, "classes": None}, ["rank"]),
    ],
)
def test_labels_are_those_of_the_outputs_that_have_some(two, labels, names):
    examples = example_inputs(([IMAGES, WORDS], labels), two)
    assert list(examples.labels) == names
    assert len(examples) == 4
    assert "rank" not in names or np.array_equal(examples.labels["rank"], RANKS)


@pytest.mark.parametrize("name", ["rank", "number"])
@pytest.mark.parametrize(
    "labels",
    [RANKS, RANKS[:, None], RANKS == 1, np.eye(2)[RANKS], np.eye(2, dtype=int)[RANKS].tolist()],
)
def test_labels_of_two_classes_are_numbers_or_columns(two, name, labels):
    examples = example_inputs(([IMAGES, WORDS], {name: labels}), two)
    assert np.array_equal(examples.labels[name], RANKS)


@pytest.mark.parametrize("labels", [RANKS / 1.0, RANKS[:, None] / np.float32(1)])
def test_labels_of_one_unit_may_be_floats(two, labels):
    examples = example_inputs(([IMAGES, WORDS], {"number": labels}), two)
    assert np.array_equal(examples.labels["number"], RANKS)


def test_labels_of_several_classes_may_have_a_column_each(two):
    examples = example_inputs(([IMAGES, WORDS], {"classes": np.eye(3)[CLASSES]}), two)
    assert np.array_equal(examples.labels["classes"], CLASSES)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ((IMAGES, None), r"the inputs must be a list of 2 arrays, or a dictionary, of images, wor"),
        (([IMAGES], None), r"the inputs must be a list of 2 arrays"),
        (({"images": IMAGES}, None), r"the inputs are of images, not images, words"),
        (({"images": IMAGES, "text": WORDS}, None), r"inputs are of images, text, not images, wor"),
        (([IMAGES, WORDS[:3]], None), r"the inputs have \{'images': 4, 'words': 3\} examples"),
        (([WORDS, WORDS], None), r"inputs have shape \(4, 3\), but images takes \[examples, 6\]"),
        (([IMAGES, IMAGES[0]], None), r"\(6,\), but words takes \[examples, any\]"),
        (([IMAGES, WORDS], CLASSES), r"the labels must be a list of 3 arrays, or a dictionary, of"),
        (([IMAGES, WORDS], {"class": CLASSES}), r"the labels are of class_, not classes, rank, nu"),
        (([IMAGES, WORDS], {"rank": CLASSES}), r"the label 2, but rank tells 2 classes apart"),
        (([IMAGES, WORDS], {"number": RANKS / 4}), r"accuracy of number, .* labels such as 0.25;"),
        (
            ([IMAGES, WORDS], {"number": CLASSES}),
            r"the label 2, but number tells 2 classes apart: .* 0 to 1",
        ),
        (([IMAGES, WORDS], {"number": np.eye(3)[CLASSES]}), r"float64 of shape \(4, 3\), but must"),
        (
            ([IMAGES, WORDS], {"rank": np.ones((4, 2))}),
            r"labels of rank have a column for each cla",
        ),
    ],
)
def test_what_does_not_fit_is_refused(two, data, problem):
    with pytest.raises(ValueError, match=rf"^test_data: .*{problem}"):
        example_inputs(data, two)


def test_the_accuracy_of_several_numbers_per_class_is_not_defined():
    rows = keras.Sequential([keras.Input((3, 6), name="rows"), keras.layers.Dense(2, name="out")])
    with pytest.raises(ValueError, match=r"accuracy of out, .*not defined; give None"):
        example_inputs((np.ones((4, 3, 6)), RANKS), PlainNetwork(rows))


def test_inputs_are_drawn_for_floats_of_known_shapes_alone(one, two):
    examples = example_inputs(None, one)
    assert examples.random
    assert examples.inputs["rows"].shape == (len(examples), 6)
    assert examples.inputs["rows"].std() > 0.5
    tokens = PlainNetwork(keras.Sequential([keras.Input((3,), dtype="int32", name="tokens")]))
    anywhere = PlainNetwork(keras.Sequential([keras.Input((None, None, 1), name="image")]))
    for network, problem in (
        (two, r"takes words \[batch, any\] of int32"),
        (tokens, r"takes tokens \[batch, 3\] of int32"),
        (anywhere, r"takes image \[batch, any, any, 1\] of float32"),
    ):
        with pytest.raises(ValueError, match=rf"^test_data=None: .*{problem}, .*give test_data="):
            example_inputs(None, network)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WORDS + 0.5, "words takes int32, which cannot hold 0.5; give numbers of that type"),
        (WORDS * np.nan, "words takes int32, which cannot hold nan"),
        (WORDS + 2**40, "words takes int32, which cannot hold 1.09951e.12"),
        (WORDS[:0], "there are no examples of images; give at least one"),
    ],
)
def test_numbers_that_an_input_would_change_are_refused(two, words, said):
    with pytest.raises(ValueError, match=f"^representative: {said}"):
        checked_inputs("representative", [IMAGES[: len(words)], words], two)
    assert checked_inputs("x", [IMAGES, WORDS.astype(float)], two)["words"].dtype == np.int32


def test_where_drawn_inputs_give_no_numbers_others_are_asked_for(two):
    said = "two computes classes .* standard normal inputs; give test_data=.*NaN in the weights"
    with pytest.raises(ValueError, match=f"^test_data: {said}"):
        inputs = checked_inputs("test_data", [IMAGES * np.nan, WORDS], two)
        check_outputs("test_data", two, inputs, random=True)


@pytest.mark.parametrize(
    ("images", "words", "said"),
    [
        (IMAGES * np.nan, WORDS, "two computes classes that are not finite numbers; look for NaN"),
        (
            IMAGES,
            WORDS + 20,
            r"two cannot be computed on these inputs: indices.* is not in \[0, 20",
        ),
    ],
)
def test_inputs_from_which_a_network_computes_no_numbers_are_refused(two, images, words, said):
    inputs = checked_inputs("test_data", [images, words], two)
    with pytest.raises(ValueError, match=f"^test_data: {said}"):
        check_outputs("test_data", two, inputs)
