"""--experiment=curvature: how flat a level's solution is, and how much that lets be pruned."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.data import Split
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.landscape.hessian import LossAtWeights
from tf_lottery.landscape.lanczos import spectral_density, top_eigenvalues, trace
from tf_lottery.landscape.pruning_limit import (
    measured_pruning_ratio,
    one_shot_mask,
    predicted_pruning_ratio,
    pruning_scores,
    sharpness,
)
from tf_lottery.landscape.solutions import Solution
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.curvature_table import print_curvature
from tf_lottery.store.metrics import Row, read_csv, write_csv

_ORDERS = ("magnitude", "random")
_COLUMNS = (
    *("level", "density", "loss", "trace", "trace_standard_error", "largest_eigenvalue"),
    "sharpness_of_smallest",
    *(f"{kind}_ratio_{order}" for order in _ORDERS for kind in ("predicted", "measured")),
)
_DENSITY_PROBES, _DENSITY_STEPS, _TRACE_PROBES = 1, 40, 10
# The weights that the next level would prune, at the papers' rate.
_SMALLEST = 0.2


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Takes the curvature of the training loss at each level's solution (arXiv 2210.03044).

    Writes landscape/curvature....csv and, with the largest eigenvalues, eigenvalues....csv beside
    it in the run folder, a row per level. Levels that were measured before are not measured again.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to take; None: all that are finished.

    Raises:
      ValueError: if a level is not finished, or the training data are streamed.
    """
    train = analyzed.experiment.dataset.train
    if not isinstance(train, Split):
        raise ValueError("--experiment=curvature needs training data that are held in memory.")
    levels = analyzed.levels(levels)
    settings = (
        f",{options.curvature_examples},{options.loss_rise:g},{options.curvature_seed}"
        f",{options.eigenvalues}"
    )
    path = analyzed.folder / f"curvature{settings}.csv"
    eigenvalues_path = analyzed.folder / f"eigenvalues{settings}.csv"
    eigenvalue_columns = ["level", *(f"eigenvalue_{n}" for n in range(1, options.eigenvalues + 1))]
    known = _read(eigenvalues_path, eigenvalue_columns)
    rows = {level: row for level, row in _read(path, _COLUMNS).items() if level in known}
    random = np.random.Generator(np.random.Philox(options.curvature_seed))
    chosen = np.sort(random.permutation(len(train))[: options.curvature_examples])
    missing = [level for level in levels if level not in rows]
    with CountingProgress("levels", len(missing)) as progress:
        for level in missing:
            solution = analyzed.level(level)
            loss = LossAtWeights(
                analyzed.experiment.network.model,
                train.images[chosen],
                train.labels[chosen],
                solution.mask,
            )
            rows[level], known[level] = _measure(loss, solution, level, options)
            write_csv(path, _COLUMNS, [rows[number] for number in sorted(rows)])
            ordered = [known[number] for number in sorted(known)]
            write_csv(eigenvalues_path, eigenvalue_columns, ordered)
            progress.advance()
    print_curvature([rows[level] for level in levels], options.loss_rise)
    print(f"Curvature: {path}")


def _measure(
    loss: LossAtWeights, solution: Solution, level: int, options: AnalysisConfig
) -> tuple[Row, Row]:
    random = np.random.Generator(np.random.Philox([options.curvature_seed, level]))
    weights, mask = solution.weights, solution.mask
    product, dimension = loss.hessian(weights), loss.coordinates.dimension
    top = top_eigenvalues(product, dimension, min(options.eigenvalues, dimension), random=random)
    spectrum = spectral_density(product, dimension, _DENSITY_PROBES, _DENSITY_STEPS, random)
    spectrum = spectrum.with_top(top.values)
    mean, error = trace(product, dimension, _TRACE_PROBES, random)
    row = {
        "level": level,
        "density": mask.density,
        "loss": loss.loss(weights),
        "trace": mean,
        "trace_standard_error": error,
        "largest_eigenvalue": top.values[0],
        "sharpness_of_smallest": _sharpness_of_smallest(loss, product, solution),
    }
    vector = loss.coordinates.vector(weights)
    for order in _ORDERS:
        row[f"predicted_ratio_{order}"] = predicted_pruning_ratio(
            spectrum, vector, options.loss_rise, order
        )
        row[f"measured_ratio_{order}"] = measured_pruning_ratio(
            loss.loss, weights, mask, options.loss_rise, order, random
        )
    values = {f"eigenvalue_{n}": value for n, value in enumerate(top.values, 1)}
    return row, {"level": level, **values}


def _sharpness_of_smallest(
    loss: LossAtWeights, product: Callable[[np.ndarray], np.ndarray], solution: Solution
) -> float:
    """Curvature along the step that pruning the smallest weights would make; NaN for no step."""
    scores = pruning_scores(solution.weights, solution.mask, "magnitude")
    kept = one_shot_mask(scores, solution.mask, round(_SMALLEST * solution.mask.remaining))
    vector = loss.coordinates.vector
    step = vector(kept.apply(solution.weights)) - vector(solution.weights)
    return sharpness(product, step) if step.any() else float("nan")


def _read(path: Path, columns: Sequence[str]) -> dict[int, Row]:
    rows = read_csv(path, columns) if path.exists() else []
    return {row["level"]: row for row in rows}
