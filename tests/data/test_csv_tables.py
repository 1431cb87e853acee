"""Data sets in tables of numbers."""

import numpy as np
import pytest

from tf_lottery.data import load_dataset


@pytest.fixture
def load(tmp_path):
    """Returns a function that writes tables and loads them."""

    def write_and_load(options="?label=kind", path="t.csv", **tables):
        for name, text in tables.items():
            (tmp_path / f"{name}.csv").write_bytes(
                text if isinstance(text, bytes) else text.encode()
            )
        return load_dataset(f"csv:{tmp_path}/{path}{options}".replace("HERE", str(tmp_path)))

    return write_and_load


TRAIN = "kind,size,weight\ncat,1,1000\n\ndog, 2 ,3000\ncat,3,-1e3\ndog,4,5000\n"
TEST = "weight,kind,size\n5,dog,0.5\n7,cat,0.25\n"


def test_two_tables(load):
    data = load("?label=kind&test=HERE/u.csv", t=TRAIN, u=TEST)
    np.testing.assert_array_equal(
        data.train.images, np.float32([[1, 1000], [2, 3000], [3, -1000], [4, 5000]])
    )
    np.testing.assert_array_equal(data.test.images, np.float32([[0.5, 5], [0.25, 7]]))
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    assert data.test.labels.tolist() == [1, 0]
    assert (data.class_names, data.classes) == (("cat", "dog"), 2)


def test_each_feature_has_its_own_statistics(load):
    data = load("?label=kind&test=HERE/u.csv", t=TRAIN, u=TEST)
    mean, variance = data.pixel_statistics()
    assert mean == pytest.approx((2.5, 2000))
    assert variance == pytest.approx((1.25, 5_000_000))
    constant = load("?label=kind&test=HERE/u.csv", t=TRAIN.replace("-1e3", "0.1"), u=TEST)
    assert not any("the same" in note for note in constant.notes)
    rows = "".join(f"{'cat' if row % 2 else 'dog'},{row},0.1\n" for row in range(10))
    constant = load("?label=kind", t=f"kind,size,weight\n{rows}")
    assert constant.pixel_statistics()[1][1] == 1
    assert "the same in all training examples: weight." in constant.notes


def test_a_folder_of_tables_and_dropped_columns(load, tmp_path):
    data = load(
        "?label=kind&drop=size", "", train=TRAIN, test=TEST, validation=TEST.replace("5,", "6,")
    )
    assert data.train.images.tolist() == [[1000], [3000], [-1000], [5000]]
    assert (data.validation.images.tolist(), data.test.images.tolist()) == ([[6], [7]], [[5], [7]])


def test_of_one_table_a_share_of_each_class_is_tested_on_always_the_same(load):
    rows = [f"{number};{'b' if number % 4 else 'a'}" for number in range(100)]
    text = "\ufeffx;kind\n" + "\n".join(rows)
    data = load(t=text)
    assert np.bincount(data.test.labels).tolist() == [5, 15]
    assert np.bincount(data.train.labels).tolist() == [20, 60]
    assert sorted([*data.train.images[:, 0], *data.test.images[:, 0]]) == list(range(100))
    again, half = load(t=text), load("?label=kind&test=0.5", t=text)
    assert again.fingerprint() == data.fingerprint()
    assert np.bincount(half.test.labels).tolist() == [12, 38]
    assert np.any(data.test.images[1:, 0] - data.test.images[:-1, 0] > 8)


def test_classes_that_are_numbers_are_in_order_of_size(load):
    rows = "".join(f"{label},{label}\n" for label in (10, 9, 10, 2, 9, 2))
    assert load(t="x,kind\n" + rows).class_names == ("2", "9", "10")


