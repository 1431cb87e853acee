import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report.method_results import Spread, collect_methods, run_method
from tf_lottery.report.run_records import read_run, run_paths


@pytest.fixture
def collect():
    return lambda *paths: collect_methods([read_run(path) for path in paths])


def replicates(folder, *accuracies, **options):
    return [
        write_replicate(folder / f"replicate_{number}", levels, **options)
        for number, levels in enumerate(accuracies, 1)
    ]


def test_a_spread_leaves_out_what_is_unknown():
    assert Spread.of([0.5, None, float("nan"), 1.0]) == Spread(0.75, 0.5, 1.0, 2)
    assert Spread.of([None]) is None


def test_the_mean_of_equal_values_is_that_value():
    assert Spread.of([0.1] * 3).mean == 0.1


def test_levels_are_averaged_over_the_replicates_that_have_them(collect, tmp_path):
    runs = replicates(tmp_path / "mnist", [0.90, 0.80], [0.92, 0.70], [0.97], early={0: (20, 0.5)})
    (method,) = collect(*runs)
    dense, pruned = method.levels
    assert dense.accuracy == Spread(pytest.approx(0.93), 0.90, 0.97, 3)
    assert dense.early_stop_step == Spread(20, 20, 20, 3)
    assert dense.early_stop_accuracy.mean == 0.5
    assert pruned.accuracy == Spread(pytest.approx(0.75), 0.70, 0.80, 2)
    assert (pruned.replicates, pruned.weights_remaining, pruned.density) == (2, 800, 0.8)
    assert pruned.early_stop_step is None
    assert pruned.layer_densities["dense/kernel"] == pytest.approx(0.75)
    assert method.accuracies(0) == {"replicate_1": 0.90, "replicate_2": 0.92, "replicate_3": 0.97}
    assert method.accuracies(1) == {"replicate_1": 0.80, "replicate_2": 0.70}


def test_a_replicate_without_an_accuracy_counts_for_the_level_alone(collect, tmp_path):
    (method,) = collect(*replicates(tmp_path / "mnist", [0.9], [None]))
    assert method.levels[0].replicates == 2
    assert method.levels[0].accuracy == Spread(0.9, 0.9, 0.9, 1)


def test_branches_of_the_same_label_are_a_method_of_their_own(collect, tmp_path):
    first, second = replicates(tmp_path / "mnist", [0.9, 0.8, 0.7], [0.9, 0.8, 0.7])
    write_branch(first, "random_mask", {1: 0.5, 2: 0.4})
    write_branch(second, "random_mask", {2: 0.2})
    changes = {"changes": {"learning_rate": 0.5}}
    write_branch(second, "retrain-learning_rate_0.5", {2: 0.3}, details=changes)
    run, mask, retrain = collect(first, second)
    assert [run.label, mask.label, retrain.label] == [
        "lottery ticket",
        "random mask",
        "retrain, learning rate 0.5",
    ]
    assert [mask.method, retrain.method] == ["random_mask", "retrain"]
    assert [level.level for level in mask.levels] == [1, 2]
    assert mask.levels[1].accuracy == Spread(pytest.approx(0.3), 0.2, 0.4, 2)
    assert mask.accuracies(0) == {}


def test_branches_that_only_their_folders_tell_apart_have_the_names_of_those(collect, tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9])
    for branch in ("random_mask", "random_mask-branch_seed_1", "mask_of_replicate-a_replicate_2"):
        write_branch(run, branch, {1: 0.5})
    labels = [method.label for method in collect(run)]
    assert labels[1:] == ["mask of replicate", "random_mask", "random_mask-branch_seed_1"]


def test_several_runs_are_told_apart_by_name_or_else_by_folder(collect, tmp_path):
    one = write_replicate(tmp_path / "a" / "mnist" / "replicate_1", [0.9])
    two = write_replicate(tmp_path / "b" / "mnist" / "replicate_1", [0.9])
    three = write_replicate(tmp_path / "b" / "digits" / "replicate_1", [0.9])
    write_branch(three, "one_shot", {1: 0.5})
    labels = [method.label for method in collect(one, two, three)]
    assert labels == ["a/mnist", "b/mnist", "digits", "digits: one shot"]


def test_a_branch_never_has_the_label_of_its_run(collect, tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9], identity={"prune_from": "dense"})
    write_branch(run, "one_shot", {1: 0.5})
    assert [method.label for method in collect(run)] == ["one shot", "one shot (branch)"]


@pytest.mark.parametrize(
    ("flags", "method"),
    [
        ({}, "lottery_ticket"),
        ({"score": "magnitude", "prune_from": "previous_level"}, "lottery_ticket"),
        ({"score": "snip", "prune_from": "rewind_step"}, "snip_before_training"),
        ({"prune_from": "dense", "retraining": "fine_tune"}, "one_shot_fine_tune"),
        ({"pruning_rate": 0.3}, "lottery_ticket"),
        ({"pruning_rate": "auto"}, "adaptive_rate"),
        ({"pruning_rate": "auto", "score": "snip"}, "snip_adaptive_rate"),
    ],
)
def test_a_run_is_named_by_what_its_flags_do(tmp_path, flags, method):
    run = write_replicate(tmp_path / "replicate_1", identity=flags)
    assert run_method([read_run(run)]) == method


def test_mean_curves_hold_the_iterations_that_all_replicates_evaluated(collect, tmp_path):
    runs = [
        write_replicate(tmp_path / "m" / "replicate_1", [0.9], curves={0: [0.1, 0.5, 0.9]}),
        write_replicate(tmp_path / "m" / "replicate_2", [0.7], curves={0: [0.3, None, 0.7]}),
    ]
    (method,) = collect(*runs)
    assert method.mean_curve(0) == {0: pytest.approx(0.2), 20: pytest.approx(0.8)}
    assert method.mean_curve(1) == {}


def test_unfinished_levels_count_until_a_replicate_has_finished_them(collect, tmp_path):
    runs = [
        write_replicate(tmp_path / "m" / "replicate_1", [0.9, 0.8], in_training={2: [0.1, 0.3]}),
        write_replicate(tmp_path / "m" / "replicate_2", [0.9], in_training={1: [0.9, 0.9]}),
    ]
    (method,) = collect(*runs)
    assert method.levels_in_training() == [2]
    assert method.mean_curve(2) == {0: 0.1, 10: 0.3}
    assert method.mean_curve(1) == {0: 0.1, 10: 0.5, 20: 0.8}


def test_replicates_with_chosen_pruning_rates_are_runs_of_their_own(tmp_path):
    adaptive = {"pruning_rate": "auto"}
    for replicate in (1, 2):
        run = tmp_path / "chosen" / f"replicate_{replicate}"
        write_replicate(run, [0.9, 0.8], identity=adaptive)
        write_branch(run, "random_mask", {1: 0.7})
        write_replicate(tmp_path / "fixed" / f"replicate_{replicate}", [0.9, 0.8])
    folders = [tmp_path / "chosen", tmp_path / "fixed"]
    methods = collect_methods([read_run(path) for path in run_paths(folders)])
    assert [(method.run, len(method.records)) for method in methods if not method.branch] == [
        ("chosen, replicate_1", 1),
        ("chosen, replicate_2", 1),
        ("fixed", 2),
    ]
    assert [method.label for method in methods if method.branch] == [
        "chosen, replicate_1: random mask",
        "chosen, replicate_2: random mask",
    ]
