import pytest

from tf_lottery.config.dataset_names import check_dataset
from tf_lottery.config.datasets import (
    DATASETS,
    check_streaming,
    find_source,
    register_dataset,
    source_names,
)


@pytest.fixture
def spirals():
    pattern = r"spirals_(\d+)(?:_(\w+))?"
    register_dataset(pattern, examples=["spirals_3"])(lambda turns, noise: (turns, noise))
    yield
    DATASETS.remove(pattern)


def test_the_groups_of_a_familys_pattern_are_its_arguments(spirals):
    for name, arguments in {"spirals_3": ("3", None), "spirals_12_low": ("12", "low")}.items():
        source = find_source(name)
        assert source is not None
        assert source.load() == arguments
        check_dataset(name, None)
        with pytest.raises(ValueError, match=rf"--streaming=on: --dataset={name} is not on the"):
            check_streaming(name, "on")


def test_other_names_are_not_of_the_family(spirals):
    for name in ("spirals", "spirals_three", "my_spirals_3", "spirals_3 "):
        assert find_source(name) is None
    with pytest.raises(ValueError, match=r"Did you mean spirals_3\? Choose digits, spirals_3 or"):
        check_dataset("spirals", None)
    assert source_names() == ["digits", "spirals_3"]


def test_a_name_of_two_sets_is_refused(spirals):
    register_dataset(r"spirals_3(_\w+)?")(lambda noise: noise)
    try:
        with pytest.raises(ValueError, match=r"^--dataset=spirals_3 is a data set of each of spir"):
            check_dataset("spirals_3", None)
        assert find_source("spirals_4") is not None
    finally:
        DATASETS.remove(r"spirals_3(_\w+)?")


def test_a_plain_name_has_no_arguments():
    source = find_source("digits")
    assert source is not None
    assert source.examples == ("digits",)
    assert source.load().input_shape == (8, 8, 1)
