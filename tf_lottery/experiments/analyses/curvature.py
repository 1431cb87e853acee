"""--experiment=curvature: how flat a level's solution is, and how much that lets be pruned."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.config.options import at_least, between, check_options, option, positive
from tf_lottery.config.pruning import NOMINAL_RATE
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.landscape.pruning_limit import (
    Order,
    Retrain,
    measured_pruning_ratio,
    one_shot_mask,
    predicted_pruning_ratio,
    pruning_scores,
    sharpness,
)
from tf_lottery.landscape.solutions import Solution
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.report.landscape.curvature import curvature_figures, print_curvature
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import (
    CURVATURE_COLUMNS,
    EIGENVALUE,
    ORDERS,
    prediction_error_column,
    ratio_column,
)

if TYPE_CHECKING:  # They import TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
    from tf_lottery.experiments.measuring.retraining import Retrainer
    from tf_lottery.landscape.hessian import LossAtWeights
    from tf_lottery.landscape.spectrum import EstimatedSpectrum

# The prediction depends on eigenvalues near 0, thousands of times smaller than the largest: of
# LeNet-300-100 on the digits, 40 steps are wrong by two points, 160 by a tenth.
_DENSITY_PROBES, _DENSITY_STEPS, _TRACE_PROBES = 4, 160, 10
_RANDOM_DIRECTIONS = 5
# Of a level, for its progress: the largest eigenvalues, each probe, what else the Hessian gives,
# and two pruning ratios by each order.
_PARTS = 1 + _DENSITY_PROBES + 1 + 2 * len(ORDERS)


@dataclass(frozen=True)
class Options:
    """What the curvature depends on besides the run."""

    curvature_examples: int = option(
        10_000,
        "Training examples whose loss --experiment=curvature takes; all, if there are fewer.",
        within=at_least(1),
    )
    eigenvalues: int = option(
        10,
        "Largest eigenvalues of the Hessian that --experiment=curvature finds.",
        within=between(1, 100),
    )
    loss_rise: float = option(
        0.1,
        "Rise of the training loss, in nats, within which a pruning is to stay for "
        "--experiment=curvature.",
        within=positive(),
    )
    retrain_steps: int = option(
        1000,
        "Steps in which --experiment=curvature trains what a pruning leaves, to see whether the "
        "loss comes back; 0: none.",
        within=at_least(0),
    )
    retrain_learning_rate: float | None = option(
        None,
        "Learning rate of --retrain_steps; unset: the last one of training, if the schedule does "
        "not end near 0.",
        within=positive("use a positive number, or leave it out"),
    )
    curvature_seed: int = option(
        0,
        "Draws the examples and the random vectors of --experiment=curvature.",
        within=at_least(0),
    )

    def __post_init__(self):
        check_options(self)

    def random(self, *stream: int) -> np.random.Generator:
        """Random numbers of a stream of the seed."""
        return np.random.Generator(np.random.Philox([self.curvature_seed, *stream]))


@register_analysis(
    ResultFile(
        "curvature",
        (
            *("{}_examples", "loss_rise_{}", "seed_{}", "{}_eigenvalues"),
            *("retrained_{}", "at_{}"),
        ),
        curvature_figures,
    ),
    place=7,
)
def curvature(run: MeasuredRun, levels: Sequence[int] | None, *, options: Options) -> Rows:
    """Takes the curvature of the training loss at each level's solution (arXiv 2210.03044).

    Writes landscape/curvature__SETTINGS.csv in the run folder, a row per level, and figures. Levels
    that were measured before are not measured again, except where an earlier version gave its
    predictions no error.

    Raises:
      ValueError: if a level is not finished, or the training data are streamed.
    """
    eigenvalues = (f"{EIGENVALUE}{rank}" for rank in range(1, options.eigenvalues + 1))
    return Rows(
        run.levels(levels),
        (*CURVATURE_COLUMNS, *eigenvalues),
        partial(_measure, options=options),
        partial(print_curvature, loss_rise=options.loss_rise, retrain_steps=options.retrain_steps),
        (
            *(options.curvature_examples, options.loss_rise),
            *(options.curvature_seed, options.eigenvalues),
            f"{options.retrain_steps}it",
            options.retrain_learning_rate or "last_rate",
        ),
        # Predictions of earlier versions, from fewer steps, have no error beside them.
        holds=lambda row: row[prediction_error_column(ORDERS[0])] is not None,
    )


def _measure(analyzed: "AnalyzedRun", missing: Sequence[int], options: Options) -> Iterator[Row]:
    from tf_lottery.data import Split
    from tf_lottery.experiments.measuring.retraining import Retrainer
    from tf_lottery.landscape.hessian import LossAtWeights

    experiment = analyzed.experiment
    train, steps = experiment.dataset.train, options.retrain_steps
    if not isinstance(train, Split):
        raise ValueError("--experiment=curvature needs training data that are held in memory.")
    retraining = Retrainer(experiment, steps, options.retrain_learning_rate) if steps else None
    random = np.random.Generator(np.random.Philox(options.curvature_seed))
    chosen = np.sort(random.permutation(len(train))[: options.curvature_examples])
    with CountingProgress("parts of levels", len(missing) * _PARTS) as progress:
        for place, level in enumerate(missing, 1):
            solution = analyzed.level(level)
            loss = LossAtWeights(
                experiment.network.model, train.images[chosen], train.labels[chosen], solution.mask
            )
            of_hessian, spectrum = _curvature(loss, solution, level, options, progress)
            ratios = _ratios(loss, solution, level, spectrum, options, retraining, progress)
            yield {"level": level, "density": solution.mask.density} | of_hessian | ratios
            # There are fewer of a small network, whose spectrum has no probes.
            progress.reach(place * _PARTS)


def _curvature(
    loss: "LossAtWeights",
    solution: Solution,
    level: int,
    options: Options,
    progress: CountingProgress,
) -> tuple[Row, "EstimatedSpectrum"]:
    """What a row says of the Hessian, and the Hessian's spectrum."""
    from tf_lottery.landscape.lanczos import estimated_spectrum, top_eigenvalues, trace

    random = options.random(level)
    of_hessian, dimension = loss.hessian(solution.weights), loss.coordinates.dimension

    def product(direction: np.ndarray) -> np.ndarray:
        progress.step("products of the Hessian")
        return of_hessian(direction)

    top = top_eigenvalues(product, dimension, min(options.eigenvalues, dimension), random=random)
    progress.advance()
    spectrum = estimated_spectrum(
        product, dimension, _DENSITY_PROBES, _DENSITY_STEPS, random, progress.advance
    )
    mean, error = trace(product, dimension, _TRACE_PROBES, random)
    row = {
        "loss": loss.loss(solution.weights),
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
    progress.advance()
    # With None for those that a network of fewer weights does not have.
    ranked = zip_longest(range(1, options.eigenvalues + 1), top.values)
    row |= {f"{EIGENVALUE}{rank}": value for rank, value in ranked}
    return row, spectrum.with_top(top.values)


def _ratios(
    loss: "LossAtWeights",
    solution: Solution,
    level: int,
    spectrum: "EstimatedSpectrum",
    options: Options,
    retraining: "Retrainer | None",
    progress: CountingProgress,
) -> Row:
    """What a row says of how much can be pruned."""

    def ratio(order: Order, retrain: Retrain | None = None) -> float:
        # The same random order with and without retraining.
        random = options.random(level, 1)
        found = measured_pruning_ratio(
            *(loss.loss, solution.weights, solution.mask, options.loss_rise, order, random),
            retrain=retrain,
        )
        progress.advance()
        return found

    def loss_comes_back(start: Weights, kept: Mask, limit: float) -> bool:
        assert retraining is not None, "without it, nothing is trained on"
        progress.step("retrainings")
        return retraining(start, kept, lambda now: loss.loss(now) <= limit, level)

    vector, row = loss.coordinates.vector(solution.weights), {}
    for order in ORDERS:
        predicted = partial(
            predicted_pruning_ratio, weights=vector, loss_rise=options.loss_rise, order=order
        )
        value, error = spectrum.value(predicted)
        row[ratio_column("predicted", order)] = value
        row[prediction_error_column(order)] = error
        row[ratio_column("measured", order)] = ratio(order)
        row[ratio_column("retrained", order)] = (
            np.nan if retraining is None else ratio(order, loss_comes_back)
        )
    return row


def _sharpness_of_pruning(
    loss: "LossAtWeights",
    product: Callable[[np.ndarray], np.ndarray],
    solution: Solution,
    order: Order,
    random: np.random.Generator | None = None,
) -> float:
    """Curvature along the step that pruning a fifth of the weights would make; NaN for no step."""
    scores = pruning_scores(solution.weights, solution.mask, order, random)
    kept = one_shot_mask(scores, solution.mask, round(NOMINAL_RATE * solution.mask.remaining))
    vector = loss.coordinates.vector
    step = vector(kept.apply(solution.weights)) - vector(solution.weights)
    return sharpness(product, step) if step.any() else float("nan")
