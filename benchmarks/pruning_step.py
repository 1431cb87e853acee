"""Seconds and memory of what happens between two trainings of ResNet-50.

    python benchmarks/pruning_step.py [--rounds=7] [--level=1]

25.5 million prunable weights in 54 arrays, pruned globally from the level before to the given one.
Memory is the peak of the process beyond what it held before a part, in copies of those weights as
float32. It is read from /proc, so this needs Linux.
"""

import argparse
import ctypes
import gc
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow would otherwise keep what it has freed, and the next part would seem to need nothing.
os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")

import numpy as np
import tf_keras as keras
from pairs import time_call

import tf_lottery
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, set_mask
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.pruning.scores.magnitudes import magnitude
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.seal import seal, verify_seal
from tf_lottery.store.tensors import load_tensors, save_tensors, tensor_files
from tf_lottery.training.network import Network, set_weights

_M_MMAP_THRESHOLD = -3
_libc = ctypes.CDLL("libc.so.6")


class PruningStep:
    """A search of ResNet-50 between two levels, with its files in a folder."""

    def __init__(self, folder: Path, level: int):
        """Trains nothing: the weights are the initial ones, pruned to the level before."""
        model = tf_lottery.prunable(keras.applications.ResNet50(weights=None))
        self.network = Network(model, keras.optimizers.SGD(0.1, momentum=0.9))
        self.plan, self.level = pruning_plan(model, 0.2, "global"), level
        self.mask = get_mask(model)
        if level > 1:
            scores = magnitude(self.network.weights(), self.mask)
            self.mask = self.plan.prune(scores, self.mask, level - 1)
        set_mask(model, self.mask)
        self.weights = self.network.weights()
        self.folder, self.prefix = folder, folder / "weights"
        self.new_mask = self.plan.prune(magnitude(self.weights, self.mask), self.mask, level)
        self.write_mask("old.npz", self.mask)
        self.write_weights()
        self.seal_weights()

    def read_mask(self) -> Mask:
        verify_seal(self.folder, name="old.npz.json")
        return Mask.load(self.folder / "old.npz")

    def score(self) -> dict[str, np.ndarray]:
        return magnitude(self.weights, self.mask)

    def prune(self) -> Mask:
        return self.plan.prune(self.score(), self.mask, self.level)

    def prune_network(self) -> Mask:
        return self.plan.prune(magnitude(self.network.weights(), self.mask), self.mask, self.level)

    def prune_files(self) -> Mask:
        return self.plan.prune(magnitude(self.read_weights(), self.mask), self.mask, self.level)

    def mask_model(self) -> None:
        set_mask(self.network.model, self.new_mask)

    def write_mask(self, name: str = "new.npz", mask: Mask | None = None) -> None:
        with atomic_path(self.folder / name) as path:
            (self.new_mask if mask is None else mask).save(path)
        seal(self.folder, [name], {}, f"{name}.json")

    def whole(self) -> None:
        """From the old masks.npz to the new one, reading the trained weights too."""
        mask = self.read_mask()
        weights = self.read_weights()
        new_mask = self.plan.prune(magnitude(weights, mask), mask, self.level)
        set_mask(self.network.model, new_mask)
        self.write_mask(mask=new_mask)

    def verify_weights(self) -> None:
        verify_seal(self.folder, name="weights.json")

    def read_weights(self) -> dict[str, np.ndarray]:
        return load_tensors(self.prefix)

    def set_weights(self) -> None:
        set_weights(self.network.model, self.weights, self.new_mask)

    def write_weights(self) -> None:
        save_tensors(self.prefix, self.weights)

    def seal_weights(self) -> None:
        seal(self.folder, [file.name for file in tensor_files(self.prefix)], {}, "weights.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--level", type=int, default=1)
    arguments = parser.parse_args()
    # While memory is measured, the C library gives back what is freed at once. It would keep it,
    # and later arrays would seem to need nothing if they fit there, and too much if they do not.
    _libc.mallopt(_M_MMAP_THRESHOLD, 1 << 16)
    with tempfile.TemporaryDirectory() as folder:
        step = PruningStep(Path(folder), arguments.level)
        parts = tables(step)
        peaks = {name: extra_memory(run) for table in parts.values() for name, run in table.items()}
        _libc.mallopt(_M_MMAP_THRESHOLD, 1 << 25)
        print(f"\n{step.mask.total} weights in {len(step.mask)} arrays, level {arguments.level}")
        for title, table in parts.items():
            print(title)
            for name, run in table.items():
                run()
                seconds = [time_call(run) for _ in range(arguments.rounds)]
                print(
                    f"  {name:<34} {statistics.median(seconds):7.3f} s (from {min(seconds):.3f})   "
                    f"{peaks[name] / (4 * step.mask.total):5.2f} copies"
                )


def tables(step: PruningStep) -> dict[str, dict[str, Callable[[], object]]]:
    def partition() -> np.ndarray:
        everything = np.concatenate([step.weights[name].ravel() for name in step.mask])
        everything.partition(len(everything) // 5)
        return everything

    return {
        "for comparison": {"np.partition of all weights": partition},
        "the masks": {
            "verify and read masks.npz": step.read_mask,
            "score": step.score,
            "score and prune": step.prune,
            "the same, from the variables": step.prune_network,
            "the same, from the files": step.prune_files,
            "set the model's masks": step.mask_model,
            "write and seal masks.npz": step.write_mask,
            "all, with reading the weights": step.whole,
        },
        "the weights": {
            "verify the weights' files (sha256)": step.verify_weights,
            "read the weights": step.read_weights,
            "set the model's weights and masks": step.set_weights,
            "get the model's weights": step.network.weights,
            "write the weights": step.write_weights,
            "seal the weights (sha256)": step.seal_weights,
        },
    }


def extra_memory(run: Callable[[], object]) -> int:
    """Bytes of the process at the peak of a second call beyond those before it."""
    run()
    gc.collect()
    _libc.malloc_trim(0)
    # Sets the peak, VmHWM, back to the present.
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    run()
    return memory("VmHWM") - before


def memory(field: str) -> int:
    """Bytes of this process: VmRSS, those now in memory, or VmHWM, their peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
