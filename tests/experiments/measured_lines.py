"""Lines between solutions of a run, measured and read back."""

import csv
from pathlib import Path

import numpy as np

import tf_lottery
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.store.tensors import load_tensors

SETTINGS = "3_points__union__estimated__test"


def measure(run: Path, solutions: str, **options) -> None:
    run_analysis(run, "interpolate", solutions=solutions, **{"points": 3, **options})


def rows(path: Path) -> list[dict[str, float | None]]:
    with path.open() as file:
        return [
            {
                name: float(cell) if cell else None
                for name, cell in row.items()
                if name != "solutions"
            }
            for row in csv.DictReader(file)
        ]


def line(run: Path, ends: str, settings: str = SETTINGS) -> list[dict[str, float]]:
    (path,) = (run / "landscape" / "lines").glob(f"{ends}__{settings}.csv")
    return rows(path)


def recorded(level: Path) -> tuple[float, float]:
    """Test loss and error at the end of a level's training."""
    last = rows(level / "metrics.csv")[-1]
    return last["test_loss"], 1 - last["test_accuracy"]


def of_level(level: Path) -> tuple[dict[str, np.ndarray], tf_lottery.Mask]:
    return load_tensors(level / "weights"), tf_lottery.Mask.load(level / "masks.npz")
