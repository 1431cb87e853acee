import io

import pytest
from rich.console import Console

from tf_lottery.report.landscape.line_table import LineRow, print_lines
from tf_lottery.report.landscape.stability_table import print_layers
from tf_lottery.store.result_columns import DISTANCE_COLUMNS

BRANCH = "branches/random_reinitialization-data_seed_1001-learning_rate_0.01/level_10"


def printed(write, width: int) -> list[str]:
    file = io.StringIO()
    write(Console(file=file, width=width))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("splits", [("test",), ("test", "train")])
def test_long_labels_fit_80_columns_and_are_broken_between_words(splits):
    barriers = dict.fromkeys(splits, (0.1234, 1.2345))
    rows = [LineRow((BRANCH, "../replicate_2/level_4"), barriers, 12.34, 0.567)]
    lines = printed(lambda console: print_lines(rows, console), 80)
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).split()
    for word in ("random", "reinitialization,", "seed", "1001,", "learning", "0.01", "replicate"):
        assert word in words
    for number in ("12.34", "1.2345", "12.34", "0.567"):
        assert number in words


def test_names_of_kernels_stay_whole_beside_their_numbers():
    kernel = "stage_3/block_2/convolution_1/kernel"
    row = {"level": 4, "layer": 1, **dict.fromkeys(DISTANCE_COLUMNS, 0.5)}
    lines = printed(lambda console: print_layers([row], [kernel], console), 80)
    assert max(map(len, lines)) <= 80
    assert any(kernel in line and "0.500" in line for line in lines)
