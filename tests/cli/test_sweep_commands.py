"""Several runs from one command: a run for each value of a sweep."""

from pathlib import Path

import pytest

from tests.command_line import command_of as command
from tests.command_line import experiments
from tf_lottery.config.experiment import config_from_values


def names(*arguments: str) -> list[str]:
    return [config.name for config in experiments(*arguments)]


def test_a_sweep_runs_each_value_under_a_name_of_its_own():
    configs = experiments("--sweep=rewind_step:0it,30it", "--name=study", "--levels=3")
    assert list(configs) == [
        config_from_values({"name": f"study_rewind_step_{step}", "rewind_step": step, "levels": 3})
        for step in ("0it", "30it")
    ]


def test_a_swept_value_comes_before_one_that_is_given_alone():
    assert [c.pruning.levels for c in experiments("--levels=7", "--sweep=levels:1,2")] == [1, 2]


def test_swept_values_have_the_types_of_their_flags():
    configs = experiments("--sweep=rewind_optimizer:true,false", "--sweep=learning_rate:1e-3,1")
    found = [(c.pruning.rewind_optimizer, c.training.learning_rate) for c in configs]
    assert found == [(True, 1e-3), (True, 1.0), (False, 1e-3), (False, 1.0)]
    assert all(isinstance(rate, float) for _, rate in found)


def test_several_sweeps_give_all_combinations_each_with_all_replicates():
    configs = experiments(
        "--name=s", "--sweep=levels:1,2", "--sweep= --score : random, snip ", "--replicates=1-2"
    )
    found = [(c.name, c.pruning.levels, c.pruning.score, c.seeds.replicate) for c in configs]
    assert found == [
        (f"s_levels_{levels}_score_{score}", levels, score, replicate)
        for levels in (1, 2)
        for score in ("random", "snip")
        for replicate in (1, 2)
    ]
    assert len({config.run_path for config in configs}) == 8


def test_quotes_hold_a_value_with_commas_together():
    configs = experiments('--sweep=pruning_rates:"0.5,0.25", 0.2,"0.4, 0.3"', "--name=a")
    assert [c.pruning.pruning_rates for c in configs] == ["0.5,0.25", "0.2", "0.4, 0.3"]
    assert [c.pruning.rates for c in configs] == [(0.5, 0.25), (0.2,), (0.4, 0.3)]
    assert [c.name for c in configs] == [
        "a_pruning_rates_0.5_0.25", "a_pruning_rates_0.2", "a_pruning_rates_0.4__0.3"
    ]  # fmt: skip


def test_an_empty_value_in_quotes_is_the_default_of_a_text():
    configs = experiments('--sweep=pruning_rates:"",0.5')
    assert [config.pruning.rates for config in configs] == [0.2, (0.5,)]


@pytest.mark.parametrize(
    ("sweep", "endings"),
    [
        ("rewind_step:1%,2ep", ["rewind_step_1_", "rewind_step_2ep"]),
        ("structure:weights,units", ["structure_weights", "structure_units"]),
        ("learning_rate:1e-3,+1", ["learning_rate_1e-3", "learning_rate__1"]),
        ("dataset:cifar10:3.0.2,mnist", ["dataset_cifar10_3.0.2", "dataset_mnist"]),
        ("dataset:../a b/ü", ["dataset_.._a_b__"]),
    ],
)
def test_names_of_sweeps_are_names_of_folders(sweep: str, endings: list[str], tmp_path: Path):
    configs = experiments(f"--sweep={sweep}", "--name=run", f"--workdir={tmp_path}")
    assert [config.name for config in configs] == [f"run_{ending}" for ending in endings]
    for config in configs:
        assert config.run_path.resolve().parent.parent == tmp_path.resolve()


