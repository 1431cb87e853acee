"""--experiment=curvature: how flat a level's solution is, and how much that lets be pruned."""

from collections.abc import Callable, Sequence

import numpy as np

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.data import Split
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.experiments.analyses.retraining import Retraining
from tf_lottery.landscape.hessian import LossAtWeights
from tf_lottery.landscape.lanczos import spectral_density, top_eigenvalues, trace
from tf_lottery.landscape.pruning_limit import (
    Order,
    measured_pruning_ratio,
    one_shot_mask,
    predicted_pruning_ratio,
    pruning_scores,
    sharpness,
)
from tf_lottery.landscape.solutions import Solution, Weights
from tf_lottery.masking.masks import Mask
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.landscape.curvature_figure import (
    CURVATURE_COLUMNS,
    ORDERS,
    eigenvalue_column,
)
from tf_lottery.report.landscape.curvature_table import print_curvature
from tf_lottery.store.metrics import Row

_DENSITY_PROBES, _DENSITY_STEPS, _TRACE_PROBES = 1, 40, 10
_RANDOM_DIRECTIONS = 5
# Of the weights, which the next level would prune at the papers' rate.
_FIFTH = 0.2


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Takes the curvature of the training loss at each level's solution (arXiv 2210.03044).

    Writes landscape/curvature__SETTINGS.csv in the run folder, a row per level, and figures. Levels
    that were measured before are not measured again.

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
        *(options.curvature_examples, options.loss_rise),
        *(options.curvature_seed, options.eigenvalues),
        f"{options.retrain_steps}it",
        options.retrain_learning_rate or "last_rate",
    )
    retraining = Retraining(analyzed.experiment, options) if options.retrain_steps else None
    eigenvalues = [eigenvalue_column(rank) for rank in range(1, options.eigenvalues + 1)]
    results = ResultsFile(analyzed, "curvature", [*CURVATURE_COLUMNS, *eigenvalues], settings)
    rows = {row["level"]: row for row in results.read()}
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
            rows[level] = _measure(loss, solution, level, options, retraining)
            results.write(rows[number] for number in sorted(rows))
            progress.advance()
    print_curvature([rows[level] for level in levels], options.loss_rise, options.retrain_steps)
    results.draw(rows[level] for level in levels)
    print(f"Curvature: {results.path}")


def _measure(
    loss: LossAtWeights,
    solution: Solution,
    level: int,
    options: AnalysisConfig,
    retraining: Retraining | None,
) -> Row:
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
        "loss_rise": options.loss_rise,
        "trace": mean,
        "trace_standard_error": error,
        "largest_eigenvalue": top.values[0],
        "sharpness_of_smallest": _sharpness_of_pruning(loss, product, solution, "magnitude"),
        "sharpness_of_random": np.mean(
            [
                _sharpness_of_pruning(loss, product, solution, "random", random)
                for _ in range(_RANDOM_DIRECTIONS)
            ]
        ),
    }

    def retrain(start: Weights, kept: Mask, limit: float) -> bool:
        return retraining(start, kept, lambda now: loss.loss(now) <= limit, level)

    vector = loss.coordinates.vector(weights)
    for order in ORDERS:
        row[f"predicted_ratio_{order}"] = predicted_pruning_ratio(
            spectrum, vector, options.loss_rise, order
        )
        for name, trained in (("measured", None), ("retrained", retraining and retrain)):
            # The same random order for both.
            same = np.random.Generator(np.random.Philox([options.curvature_seed, level, 1]))
            row[f"{name}_ratio_{order}"] = (
                measured_pruning_ratio(
                    loss.loss, weights, mask, options.loss_rise, order, same, retrain=trained
                )
                if trained or name == "measured"
                else np.nan
            )
    return row | {eigenvalue_column(rank): value for rank, value in enumerate(top.values, 1)}


def _sharpness_of_pruning(
    loss: LossAtWeights,
    product: Callable[[np.ndarray], np.ndarray],
    solution: Solution,
    order: Order,
    random: np.random.Generator | None = None,
) -> float:
    """Curvature along the step that pruning a fifth of the weights would make; NaN for no step."""
    scores = pruning_scores(solution.weights, solution.mask, order, random)
    kept = one_shot_mask(scores, solution.mask, round(_FIFTH * solution.mask.remaining))
    vector = loss.coordinates.vector
    step = vector(kept.apply(solution.weights)) - vector(solution.weights)
    return sharpness(product, step) if step.any() else float("nan")
