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
from torch import nn
from torch.nn import functional

import tf_lottery
from tf_lottery.config.flags import read_flag_file
from tf_lottery.data import Dataset, load_dataset

_PAPER = Path(__file__).parents[1] / "configs" / "paper"
_FILES = {
    "lenet": "lth_lenet_mnist",
    "conv4": "lth_conv4_cifar10",
    "resnet20": "lmc_resnet20_cifar10",
    "vgg16": "lmc_vgg16_cifar10",
}
_COLUMNS = ("network", "iteration", "framework", "seed", "test_accuracy")
_EVALUATION_BATCH = 500

_NETWORK = flags.DEFINE_enum("network", None, _FILES, "What is trained.", required=True)
_ITERATIONS = flags.DEFINE_integer("iterations", 1000, "Length of training.", lower_bound=5)
_EVALUATIONS = flags.DEFINE_integer("evaluations", 5, "How many there are.", lower_bound=1)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Trainings of each.", lower_bound=1)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "As of main.py.")
_CSV = flags.DEFINE_string("csv", None, "Where the rows are added; unset: nowhere.")
_WIDTH = flags.DEFINE_float("width", 1, "Factor of the filters of resnet20 and vgg16.", 0.05)
_THREADS = flags.DEFINE_integer("threads", 1, "Of an operation, in both.", lower_bound=1)


class Block(nn.Module):
    """Two convolutions and the shortcut around them."""

    def __init__(self, given: int, filters: int, stride: int):
        super().__init__()
        self.residual = nn.Sequential(
            *convolution(given, filters, stride), nn.ReLU(), *convolution(filters, filters, 1)
        )
        wider = given != filters
        self.shortcut = nn.Sequential(*convolution(given, filters, stride, 1)) if wider else None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        shortcut = features if self.shortcut is None else self.shortcut(features)
        return functional.relu(self.residual(features) + shortcut)


def convolution(given: int, filters: int, stride: int, size: int = 3) -> list[nn.Module]:
    conv = nn.Conv2d(given, filters, size, stride, padding=size // 2, bias=False)
    return [conv, nn.BatchNorm2d(filters)]


def build(name: str) -> nn.Module:
    if name == "lenet":
        return nn.Sequential(
            *(nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU()),
            nn.Linear(100, 10),
        )
    layers: list[nn.Module] = []
    if name == "conv4":
        given = 3
        for filters in (64, 128):
            for _ in range(2):
                layers += [nn.Conv2d(given, filters, 3, padding=1), nn.ReLU()]
                given = filters
            layers.append(nn.MaxPool2d(2))
        for inputs, outputs in ((128 * 64, 256), (256, 256)):
            layers += [*([nn.Flatten()] if inputs != 256 else []), nn.Linear(inputs, outputs)]
            layers.append(nn.ReLU())
        return nn.Sequential(*layers, nn.Linear(256, 10))
    given, narrowest = 3, round((16 if name == "resnet20" else 64) * _WIDTH.value)
    if name == "resnet20":
        layers, given = [*convolution(3, narrowest, 1), nn.ReLU()], narrowest
        for stage, filters in enumerate(narrowest * multiple for multiple in (1, 2, 4)):
            for number in range(3):
                layers.append(Block(given, filters, 2 if stage and not number else 1))
                given = filters
    else:
        for stage, (multiple, count) in enumerate(
            zip((1, 2, 4, 8, 8), (2, 2, 3, 3, 3), strict=True)
        ):
            filters = narrowest * multiple
            layers += [nn.MaxPool2d(2)] if stage else []
            for _ in range(count):
                layers += [*convolution(given, filters, 1), nn.ReLU()]
                given = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(given, 10))


def draw_weights(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def train_in_pytorch(name: str, flag_values: dict, data: Dataset, seed: int) -> dict[int, float]:
    """Test accuracy by iteration."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    mean, variance = (
        np.array(values, np.float32)[:, None, None] for values in data.pixel_statistics()
    )

    def standardised(images: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((images.transpose(0, 3, 1, 2) - mean) / np.sqrt(variance))

    images, labels = data.train.images, torch.from_numpy(data.train.labels.astype(np.int64))
    network = build(name)
    draw_weights(network)
    rate = flag_values["learning_rate"]
    optimizer = (
        torch.optim.Adam(network.parameters(), rate)
        if flag_values["optimizer"] == "adam"
        else torch.optim.SGD(
            network.parameters(),
            rate,
            momentum=flag_values["momentum"],
            weight_decay=flag_values["weight_decay"],
        )
    )
    batch, shift = flag_values["batch_size"], flag_values.get("shift_crop", 0)
    accuracies, order = {}, np.array([], int)
    network.train()
    for iteration in range(1, _ITERATIONS.value + 1):
        if len(order) < batch:
            order = random.permutation(len(images))
        rows, order = order[:batch], order[batch:]
        pixels = standardised(images[rows])
        if shift:
            pixels = augmented(pixels, shift, random)
        optimizer.zero_grad()
        functional.cross_entropy(network(pixels), labels[rows]).backward()
        optimizer.step()
        if iteration % (_ITERATIONS.value // _EVALUATIONS.value) == 0:
            network.eval()
            hits = 0
            with torch.no_grad():
                for start in range(0, len(data.test), _EVALUATION_BATCH):
                    part = slice(start, start + _EVALUATION_BATCH)
                    found = network(standardised(data.test.images[part])).argmax(1).numpy()
                    hits += int((found == data.test.labels[part]).sum())
            accuracies[iteration] = hits / len(data.test)
            network.train()
    return accuracies


def augmented(pixels: torch.Tensor, shift: int, random: np.random.Generator) -> torch.Tensor:
    """Shifted by up to so many pixels each way, half of them mirrored."""
    padded = functional.pad(pixels, (shift,) * 4)
    height, width = pixels.shape[2:]
    changed = []
    for image, (down, right, flip) in zip(
        padded, random.integers(0, (2 * shift + 1, 2 * shift + 1, 2), (len(pixels), 3)), strict=True
    ):
        crop = image[:, down : down + height, right : right + width]
        changed.append(crop.flip(2) if flip else crop)
    return torch.stack(changed)


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
    train = {
        "tf_lottery": lambda seed: train_here(flag_values, seed),
        "PyTorch": lambda seed: train_in_pytorch(name, flag_values, data, seed),
    }
    curves: dict[str, list[dict[int, float]]] = {framework: [] for framework in train}
    for seed in range(1, _SEEDS.value + 1):
        for framework, train_one in train.items():
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
