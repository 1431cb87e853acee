"""Labels that do not fit a model are named before training starts."""

import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.tickets.fit.labels import check_fit_labels, check_labels


def compiled(loss) -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(3, input_shape=(2,))])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ],
)
@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_outputs_is_named(loss, label):
    with pytest.raises(ValueError, match=rf"label {label}, .* tells 3 classes apart: .* 0 to 2"):
        check_labels(compiled(loss), np.array([0, 2, label]))


@pytest.mark.parametrize("version", [keras, keras_3])
@pytest.mark.parametrize("ignored", [-1, 255])
def test_labels_that_the_loss_ignores_pass(version, ignored):
    model = version.Sequential([version.Input((2,)), version.layers.Dense(3)])
    loss = version.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)
    model.compile("sgd", loss)
    check_labels(model, np.array([0, 2, ignored]))
    with pytest.raises(ValueError, match=r"label 3, .* tells 3 classes apart: .* 0 to 2"):
        check_labels(model, np.array([0, ignored, 3]))


def test_labels_that_fit_or_are_no_class_numbers_pass():
    check_labels(compiled("sparse_categorical_crossentropy"), np.array([0, 1, 2]))
    check_labels(compiled("sparse_categorical_crossentropy"), None)
    check_labels(compiled("mse"), np.array([[5.0, -1.0, 7.0]]))


NAMES = np.array(["cat", "dog", "cow"])


@pytest.mark.parametrize("names", [NAMES, NAMES.astype(object), NAMES.astype("S3")])
@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_text_is_to_be_numbered_first(loss, names):
    with pytest.raises(ValueError, match=r"y holds text \(b?'cat'\), .* 0 to 2 .*numpy.unique"):
        check_labels(compiled(loss), names)


def test_the_form_of_labels_is_that_of_the_loss():
    columns = np.eye(3)[[0, 2]]
    with pytest.raises(ValueError, match=r"y has a column for each of 3 classes.*y.argmax"):
        check_labels(compiled("sparse_categorical_crossentropy"), columns)
    check_labels(compiled("categorical_crossentropy"), columns)
    for numbers in (np.array([0, 2]), np.array([[0], [2]])):
        check_labels(compiled("sparse_categorical_crossentropy"), numbers)
        with pytest.raises(ValueError, match=r"y has the shape .*to_categorical\(y, 3\)"):
            check_labels(compiled("categorical_crossentropy"), numbers)


@pytest.mark.parametrize("label", [0.5, np.nan])
def test_labels_are_whole_numbers(label):
    with pytest.raises(ValueError, match=rf"y holds the label {label}: labels are whole numbers"):
        check_labels(compiled("sparse_categorical_crossentropy"), np.array([0.0, label]))


def test_labels_of_each_pixel():
    model = keras.Sequential([keras.layers.Conv2D(3, 1, input_shape=(4, 4, 2))])
    model.compile("sgd", "sparse_categorical_crossentropy")
    check_labels(model, np.zeros((2, 4, 4), int))
    check_labels(model, np.zeros((2, 4, 4, 1), int))
    with pytest.raises(ValueError, match="a column for each of 3 classes"):
        check_labels(model, np.zeros((2, 4, 4, 3)))


def test_labels_of_validation_data_and_weights_of_classes():
    model, y = compiled("sparse_categorical_crossentropy"), np.array([0, 1])
    check_fit_labels(model, y, {"validation_data": (None, y), "class_weight": {0: 1.0, 1: 2.0}})
    with pytest.raises(ValueError, match=r"validation_data\[1\] holds the label 8"):
        check_fit_labels(model, y, {"validation_data": (None, y + 8)})
    with pytest.raises(ValueError, match="no weight for class 1, which y holds"):
        check_fit_labels(model, y, {"class_weight": {0: 1.0}})
    in_keras_3 = keras_3.Sequential([keras_3.Input((2,)), keras_3.layers.Dense(3)])
    in_keras_3.compile("sgd", "sparse_categorical_crossentropy")
    check_fit_labels(in_keras_3, y, {"class_weight": {0: 1.0}})
