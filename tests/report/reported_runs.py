"""Run folders with levels, metrics and layers, as a report reads them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.report import runs_on_disk
from tests.report.runs_on_disk import details_of, write_rewind
from tf_lottery.store.csv_files import write_csv
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import METRICS_COLUMNS, LevelSummary
from tf_lottery.store.tensors import tensor_files

WEIGHTS = 1000
IDENTITY = {"dataset": "digits", "model": "lenet_300_100", "levels": 2, "learning_rate": 0.1}
DETAILS = runs_on_disk.DETAILS | {"steps_per_epoch": 10, "train_steps": 40, "levels": 2}


def write_replicate(
    path: Path,
    accuracies: Mapping[int, float | None] | Sequence[float | None] = (),
    *,
    identity: Mapping | None = None,
    details: Mapping | None = None,
    early: Mapping[int, tuple[int, float]] | None = None,
    layers: bool = True,
    empty: Mapping[int, Sequence[str]] | None = None,
    curves: Mapping[int, Sequence[float]] | None = None,
    in_training: Mapping[int, Sequence[float]] | None = None,
) -> Path:
    """Makes a run folder with levels of density 0.8**level.

    Args:
      path: the folder.
      accuracies: test accuracy of each complete level; in a mapping, by level.
      identity: more of the flags.
      details: more than `DETAILS`.
      early: iteration and accuracy of early stopping, by level.
      layers: whether the levels record their layers.
      empty: names of kernels that have no weight left, by level.
      curves: accuracies at every tenth iteration from 0, by level; else a rise to the final one.
      in_training: the same of levels that are not complete.

    Returns:
      The folder.
    """
    if not isinstance(accuracies, Mapping):
        accuracies = dict(enumerate(accuracies))
    identity = {**IDENTITY, **(identity or {})}
    with RunFolder.open(path, identity, details_of({**DETAILS, **(details or {})}), "") as run:
        for level, accuracy in accuracies.items():
            write_rewind(run)
            curve = (curves or {}).get(level, [0.1, 0.5, accuracy])
            step, early_accuracy = (early or {}).get(level, (None, None))
            shares = _shares(level, (empty or {}).get(level, ())) if layers else None
            _complete(run.level(level), level, accuracy, step, early_accuracy, curve, shares)
        for level, curve in (in_training or {}).items():
            run.level(level).path.mkdir()
            write_metrics(run.level(level), curve)
    return path


def write_branch(run: Path, label: str, accuracies: Mapping[int, float], **options) -> Path:
    """Makes a branch of a run folder; the options are those of `write_replicate`."""
    method = label.split("-")[0]
    options["identity"] = {"branch": method} | dict(options.get("identity") or {})
    options["details"] = {"branch_levels": list(accuracies)} | dict(options.get("details") or {})
    return write_replicate(run / "branches" / label, accuracies, **options)


def write_metrics(folder: LevelFolder, curve: Sequence[float | None]) -> None:
    """Writes test accuracies at every tenth iteration from 0."""
    rows = ({"step": 10 * at, "test_accuracy": value} for at, value in enumerate(curve))
    write_csv(folder.metrics_path, METRICS_COLUMNS, rows)


def _complete(
    folder: LevelFolder,
    level: int,
    accuracy: float | None,
    early_stop_step: int | None,
    early_stop_accuracy: float | None,
    curve: Sequence[float | None],
    shares: Mapping[str, Sequence[int]] | None,
) -> None:
    folder.path.mkdir()
    for file in (folder.masks_path, *tensor_files(folder.weights_prefix)):
        file.write_bytes(b"0")
    write_metrics(folder, curve)
    remaining = round(WEIGHTS * 0.8**level)
    summary = LevelSummary(
        level=level,
        density=0.8**level,
        weights_remaining=remaining,
        test_accuracy=accuracy,
        test_loss=0.25,
        early_stop_step=early_stop_step,
        early_stop_test_accuracy=early_stop_accuracy,
        seconds=12.5,
    )
    folder.complete({**summary.numbers(), **({"layers": shares} if shares else {})})


def _shares(level: int, empty: Sequence[str]) -> dict[str, list[int]]:
    """Remaining and all weights of two kernels."""
    first = round(0.9 * WEIGHTS * 0.75**level)
    remaining = {"dense/kernel": first, "dense_1/kernel": round(WEIGHTS * 0.8**level) - first}
    remaining |= dict.fromkeys(empty, 0)
    return {
        name: [remaining[name], total] for name, total in zip(remaining, (900, 100), strict=True)
    }
