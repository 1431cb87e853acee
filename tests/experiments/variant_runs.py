"""Tiny runs of each variant: their flags, what they leave, and the same in plain TensorFlow."""

import csv
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.data import Epoch, epoch_order, load_dataset
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
