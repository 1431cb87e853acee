r"""Learning curves of the papers' networks here and in PyTorch.

    pip install torch
    python benchmarks/pytorch_recipes.py --network=lenet --iterations=5000 --data_dir=DIR

Both train the same network by the same recipe (configs/paper) on the same data, from weights of one
distribution, with seeds of their own; nothing of the training is shared. PyTorch does what the
reference implementation does where that differs from ours: "same" padding at stride 2 is symmetric,
and weight decay acts on all weights. Test accuracies go to --csv as each training ends; a row of
the table is outside where the ranges over the seeds do not meet.
"""

import csv
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import torch
from absl import app, flags
from in_pytorch import Choices, train

import tf_lottery
from tf_lottery.config.flags import read_flag_file
from tf_lottery.data import load_dataset

_PAPER = Path(__file__).parents[1] / "configs" / "paper"
_FILES = {
    "lenet": "lth_lenet_mnist",
    "conv4": "lth_conv4_cifar10",
    "resnet20": "lmc_resnet20_cifar10",
    "vgg16": "lmc_vgg16_cifar10",
}
_COLUMNS = ("network", "iteration", "framework", "seed", "test_accuracy")
_CHOICES = Choices(padding=True, weight_decay=True)

_NETWORK = flags.DEFINE_enum("network", None, _FILES, "What is trained.", required=True)
_ITERATIONS = flags.DEFINE_integer("iterations", 1000, "Length of training.", lower_bound=5)
_EVALUATIONS = flags.DEFINE_integer("evaluations", 5, "How many there are.", lower_bound=1)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Trainings of each.", lower_bound=1)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "As of main.py.")
_CSV = flags.DEFINE_string("csv", None, "Where the rows are added; unset: nowhere.")
_WIDTH = flags.DEFINE_float("width", 1, "Factor of the filters of resnet20 and vgg16.", 0.05)
_THREADS = flags.DEFINE_integer("threads", 1, "Of an operation, in both.", lower_bound=1)


def train_here(flag_values: dict, seed: int) -> dict[int, float]:
    """Test accuracy by iteration."""
    steps = _ITERATIONS.value // _EVALUATIONS.value
    values = {
        **flag_values,
        "experiment": "train",
        "replicate": seed,
        "train_steps": f"{_ITERATIONS.value}it",
        "evaluate_every": f"{steps}it",
        "rewind_step": "0it",
        "lr_milestones": "",
        "lr_schedule": "constant",
        "validate_every": "",
        "threads": _THREADS.value,
        "data_dir": _DATA_DIR.value,
    }
    with tempfile.TemporaryDirectory() as workdir:
        config = tf_lottery.config_from_values({**values, "workdir": workdir})
        tf_lottery.run_experiment(config)
        with (config.run_path / "level_0" / "metrics.csv").open() as opened:
            rows = list(csv.DictReader(opened))
    return {int(row["step"]): float(row["test_accuracy"]) for row in rows if int(row["step"])}


def add_rows(rows: Iterable[tuple]) -> None:
    """To --csv, so that a long benchmark that is stopped leaves what it had."""
    if not _CSV.value:
        return
    path = Path(_CSV.value)
    is_new = not path.exists()
    with path.open("a", newline="") as opened:
        writer = csv.writer(opened)
        if is_new:
            writer.writerow(_COLUMNS)
        writer.writerows(rows)


def main(_) -> None:
    torch.set_num_threads(_THREADS.value)
    name = _NETWORK.value
    flag_values = read_flag_file(_PAPER / f"{_FILES[name]}.cfg")
    shown = name
    if _WIDTH.value != 1:
        shown = flag_values["model"] = f"{flag_values['model']}_w{_WIDTH.value:g}"
    data = load_dataset(
        flag_values["dataset"],
        data_dir=_DATA_DIR.value,
        validation_examples=flag_values["validation_examples"],
    )
    frameworks = {
        "tf_lottery": lambda seed: train_here(flag_values, seed),
        "PyTorch": lambda seed: train(
            name,
            flag_values,
            data,
            seed,
            iterations=_ITERATIONS.value,
            evaluations=_EVALUATIONS.value,
            choices=_CHOICES,
            width=_WIDTH.value,
        ),
    }
    curves: dict[str, list[dict[int, float]]] = {framework: [] for framework in frameworks}
    for seed in range(1, _SEEDS.value + 1):
        for framework, train_one in frameworks.items():
            curve = train_one(seed)
            curves[framework].append(curve)
            add_rows((shown, step, framework, seed, curve[step]) for step in curve)
    print("| iteration | tf_lottery (%) | PyTorch (%) | |\n|---:|---:|---:|---|")
    for step in curves["PyTorch"][0]:
        here, there = ([100 * curve[step] for curve in curves[each]] for each in curves)
        meet = min(here) <= max(there) and min(there) <= max(here)
        cells = [f"{np.mean(of):.2f} ({min(of):.2f} to {max(of):.2f})" for of in (here, there)]
        print(f"| {step:,} | {cells[0]} | {cells[1]} | {'' if meet else 'outside'} |")


if __name__ == "__main__":
    app.run(main)
