"""Variants of iterative magnitude pruning: what they leave, against plain NumPy and TensorFlow."""

import csv
import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.data import Epoch, epoch_order, load_dataset
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.experiments.running.level_records import WrittenRecords
from tf_lottery.experiments.running.lottery import check_experiment
from tf_lottery.masking.layers import model_variables
from tf_lottery.store.tensors import load_tensors

KERNELS = ("dense_1/kernel", "dense_2/kernel", "output/kernel")
SIZES = (64 * 20, 20 * 10, 10 * 10)
REWIND, STEPS, WARMUP, PEAK, FINAL = 3, 12, 2, 0.1, 0.01
SHORT = {
    "train_steps": f"{STEPS}it",
    "rewind_step": f"{REWIND}it",
    "evaluate_every": "5it",
    "optimizer": "sgd",
    "learning_rate": PEAK,
    "lr_schedule": "linear",
    "final_learning_rate": FINAL,
    "warmup_steps": f"{WARMUP}it",
}
VARIANTS = {
    "dense": {"prune_from": "dense"},
    "rewind_step": {"prune_from": "rewind_step"},
    "rewind_learning_rate": {"retraining": "rewind_learning_rate"},
    "fine_tune": {"retraining": "fine_tune"},
    "dense, fine_tune": {"prune_from": "dense", "retraining": "fine_tune"},
    "target_density": {"target_density": 0.3, "pruning_rate": 0.5},
    "pruning_rates": {"pruning_rates": "0.5, 0.25", "levels": 3},
    "first layer dense": {"first_layer_pruning_rate": 0.0},
    "random": {"score": "random"},
    "dense, random": {"score": "random", "prune_from": "dense"},
    "snip": {"score": "snip", "score_examples": 200},
    "snip before training": {
        "score": "snip", "score_examples": 230, "prune_from": "rewind_step", "rewind_step": "0it",
        "pruning_rate": 0.9, "levels": 1,
    },
    "snip of two rates": {
        "score": "snip", "score_examples": 230, "prune_from": "rewind_step", "rewind_step": "0it",
        "pruning_rate": 0.9, "output_pruning_rate": 0.45, "levels": 1,
    },
    # Not as small networks, which have tests of their own.
    "units": {"structure": "units", "pruning_rate": 0.3, "compact_training": False},
    "2:4": {"structure": "2:4", "pruning_rate": 0.5, "levels": 1},
    "1x4": {"structure": "1x4", "pruning_rate": 0.5},
}  # fmt: skip
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


def levels_of(run: Path) -> int:
    with (run / "summary.csv").open() as file:
        return int(list(csv.DictReader(file))[-1]["level"])


def mask_of(run: Path, level: int) -> tf_lottery.Mask:
    return tf_lottery.Mask.load(run / f"level_{level}" / "masks.npz")


def counts_of(run: Path) -> list[int]:
    return [mask_of(run, level).remaining for level in range(levels_of(run) + 1)]


def trained(run: Path, level: int) -> dict[str, np.ndarray]:
    return load_tensors(run / f"level_{level}" / "weights")


def rewind_weights(run: Path) -> dict[str, np.ndarray]:
    tensors = load_tensors(run / "rewind" / "tensors")
    return {
        name.removeprefix("weights/"): array
        for name, array in tensors.items()
        if name.startswith("weights/")
    }


def flat(arrays: dict[str, np.ndarray] | tf_lottery.Mask) -> np.ndarray:
    return np.concatenate([arrays[name].ravel() for name in KERNELS])


def highest(scores: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    order = np.argsort(np.where(mask, -scores, np.inf), kind="stable")
    kept = np.zeros(mask.size, bool)
    kept[order[:count]] = True
    return kept


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


def rate_at(step: int) -> float:
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return PEAK + (FINAL - PEAK) * (min(step, STEPS - 1) - WARMUP) / (STEPS - WARMUP)


def train_plainly(
    run: Path, level: int, weights: dict[str, np.ndarray], steps: range
) -> dict[str, np.ndarray]:
    """Trains a level without our training code; returns its weights."""
    masks, model = mask_of(run, level), tf_lottery.strip(tf_lottery.load_ticket(run, level))
    variables = {v.name.removesuffix(":0"): v for v in model.trainable_variables}
    assert variables.keys() == weights.keys()
    for name, variable in variables.items():
        variable.assign(weights[name] * masks.get(name, 1.0))
    data = load_dataset("digits", validation_examples=200, split_seed=0).train
    epoch_steps = len(data) // 60
    for step in steps:
        order = epoch_order(Epoch(1, level, step // epoch_steps), len(data))
        batch = order[step % epoch_steps * 60 :][:60]
        with tf.GradientTape() as tape:
            logits = model(data.images[batch].astype(np.float32), training=True)
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(data.labels[batch], logits, True)
            )
        gradients = tape.gradient(loss, list(variables.values()))
        for (name, variable), gradient in zip(variables.items(), gradients, strict=True):
            variable.assign_sub(rate_at(step) * gradient * masks.get(name, 1.0))
    return {name: variable.numpy() for name, variable in variables.items()}


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


def snip_scores(run: Path, weights: dict[str, np.ndarray], examples: int) -> np.ndarray:
    """|w dL/dw| of a plain network, over the examples in one batch."""
    model = tf_lottery.strip(tf_lottery.load_ticket(run, 0))
    variables = {v.name.removesuffix(":0"): v for v in model.trainable_variables}
    for name, variable in variables.items():
        variable.assign(weights[name])
    data = load_dataset("digits", validation_examples=200, split_seed=0).train
    rows = epoch_order(Epoch(1, 0, 2**31 - 1), len(data))[:examples]
    # Means of batches are added up, which differ in size by at most one example.
    total = dict.fromkeys(KERNELS, 0.0)
    for part in np.array_split(rows, -(-examples // 100)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(
                    data.labels[part], model(data.images[part].astype(np.float32)), True
                )
            )
        gradients = tape.gradient(loss, [variables[name] for name in KERNELS])
        for name, gradient in zip(KERNELS, gradients, strict=True):
            total[name] = total[name] + gradient.numpy()
    return np.abs(flat({name: weights[name] * total[name] for name in KERNELS}))


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