def test_classes_that_are_one_number_written_in_two_ways_are_refused(load):
    said = "t.csv has the class 1.0, which is the number 1; write a class in one way, or, if these"
    with pytest.raises(ValueError, match=f"label=kind: {said}"):
        load(t="x,kind\n" + "1,0\n2,1\n3,1.0\n4,0\n" * 3)
    with pytest.raises(ValueError, match=r"u.csv has the class 01, which is the number 1 in t.csv"):
        load("?label=kind&test=HERE/u.csv", t="x,kind\n" + "1,0\n2,1\n" * 3, u="x,kind\n1,01\n")
    # As texts, they are two.
    assert load(t="x,kind\n" + "1,1\n2,1.0\n3,b\n" * 3).class_names == ("1", "1.0", "b")


def test_whole_numbers_of_many_digits_are_told_apart_and_in_order(load):
    names = [str(2**53 + more) for more in (2, 1, 0)]
    rows = "".join(f"1,{name}\n" for name in names * 3)
    assert load(t="x,kind\n" + rows).class_names == tuple(reversed(names))


MANY = "kind,size\n" + "cat,1\ndog,2\n" * 5000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TRAIN.replace(" 2 ", ""), r"t.csv: row 2 has no size; fill such cells"),
        (
            TRAIN.replace("1000", "NA").replace("-1e3", ""),
            "row 1 has no weight, row 3 has no weight",
        ),
        (TRAIN.replace("dog, 2", ", 2"), "row 2 has no kind; fill"),
        (MANY + "cat,\n", "row 10001 has no size"),
        (MANY + "cat,x\n", "row 10001: size is x, which is no number.*&drop=size"),
        (
            MANY + "cat,1e40\n",
            "row 10001: size is 1e40, .* more than float32 can hold, 3.4e.38; divide",
        ),
        (TRAIN + "cat,1\n", "row 5 has 2 cells, and there are 3 columns"),
        (TRAIN.replace("weight", "size"), "t.csv has two columns called size"),
        (TRAIN.replace("weight", ""), r"column 3 has no name; pandas .*index=False"),
        (
            TRAIN.replace("kind", "sort"),
            "t.csv has no column kind; the columns are sort, size, weight",
        ),
        ("kind\ncat\ndog\n", "t.csv has a single column, kind; a table has columns of features"),
        (TRAIN.replace("dog", "cat"), "all rows of t.csv are of the class cat; at least 2"),
        ("kind,x\n1.5,1\n2.5,1\n3.5,1\n", "the column kind has 3 values in 3 rows"),
        ("", "t.csv is empty"),
        ("kind,x\n", "t.csv: it has no rows"),
        (b"kind,x\n\xff,1\n", "t.csv cannot be read as a table .*; save it as UTF-8"),
        ('kind,x\n"a,1\n', "t.csv cannot be read as a table"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(load, text, said):
    with pytest.raises(ValueError, match=rf"^--dataset=csv:/.*\?label=kind: .*{said}"):
        load(t=text)


@pytest.mark.parametrize(
    ("options", "test", "said"),
    [
        (
            "",
            TEST,
            r"say which column has the classes, such as \?label=weight; the columns are kind",
        ),
        ("?label=kind&drop=age", TEST, "t.csv has no column age"),
        ("?label=kind&drop=size,kind", TEST, "kind has the classes, and cannot be dropped"),
        ("?label=kind&test=1.5", TEST, "test=1.5: use a share"),
        (
            "?label=kind&test=HERE/u.csv",
            TEST.replace("dog", "cow"),
            "u.csv, row 1: no .* class cow",
        ),
        ("?label=kind&test=HERE/u.csv", TEST.replace("size", "x"), "u.csv: it has no column size"),
    ],
)
def test_options_and_test_tables_that_do_not_fit_are_told(load, options, test, said):
    with pytest.raises(ValueError, match=f"^--dataset=csv:.*{said}"):
        load(options, t=TRAIN, u=test)


def test_a_folder_without_a_test_table_is_told(load):
    with pytest.raises(ValueError, match=r"the folder has no test.csv; it needs train.csv and"):
        load("?label=kind", "", train=TRAIN)


def test_of_one_row_of_each_class_none_can_be_tested_on(load):
    with pytest.raises(ValueError, match=r"no class has two examples, of which one could be test"):
        load(t="kind,size\ncat,1\ndog,2\n")
