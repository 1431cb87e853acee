"""Which classes there are examples of."""

import numpy as np
import pytest

from tf_lottery.data.labels import check_known_classes, note_of_empty_classes


def test_classes_without_training_examples_are_named():
    assert note_of_empty_classes(np.array([0, 1, 2, 1]), 3) is None
    assert "of class b; the network has an output for each of the 3 classes" in str(
        note_of_empty_classes(np.array([0, 2]), 3, "abc")
    )
    assert "of the classes 0, 2, 3, 4, 5 and 3 more;" in str(
        note_of_empty_classes(np.array([1]), 9)
    )


def test_a_class_that_is_tested_on_alone_is_named():
    train = np.array([0, 2])
    check_known_classes({"train": train, "test": np.array([2, 2])})
    with pytest.raises(ValueError, match=r"the test data have the class b \(example 3\), of which"):
        check_known_classes({"train": train, "test": np.array([0, 2, 0, 1])}, "abc")
