"""Compares what exported files compute, without tf_lottery, with what the network computes."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tf_lottery.exporting.formats import ExportFormat
from tf_lottery.exporting.plain_network import Arrays
from tf_lottery.exporting.serving import ServingError, answers, saved_inputs

# Other operations add up floats in another order: of how far the outputs are spread, and how many
# units in the last place of the largest.
_FLOAT_TOLERANCE, _ROUNDINGS = 1e-3, 32
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Verification:
    """How a file's outputs compare with the network's.

    Attributes:
      accuracies: as `accuracies_of` gives them.
      largest_difference: largest absolute difference to an output of the network.
    """

    accuracies: Mapping[str, float]
    largest_difference: float

    @property
    def accuracy(self) -> float | None:
        """The accuracy of the only output with labels; None if there is none, or several."""
        return only(self.accuracies)


def verify(
    files: Mapping[ExportFormat, Path],
    inputs: Arrays,
    expected: Arrays,
    labels: Arrays,
    thresholds: Mapping[str, float] = _NONE,
) -> dict[str, Verification | ServingError]:
    """Runs files in one fresh process that cannot import tf_lottery.

    Args:
      files: the file of each format.
      inputs: `[examples, ...]` by the name of the input.
      expected: the network's outputs for them, `[examples, ...]` by the name of the output.
      labels: class numbers `[examples]` by the name of the output; those that are known.
      thresholds: as in `accuracies_of`.

    Returns:
      By the name of the format, how the file compares; or an error, if it does not load or run, or
      its outputs differ in shape or, without quantization, by more than a thousandth of the
      largest output.
    """
    with tempfile.TemporaryDirectory() as folder:
        given = saved_inputs(inputs, Path(folder))
        jobs = [
            {
                "name": kind.name,
                "file": str(path),
                "runtime": kind.runtime,
                "inputs": given,
                "outputs": {
                    name: f"{folder}/{kind.name}-{number}.npy"
                    for number, name in enumerate(expected)
                },
            }
            for kind, path in files.items()
        ]
        results: dict[str, Verification | ServingError] = {}
        for kind, job, answer in zip(files, jobs, answers(jobs), strict=True):
            if isinstance(answer, ServingError):
                results[kind.name] = answer
                continue
            outputs = {name: np.load(path) for name, path in job["outputs"].items()}
            difference = _difference(kind, files[kind], outputs, expected)
            results[kind.name] = (
                difference
                if isinstance(difference, ServingError)
                else Verification(accuracies_of(outputs, labels, thresholds), difference)
            )
        return results


def accuracies_of(
    outputs: Arrays, labels: Arrays, thresholds: Mapping[str, float] = _NONE
) -> dict[str, float]:
    """Fractions of examples that are told right, by the name of each output with labels.

    Args:
      outputs: `[examples, classes]`, the largest of which tells the class; of those with a
        threshold `[examples, 1]` or `[examples]`, which tell class 1 where they are above it.
      labels: class numbers `[examples]`.
      thresholds: of some of the outputs.
    """

    def classes(name: str) -> np.ndarray:
        if name in thresholds:
            return outputs[name].reshape(-1) > thresholds[name]
        return outputs[name].argmax(axis=-1)

    return {name: float(np.mean(classes(name) == own)) for name, own in labels.items()}


def tolerance(outputs: np.ndarray) -> float:
    """By how much the same network computed otherwise may differ: its sums are rounded.

    Args:
      outputs: `[examples, ...]`. What counts is how far they are from their means over the
        examples, so that a large offset does not hide a file that computes the same for any input.
    """
    numbers = np.asarray(outputs, np.float64)
    means = numbers.mean(axis=0) if len(numbers) > 1 else 0.0
    spread = np.max(np.abs(numbers - means))
    rounding = _ROUNDINGS * np.finfo(np.float32).eps * np.max(np.abs(numbers))
    return float(max(_FLOAT_TOLERANCE * spread, rounding))


def only(accuracies: Mapping[str, float]) -> float | None:
    """The accuracy of the only output with labels; None if there is none, or several."""
    return next(iter(accuracies.values())) if len(accuracies) == 1 else None


def _difference(
    kind: ExportFormat, path: Path, outputs: Arrays, expected: Arrays
) -> float | ServingError:
    differences = []
    for name, wanted in expected.items():
        found = outputs[name]
        which = "outputs" if len(expected) == 1 else name
        if found.shape != wanted.shape:
            problem = f"computes {which} of shape {found.shape}, not {wanted.shape}"
            return ServingError(kind.name, path, problem)
        difference = float(np.max(np.abs(found.astype(np.float64) - wanted)))
        allowed = np.inf if kind.quantized else tolerance(wanted)
        # Written so that NaN is refused.
        if not (np.isfinite(difference) and difference <= allowed):
            problem = f"computes other {which} than the network: up to {difference:.3g} off"
            return ServingError(kind.name, path, problem)
        differences.append(difference)
    return max(differences)
