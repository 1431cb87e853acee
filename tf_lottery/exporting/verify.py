"""Compares what exported files compute, without tf_lottery, with what the network computes."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_lottery.exporting.formats import ExportFormat
from tf_lottery.exporting.serving import ServingError, answers

# Of the largest output: other operations add up floats in another order.
_FLOAT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Verification:
    """How a file's outputs compare with the network's.

    Attributes:
      accuracy: fraction of the examples whose largest output is that of the label; None without
        labels.
      largest_difference: largest absolute difference to an output of the network.
    """

    accuracy: float | None
    largest_difference: float


def verify(
    files: Mapping[ExportFormat, Path],
    inputs: np.ndarray,
    expected: np.ndarray,
    labels: np.ndarray | None = None,
) -> dict[str, Verification | ServingError]:
    """Runs files in one fresh process that cannot import tf_lottery.

    Args:
      files: the file of each format.
      inputs: `[examples, ...]`.
      expected: the network's outputs for them, `[examples, ...]`.
      labels: class numbers `[examples]`.

    Returns:
      By the name of the format, how the file compares; or an error, if it does not load or run, or
      its outputs differ in shape or, without quantization, by more than a thousandth of the
      largest output.
    """
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "inputs.npy", inputs)
        jobs = [
            {
                "name": kind.name,
                "file": str(path),
                "runtime": kind.runtime,
                "inputs": f"{folder}/inputs.npy",
                "outputs": f"{folder}/{kind.name}.npy",
            }
            for kind, path in files.items()
        ]
        results: dict[str, Verification | ServingError] = {}
        for (kind, path), answer in zip(files.items(), answers(jobs), strict=True):
            results[kind.name] = answer
            if not isinstance(answer, ServingError):
                outputs = np.load(f"{folder}/{kind.name}.npy")
                results[kind.name] = _compare(kind, path, outputs, expected, labels)
        return results


def accuracy_of(outputs: np.ndarray, labels: np.ndarray | None) -> float | None:
    """Fraction of examples whose largest output `[examples, classes]` is that of the label."""
    return None if labels is None else float(np.mean(outputs.argmax(axis=-1) == labels))


def _compare(
    kind: ExportFormat,
    path: Path,
    outputs: np.ndarray,
    expected: np.ndarray,
    labels: np.ndarray | None,
) -> Verification | ServingError:
    if outputs.shape != expected.shape:
        problem = f"computes outputs of shape {outputs.shape}, not {expected.shape}"
        return ServingError(kind.name, path, problem)
    difference = float(np.max(np.abs(outputs.astype(np.float64) - expected)))
    allowed = np.inf if kind.quantized else _FLOAT_TOLERANCE * float(np.max(np.abs(expected)))
    # Written so that NaN is refused.
    if not (np.isfinite(difference) and difference <= allowed):
        problem = f"computes other outputs than the network: up to {difference:.3g} off"
        return ServingError(kind.name, path, problem)
    return Verification(accuracy_of(outputs, labels), difference)
