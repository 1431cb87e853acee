r"""What the reference implementation does otherwise than we do, and what it makes of accuracy.

    pip install torch
    python benchmarks/reference_choices.py --iterations=600 --data_dir=DIR [--width=0.5]

ResNet-20 on CIFAR-10 by the recipe of configs/paper is trained in PyTorch by our choices, by each
single one of the reference implementation's (facebookresearch/open_lth), and by all of them;
trainings of a seed start from the same draws and see the same batches. Accuracies go to --csv as
each training ends; the table has their differences from ours, seed by seed.
"""

import csv
import os
from dataclasses import fields
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import torch
from absl import app, flags
from in_pytorch import Choices, train

from tf_lottery.config.flags import read_flag_file
from tf_lottery.data import load_dataset

_RECIPE = Path(__file__).parents[1] / "configs" / "paper" / "lmc_resnet20_cifar10.cfg"
_COLUMNS = ("choice", "warmup", "seed", "iterations", "test_accuracy")
_NAMES = [field.name for field in fields(Choices)]
_OURS = Choices()
_ALL = Choices(**dict.fromkeys(_NAMES, True))

_ITERATIONS = flags.DEFINE_integer("iterations", 600, "Length of training.", lower_bound=1)
_WARMUP = flags.DEFINE_integer("warmup", 100, "Iterations of warmup, for that choice.", 1)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Trainings of each.", lower_bound=2)
_WIDTH = flags.DEFINE_float("width", 1, "Factor of the filters.", lower_bound=0.05)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "As of main.py.")
_CSV = flags.DEFINE_string("csv", None, "Where rows are added, and found again; unset: nowhere.")
_THREADS = flags.DEFINE_integer("threads", 1, "Of an operation.", lower_bound=1)


def measured() -> dict[tuple[str, int, int], float]:
    """Accuracies that a benchmark which was stopped has left in --csv."""
    if not _CSV.value or not Path(_CSV.value).exists():
        return {}
    with Path(_CSV.value).open(newline="") as opened:
        return {
            (row["choice"], int(row["warmup"]), int(row["seed"])): float(row["test_accuracy"])
            for row in csv.DictReader(opened)
            if int(row["iterations"]) == _ITERATIONS.value
        }


def add_row(row: tuple) -> None:
    if not _CSV.value:
        return
    path = Path(_CSV.value)
    is_new = not path.exists()
    with path.open("a", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        if is_new:
            writer.writerow(_COLUMNS)
        writer.writerow(row)


def main(_) -> None:
    torch.set_num_threads(_THREADS.value)
    recipe = read_flag_file(_RECIPE)
    data = load_dataset(recipe["dataset"], data_dir=_DATA_DIR.value, validation_examples=0)
    found = measured()

    def accuracy(name: str, choices: Choices, warmup: int, seed: int) -> float:
        key = (name, warmup, seed)
        if key not in found:
            (found[key],) = train(
                "resnet20",
                recipe,
                data,
                seed,
                iterations=_ITERATIONS.value,
                evaluations=1,
                choices=choices,
                width=_WIDTH.value,
                warmup=warmup,
            ).values()
            add_row((*key, _ITERATIONS.value, found[key]))
        return found[key]

    choices = {name: Choices(**{name: True}) for name in _NAMES} | {"all": _ALL}
    seeds = range(1, _SEEDS.value + 1)
    for seed in seeds:
        for name, chosen in {"ours": _OURS, **choices}.items():
            if name != "warmup":
                accuracy(name, chosen, 0, seed)
        for name, chosen in {"ours": _OURS, "warmup": choices["warmup"]}.items():
            accuracy(name, chosen, _WARMUP.value, seed)
    print("| choice | accuracy (%) | minus ours (points) | standard error |\n|---|---:|---:|---:|")
    for name, chosen in {"ours": _OURS, **choices}.items():
        warmup = _WARMUP.value if name == "warmup" else 0
        here = np.array([100 * accuracy(name, chosen, warmup, seed) for seed in seeds])
        ours = np.array([100 * accuracy("ours", _OURS, warmup, seed) for seed in seeds])
        error = (here - ours).std(ddof=1) / len(seeds) ** 0.5
        difference = f"{(here - ours).mean():+.2f} | {error:.2f}" if name != "ours" else "|"
        print(
            f"| {name} | {here.mean():.2f} ({here.min():.2f} to {here.max():.2f}) | {difference} |"
        )


if __name__ == "__main__":
    app.run(main)
