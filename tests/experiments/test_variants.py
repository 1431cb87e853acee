"""Variants of iterative magnitude pruning: what they leave, against plain NumPy and TensorFlow."""

import csv
import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tests.experiments.variant_runs import (
    KERNELS,
    REWIND,
    SHORT,
    SIZES,
    STEPS,
    VARIANTS,
    counts_of,
    flat,
    highest,
    levels_of,
    mask_of,
    rewind_weights,
    snip_scores,
    train_plainly,
    trained,
)
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.experiments.running.level_records import WrittenRecords
from tf_lottery.experiments.running.lottery import check_experiment
from tf_lottery.masking.layers import model_variables

# The others are like them, and each takes a run of its own.
FAST = {"dense, fine_tune", "snip", "units", "2:4"}
INTERRUPTED_FAST = {"dense, fine_tune"}


def fast_if(fast: Collection[str], *cases: str | tuple) -> list:
    """Cases of a test, each with its variant or that alone; those of other variants are slow."""
    return [
        case
        if (case if isinstance(case, str) else case[0]) in fast
        else pytest.param(*([case] if isinstance(case, str) else case), marks=pytest.mark.slow)
        for case in cases
    ]


@pytest.fixture(scope="module")
def run_of(run_tiny, tmp_path_factory) -> Callable[[str], Path]:
    """Returns a function that gives the finished run of a variant; not to be changed."""
    runs = {}

    def run(variant: str) -> Path:
        if variant not in runs:
            folder = tmp_path_factory.mktemp("variant")
            runs[variant] = run_tiny(folder, **{**SHORT, **VARIANTS[variant]})
        return runs[variant]

    return run


