"""The papers' networks and recipes in PyTorch, by our choices or the reference implementation's.

Nothing of tf_lottery trains here; `pytorch_recipes.py` and `reference_choices.py` use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tf_lottery.data import Dataset

_EVALUATION_BATCH = 500
_IMAGENET = np.array([0.485, 0.456, 0.406]) * 255, (np.array([0.229, 0.224, 0.225]) * 255) ** 2


@dataclass(frozen=True)
class Choices:
    """What the reference implementation (facebookresearch/open_lth) does otherwise than we do.

    Attributes:
      normalization_scale: scales of batch normalization are drawn between 0 and 1, and not 1.
      initialization: kernels are drawn by He and biases of Dense layers as PyTorch does, and not by
        Glorot and 0.
      pixels: have ImageNet's mean and deviation taken off, and not those of the training set.
      border: a shift leaves black pixels, and not mean ones.
      padding: convolutions of stride 2 pad all sides, and not the right and the bottom alone.
      weight_decay: acts on all weights, and not on kernels alone.
      last_batch: of an epoch is trained on though it is incomplete, and not dropped.
      warmup: begins with a rate of 0, and not with that of its first step.
    """

    normalization_scale: bool = False
    initialization: bool = False
    pixels: bool = False
    border: bool = False
    padding: bool = False
    weight_decay: bool = False
    last_batch: bool = False
    warmup: bool = False


class Block(nn.Module):
    """Two convolutions and the shortcut around them."""

    def __init__(self, given: int, filters: int, stride: int, *, symmetric: bool):
        super().__init__()
        convolve = partial(convolution, symmetric=symmetric)
        self.residual = nn.Sequential(
            *convolve(given, filters, stride), nn.ReLU(), *convolve(filters, filters, 1)
        )
        wider = given != filters
        self.shortcut = nn.Sequential(*convolve(given, filters, stride, 1)) if wider else None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        shortcut = features if self.shortcut is None else self.shortcut(features)
        return functional.relu(self.residual(features) + shortcut)


def convolution(
    given: int, filters: int, stride: int, size: int = 3, *, symmetric: bool = True
) -> list[nn.Module]:
    """A convolution that keeps the size, or halves an even one, and its normalization.

    Without `symmetric` one of stride 2 pads as TensorFlow's "same" does.
    """
    layers: list[nn.Module] = []
    padding = size // 2
    if stride == 2 and not symmetric:
        layers, padding = [nn.ZeroPad2d((0, size - 2, 0, size - 2))] if size > 2 else [], 0
    conv = nn.Conv2d(given, filters, size, stride, padding=padding, bias=False)
    return [*layers, conv, nn.BatchNorm2d(filters)]


def build(name: str, width: float = 1, *, symmetric: bool = True) -> nn.Module:
    """The network "lenet", "conv4", "resnet20" or "vgg16", the last two `width` times as wide."""
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
    given, narrowest = 3, round((16 if name == "resnet20" else 64) * width)
    if name == "resnet20":
        layers, given = [*convolution(3, narrowest, 1), nn.ReLU()], narrowest
        for stage, filters in enumerate(narrowest * multiple for multiple in (1, 2, 4)):
            for number in range(3):
                stride = 2 if stage and not number else 1
                layers.append(Block(given, filters, stride, symmetric=symmetric))
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


def draw_weights(network: nn.Module, choices: Choices) -> None:
    """Draws all weights; with a seed set, kernels of all choices differ in their scale alone."""
    draw = nn.init.kaiming_normal_ if choices.initialization else nn.init.xavier_normal_
    layers = list(network.modules())
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            draw(layer.weight)
            if layer.bias is not None and not choices.initialization:
                nn.init.zeros_(layer.bias)
    if choices.normalization_scale:
        for layer in layers:
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.uniform_(layer.weight)


def optimizer_of(network: nn.Module, recipe: Mapping, choices: Choices) -> torch.optim.Optimizer:
    if recipe["optimizer"] == "adam":
        return torch.optim.Adam(network.parameters(), recipe["learning_rate"])
    kernels = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim == 1]
    decay = recipe["weight_decay"]
    groups = [
        {"params": kernels, "weight_decay": decay},
        {"params": others, "weight_decay": decay if choices.weight_decay else 0.0},
    ]
    return torch.optim.SGD(groups, recipe["learning_rate"], momentum=recipe["momentum"])


def train(
    name: str,
    recipe: Mapping,
    data: Dataset,
    seed: int,
    *,
    iterations: int,
    evaluations: int,
    choices: Choices,
    width: float = 1,
    warmup: int = 0,
) -> dict[int, float]:
    """Trains a network at a constant rate, after a linear warmup.

    Args:
      name: as of `build`.
      recipe: values of flags.
      data: has images of bytes.
      seed: draws weights, order and augmentation; trainings of one seed draw alike.
      iterations: length of training.
      evaluations: how many there are, evenly.
      choices: of what the reference implementation does otherwise.
      width: as of `build`.
      warmup: iterations.

    Returns:
      Test accuracy by iteration.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    mean, variance = (
        np.array(values, np.float32)[:, None, None]
        for values in (_IMAGENET if choices.pixels else data.pixel_statistics())
    )

    def standardised(images: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((images.transpose(0, 3, 1, 2) - mean) / np.sqrt(variance))

    black = standardised(np.zeros_like(data.train.images[:1])) if choices.border else 0
    images, labels = data.train.images, torch.from_numpy(data.train.labels.astype(np.int64))
    network = build(name, width, symmetric=choices.padding)
    draw_weights(network, choices)
    # A quarter faster on a CPU.
    network = network.to(memory_format=torch.channels_last)
    optimizer = optimizer_of(network, recipe, choices)
    batch, shift = recipe["batch_size"], recipe.get("shift_crop", 0)
    smallest = 1 if choices.last_batch else batch
    accuracies, order = {}, np.array([], int)
    network.train()
    for iteration in range(1, iterations + 1):
        if len(order) < smallest:
            order = random.permutation(len(images))
        rows, order = order[:batch], order[batch:]
        pixels = standardised(images[rows])
        if shift:
            # The border is 0, so what is to be there is taken off before.
            pixels = augmented(pixels - black, shift, random) + black
        if warmup:
            done = iteration - 1 if choices.warmup else iteration
            for group in optimizer.param_groups:
                group["lr"] = recipe["learning_rate"] * min(1, done / warmup)
        optimizer.zero_grad()
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        functional.cross_entropy(network(pixels), labels[rows]).backward()
        optimizer.step()
        if iteration % (iterations // evaluations) == 0:
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
