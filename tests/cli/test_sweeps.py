"""Several values of a flag, where one is due."""

import pytest

from tests.command_line import command_of
from tf_lottery.cli.sweeps import combinations, hint_to_sweep
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


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("learning_rate:0.001,0.0010", "0.001 and 0.0010 are the same; leave one out"),
        ("learning_rate:1e-3,0.001", "1e-3 and 0.001 are the same"),
        ("levels:1,2,1", "1 is there twice; leave one out"),
        ("rewind_step:0,5it,0ep", "0 and 0ep are the same"),
        ('pruning_rates:"0.5,0.2","0.50, 0.2"', "0.5,0.2 and 0.50, 0.2 are the same"),
        ("same_data_order:true,1", "true and 1 are the same"),
    ],
)
def test_a_value_spelt_twice_is_refused(sweep, message):
    with pytest.raises(ValueError) as refused:
        list(combinations([sweep]))
    assert str(refused.value).startswith(f"--sweep={sweep}: {message}")


def test_values_that_are_not_the_same_are_swept():
    for sweep in ("rewind_step:1it,1ep,1%", "dataset:csv:a.csv,csv:b.csv", "init_seed:0,1"):
        assert len(list(combinations([sweep]))) == sweep.count(",") + 1


@pytest.mark.parametrize(
    ("given", "sweep", "expected"),
    [
        (["--final_learning_rate=1e-4"], "lr_schedule:linear,cosine", ["linear", "cosine"]),
        (["--momentum=0.9", "--nesterov"], "optimizer:sgd", ["sgd"]),
        (["--name=s", "--ticket=a/replicate_1", "--experiment=train"], "ticket_level:1,2", [1, 2]),
        (["--experiment=train"], "ticket_level:1 --sweep=ticket:a,b --name=s", [1, 1]),
        (["--ticket_level=1", "--experiment=train"], "ticket:a/b,c/d", ["a/b", "c/d"]),
    ],
)
def test_flags_go_with_the_swept_values_alone(given, sweep, expected):
    first, *more = f"--sweep={sweep}".split(" ")
    configs = command_of(*given, first, *more).configs
    flag = sweep.partition(":")[0]
    found = [
        next(getattr(one, flag) for one in (config.training, config.model) if hasattr(one, flag))
        for config in configs
    ]
    assert found == expected
    assert len({config.name for config in configs}) == len(configs)


def test_flags_that_do_not_go_with_a_swept_value_are_refused():
    with pytest.raises(ValueError, match="does not go with --lr_schedule=constant"):
        command_of("--final_learning_rate=1e-4", "--sweep=lr_schedule:linear,constant")


def test_names_of_a_sweep_that_are_too_long_are_not_those_that_were_given():
    message = (
        "^--sweep=levels:1,2: the runs of this --sweep would have names longer than 200 "
        r"characters; give a shorter --name\.$"
    )
    with pytest.raises(ValueError, match=message):
        command_of(f"--name={'n' * 195}", "--sweep=levels:1,2")
    (config,) = command_of(f"--name={'n' * 191}", "--sweep=levels:1").configs
    assert len(config.name) == 200