def test_a_sweep_of_a_run_without_a_name_begins_with_its_data_and_network():
    assert names("--model=lenet_9", "--sweep=levels:1") == ["digits_lenet_9_levels_1"]


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        (["levels"], r"--sweep=levels: write FLAG:VALUE,VALUE"),
        (["levels:"], r"--sweep=levels:: write FLAG"),
        (["levels: "], r"--sweep=levels: : write FLAG"),
        ([""], r"--sweep=: write FLAG"),
        (["learning_rat:1"], r"there is no flag --learning_rat. Did you mean .*--learning_rate"),
        (["xyzzy:1"], r"--sweep=xyzzy:1: there is no flag --xyzzy. What may be swept is .*score"),
        (["workdir:a,b"], r"--sweep=workdir:a,b: .*would be copies .*give --workdir=a for all"),
        (["threads:1,2"], r"--sweep=threads:1,2: --threads says where and how .*--threads=1 for"),
        (["in_memory:on,off"], r"--in_memory says .*What may be swept is .*rewind_step"),
        (["distribution:mirrored"], r"--distribution says where .*--distribution=mirrored for all"),
        (["name:a,b"], r"--sweep=name:a,b: .*are named after their values; give one --name"),
        (["replicate:1,2"], r"--sweep=replicate:1,2: .*give --replicates=1,2\. What may be"),
        (["replicates:1,2"], r"--sweep=replicates:1,2: .*give --replicates=1,2"),
        (["branch_seed:1,2"], r"--branch_seed is not for the training of runs; give --branch_seed"),
        (
            ["perturbation:1,2"],
            r"a command for each value, .* --branch=perturbed --perturbation=1 ",
        ),
        (["formats:keras"], r"--sweep=formats:keras: --formats is not for the training of runs"),
        (["tolerance:1,2"], r"--sweep=tolerance:1,2: --tolerance is for the whole command"),
        (["jobs:1,2"], r"--sweep=jobs:1,2: --jobs is for the whole command, .*--jobs=1 once"),
        (["levels:1,,2"], r"--sweep=levels:1,,2: flag --levels=: "),
        (["levels:1,many"], r"--sweep=levels:1,many: flag --levels=many: "),
        (["levels:0-5,8"], r"--sweep=levels:0-5,8: 0-5 is not a number of prunings"),
        (["pruning_rate:0.2,fast"], r"--sweep=pruning_rate:0.2,fast: flag --pruning_rate=fast"),
        (["optimizer:adam,lion"], r"--sweep=optimizer:adam,lion: .*lion: .*sgd, adam, adamw"),
        (["rewind_optimizer:maybe"], r"--sweep=rewind_optimizer:maybe: .*rewind_optimizer=maybe"),
        (["pruning_rate:0.2,2"], r"--pruning_rate=2\.0 is out of range: use a fraction"),
        (["target_density:0.5,0"], r"--target_density=0\.0 is out of range"),
        (['pruning_rates:"0.5,0.2'], r'--sweep=pruning_rates:"0\.5,0\.2: .*double quotes'),
        (["levels:1", "levels:2"], r"--sweep=levels:2: another --sweep has --levels"),
        (["levels:1", "--levels:2"], r"--sweep=--levels:2: another --sweep has --levels"),
        (["levels:1,2,1"], r"--sweep=levels:1,2,1: 1 is there twice; leave one out"),
        (
            ["dataset:a/b,a_b"],
            r"--sweep=dataset:a/b,a_b: two of the runs would be named \w+_dataset_a_b;",
        ),
    ],
    ids=str,
)
def test_sweeps_that_make_no_sense_are_refused(sweeps: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        command(*(f"--sweep={sweep}" for sweep in sweeps))


@pytest.mark.parametrize("experiment", ["branch", "curvature"])
def test_what_takes_no_sweep_is_started_with_each_value(experiment):
    said = f"but --experiment={experiment} was given; start it once with each value"
    with pytest.raises(ValueError, match=said):
        command(f"--experiment={experiment}", "--run=a", "--sweep=loss_rise:1,2")
