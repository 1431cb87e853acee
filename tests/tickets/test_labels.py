import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.tickets.labels import check_labels


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
    with pytest.raises(ValueError, match=rf"label {label}, .* 3 outputs: .* 0 to 2"):
        check_labels(compiled(loss), np.array([0, 2, label]))


@pytest.mark.parametrize("version", [keras, keras_3])
@pytest.mark.parametrize("ignored", [-1, 255])
def test_labels_that_the_loss_ignores_pass(version, ignored):
    model = version.Sequential([version.Input((2,)), version.layers.Dense(3)])
    loss = version.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)
    model.compile("sgd", loss)
    check_labels(model, np.array([0, 2, ignored]))
    with pytest.raises(ValueError, match=r"label 3, .* 3 outputs: .* 0 to 2"):
        check_labels(model, np.array([0, ignored, 3]))


def test_labels_that_fit_or_are_no_class_numbers_pass():
    check_labels(compiled("sparse_categorical_crossentropy"), np.array([0, 1, 2]))
    check_labels(compiled("sparse_categorical_crossentropy"), None)
    check_labels(compiled("mse"), np.array([[5.0, -1.0, 7.0]]))