def judged_by(run: Path, variant: str, level: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Weights and mask that a level is pruned from."""
    prune_from = VARIANTS[variant].get("prune_from", "previous_level")
    if prune_from == "previous_level":
        return trained(run, level - 1), flat(mask_of(run, level - 1))
    dense = trained(run, 0) if prune_from == "dense" else rewind_weights(run)
    return dense, np.ones(sum(SIZES), bool)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variant",
    fast_if(
        *(FAST, "dense", "rewind_step", "rewind_learning_rate", "fine_tune", "dense, fine_tune")
    ),
)
def test_masks_are_the_largest_weights_of_the_judged_network(run_of, variant):
    run = run_of(variant)
    assert counts_of(run) == [1580, 1264, 1011]
    for level in (1, 2):
        weights, before = judged_by(run, variant, level)
        found = flat(mask_of(run, level))
        np.testing.assert_array_equal(
            found, highest(np.abs(flat(weights)), before, np.count_nonzero(found))
        )


@pytest.mark.slow
def test_pruning_from_the_dense_network_is_not_iterative_pruning(run_of):
    masks = {name: flat(mask_of(run_of(name), 2)) for name in ("dense", "rewind_learning_rate")}
    assert (masks["dense"] != masks["rewind_learning_rate"]).any()


@pytest.mark.parametrize(
    ("variant", "first_weights", "first", "last"),
    fast_if(
        FAST,
        ("dense", rewind_weights, REWIND, STEPS),
        ("rewind_step", rewind_weights, REWIND, STEPS),
        ("rewind_learning_rate", lambda run: trained(run, 1), REWIND, STEPS),
        ("fine_tune", lambda run: trained(run, 1), STEPS, 2 * STEPS - REWIND),
        ("dense, fine_tune", lambda run: trained(run, 0), STEPS, 2 * STEPS - REWIND),
    ),
)
def test_levels_train_from_the_weights_and_with_the_rates_of_the_variant(
    run_of, variant, first_weights, first, last
):
    run = run_of(variant)
    expected = train_plainly(run, 2, first_weights(run), range(first, last))
    for name, array in trained(run, 2).items():
        np.testing.assert_allclose(array, expected[name], atol=5e-6, err_msg=name)


@pytest.mark.parametrize(
    ("variant", "later"),
    fast_if(
        FAST,
        ("fine_tune", [12, 15, 20, 21]),
        ("dense, fine_tune", [12, 15, 20, 21]),
        ("rewind_learning_rate", [3, 5, 10, 12]),
        ("rewind_step", [3, 5, 10, 12]),
    ),
)
def test_steps_of_the_metrics(run_of, variant, later):
    for level, steps in enumerate(([0, 5, 10, 12], later, later)):
        with (run_of(variant) / f"level_{level}" / "metrics.csv").open() as file:
            assert [int(row["step"]) for row in csv.DictReader(file)] == steps


@pytest.mark.slow
def test_a_target_density_is_reached_in_as_many_levels_as_it_takes(run_of):
    run = run_of("target_density")
    assert counts_of(run) == [1580, 790, 474]
    assert json.loads((run / "config.json").read_text())["details"]["levels"] == 2
    assert not (run / "level_3").exists()


@pytest.mark.slow
def test_levels_have_their_own_rates(run_of):
    assert counts_of(run_of("pruning_rates")) == [1580, 790, round(592.5), round(444.375)]


@pytest.mark.slow
def test_the_first_layer_may_stay_dense(run_of):
    run = run_of("first layer dense")
    assert counts_of(run) == [1580, 1280 + 240, 1280 + 192]
    assert all(mask_of(run, level)["dense_1/kernel"].all() for level in range(3))


@pytest.mark.slow
def test_random_masks_are_drawn_by_the_seed(run_of, run_tiny, outcome_of, tmp_path):
    run = run_of("random")
    assert counts_of(run) == [1580, 1264, 1011]
    first, second = (flat(mask_of(run, level)) for level in (1, 2))
    assert not (second & ~first).any()
    kept_of_small = first[highest(-np.abs(flat(trained(run, 0))), np.ones(1580, bool), 316)]
    assert 0.7 < kept_of_small.mean() < 0.9, "the scores look at the weights"
    flags = {**SHORT, **VARIANTS["random"]}
    assert outcome_of(run_tiny(tmp_path / "again", **flags)) == outcome_of(run)
    other = run_tiny(tmp_path / "other", **{**flags, "data_seed": 2, "levels": 1})
    assert (flat(mask_of(other, 1)) != first).any()


@pytest.mark.slow
def test_each_level_draws_its_own_random_mask_of_the_dense_network(run_of):
    run = run_of("dense, random")
    assert counts_of(run) == [1580, 1264, 1011]
    first, second = (flat(mask_of(run, level)) for level in (1, 2))
    assert 0.75 < first[second].mean() < 0.85


@pytest.mark.parametrize(
    ("variant", "weights_of", "examples", "remaining"),
    fast_if(
        FAST,
        ("snip", lambda run: trained(run, 0), 200, 1264),
        ("snip before training", rewind_weights, 230, 158),
        # The layers compete, although the output layer has a rate of its own.
        ("snip of two rates", rewind_weights, 230, 148 + 55),
    ),
)
def test_snip_keeps_the_most_sensitive_weights(run_of, variant, weights_of, examples, remaining):
    run = run_of(variant)
    mask = flat(mask_of(run, 1))
    scores = snip_scores(run, weights_of(run), examples)
    assert np.count_nonzero(mask) == remaining
    assert scores[mask].min() >= scores[~mask].max() * (1 - 1e-3)
    magnitudes = np.abs(flat(weights_of(run)))
    assert magnitudes[mask].min() < magnitudes[~mask].max(), "these are the largest weights"


@pytest.mark.slow
def test_a_layerwise_scope_before_training_is_told(run_tiny, tmp_path, capsys):
    flags = {**SHORT, **VARIANTS["snip before training"], "pruning_scope": "layerwise"}
    run = run_tiny(tmp_path, **flags)
    assert "--score=snip ranks the weights of each layer apart here" in capsys.readouterr().out
    mask = mask_of(run, 1)
    assert [mask[name].sum() for name in KERNELS] == [round(0.1 * size) for size in SIZES]


def test_units_go_as_whole_columns_lowest_first(run_of):
    run = run_of("units")
    assert levels_of(run) == 2
    for level in (1, 2):
        mask, before, weights = (
            mask_of(run, level),
            mask_of(run, level - 1),
            trained(run, level - 1),
        )
        assert mask["output/kernel"].all()
        wanted = round((1280 + 200) * 0.7**level) + 100
        assert abs(mask.remaining - wanted) <= 64 / 2
        kept, gone = [], []
        for name in KERNELS[:2]:
            columns = mask[name].any(axis=0)
            np.testing.assert_array_equal(columns, mask[name].all(axis=0))
            assert columns.any()
            norms = np.sqrt(np.mean(weights[name] ** 2, axis=0))
            # The highest unit of each array remains whatever those of other arrays are.
            kept.extend(np.sort(norms[columns])[:-1])
            gone.extend(norms[~columns & before[name].any(axis=0)])
        assert gone
        assert max(gone) <= min(kept)


def test_two_of_every_four_weights_remain(run_of):
    run = run_of("2:4")
    # The last two rows of the output's ten are a group of their own.
    assert counts_of(run) == [1580, 640 + 100 + 60]
    mask, weights = mask_of(run, 1), trained(run, 0)
    for name in KERNELS:
        for start in range(0, len(weights[name]), 4):
            group = np.abs(weights[name][start : start + 4])
            highest_two = group >= np.sort(group, axis=0)[-2]
            np.testing.assert_array_equal(mask[name][start : start + 4], highest_two)


@pytest.mark.slow
def test_blocks_of_four_inputs_go_lowest_first(run_of):
    run = run_of("1x4")
    # Of the ten inputs of the output there are no blocks, and 370 weights are as near to 92 blocks
    # as to 93.
    assert counts_of(run) == [1580, 740 + 100, 93 * 4 + 100]
    for level in (1, 2):
        mask, before = mask_of(run, level), mask_of(run, level - 1)
        assert mask["output/kernel"].all()
        kept, gone = [], []
        for name in KERNELS[:2]:
            units = mask[name].shape[1]
            squares = np.square(trained(run, level - 1)[name]).reshape(-1, 4, units).mean(axis=1)
            new, old = (array[name].reshape(-1, 4, units) for array in (mask, before))
            np.testing.assert_array_equal(new.any(axis=1), new.all(axis=1))
            kept.extend(squares[new.all(axis=1)])
            gone.extend(squares[old.all(axis=1) & ~new.all(axis=1)])
        assert max(gone) <= min(kept)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("structure", "refused"),
    [
        ("units", ["random_mask_uniform", "random_mask_erk"]),
        pytest.param("2:4", ["random_mask_erk", "shuffled_units"], marks=pytest.mark.slow),
        pytest.param("1x4", ["random_mask_uniform", "shuffled_units"], marks=pytest.mark.slow),
    ],
)
def test_random_masks_have_as_many_pieces_of_the_structure(
    run_of, tmp_path, structure: str, refused: list[str]
):
    run = tmp_path / "run"
    shutil.copytree(run_of(structure), run)
    for branch in refused:
        with pytest.raises(ValueError, match=f"--branch={branch} moves single weights, .*random_m"):
            run_branch(run, branch, [1])
    assert not (run / "branches").exists()

    run_branch(run, "random_mask", [1])
    mask, drawn = mask_of(run, 1), mask_of(run / "branches" / "random_mask", 1)
    for name, array in mask.items():
        # The inputs of the output are no multiple of four.
        size = len(array) if structure == "units" or len(array) % 4 else 4
        left = [
            np.sort(a.reshape(-1, size, a.shape[1]).sum(axis=1), None) for a in (array, drawn[name])
        ]
        np.testing.assert_array_equal(*left)
    assert drawn != mask


@pytest.mark.parametrize("variant", fast_if(INTERRUPTED_FAST, *VARIANTS))
def test_a_run_that_was_killed_before_its_last_level_comes_to_the_same_bits(
    run_of, run_tiny, outcome_of, tmp_path, variant
):
    run = run_of(variant)
    copy = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / f"level_{levels_of(run)}")
    for name in ("summary.csv", "summary.png"):
        (copy / name).unlink()
    run_tiny(tmp_path, **{**SHORT, **VARIANTS[variant]})
    assert outcome_of(copy) == outcome_of(run)


@pytest.mark.slow
def test_fine_tuning_that_was_interrupted_comes_to_the_same_bits(
    run_of, run_tiny, outcome_of, tmp_path, monkeypatch, capsys
):
    append = WrittenRecords.append

    def append_or_stop(records, step, values):
        if step == 20:
            raise KeyboardInterrupt
        append(records, step, values)

    flags = {**SHORT, **VARIANTS["fine_tune"]}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(WrittenRecords, "append", append_or_stop)
        run_tiny(tmp_path, **flags)
    run = run_tiny(tmp_path, **flags)
    assert "level 1 continues at step 15" in capsys.readouterr().out
    assert outcome_of(run) == outcome_of(run_of("fine_tune"))


@pytest.mark.parametrize("variant", fast_if(FAST, *VARIANTS))
def test_tickets_are_what_was_trained(run_of, variant):
    run = run_of(variant)
    level = levels_of(run)
    model = tf_lottery.load_ticket(run, level)
    mask, saved = mask_of(run, level), trained(run, level)
    assert tf_lottery.get_mask(model) == mask
    values = {name: variable.numpy() for name, variable in model_variables(model).items()}
    assert values.keys() == saved.keys()
    for name, value in values.items():
        assert value.tobytes() == saved[name].tobytes(), name
    for name in KERNELS:
        assert not np.any(saved[name][~mask[name]])
        assert np.count_nonzero(saved[name][mask[name]]) > 0.99 * np.count_nonzero(mask[name])


def test_movement_of_an_untrained_network_is_refused(run_tiny, tmp_path):
    flags = {**SHORT, "score": "movement", "prune_from": "rewind_step"}
    message = "--score=movement does not go with --prune_from=rewind_step: no weight has moved"
    with pytest.raises(ValueError, match=message):
        run_tiny(tmp_path, **flags)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=message):
        check_experiment(tf_lottery.config_from_values(flags))
