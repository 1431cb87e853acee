"""Several values of a flag, where one is due."""

import pytest

from tf_lottery.cli.sweeps import hint_to_sweep
from tf_lottery.config.experiment import config_from_values

HINT = ". For a run with each value, give --sweep=learning_rate:0.1,0.2"


@pytest.mark.parametrize(
    ("problem", "hint"),
    [
        ("flag --learning_rate=0.1,0.2: use a number, such as 0.5", HINT),
        ("flag --learning_rate=0,1: use a number", HINT.replace("0.1,0.2", "0,1")),
        ("flag --learning_rate=high: use a number, such as 0.5", ""),
        ("flag --jobs=1,2: use auto, or a whole number", ""),
    ],
)
def test_values_that_no_flag_takes_can_be_swept(problem, hint):
    assert hint_to_sweep(problem) == hint


def test_several_rewind_steps():
    with pytest.raises(ValueError, match=r"--sweep=rewind_step:0it,60it\.$"):
        config_from_values({"rewind_step": "0it,60it"})
    with pytest.raises(ValueError, match=r"'1%'\.$"):
        config_from_values({"rewind_step": "never"})
