"""--experiment=robustness: does training find back when its rewind point is moved?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, nan
from typing import Any

import numpy as np

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.line_options import line_settings, line_splits
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.experiments.analyses.trained_copies import (
    check_rewinds,
    seed_of_copy,
    train_branch,
)
from tf_lottery.experiments.branch_config import BranchPlan, plan_branch
from tf_lottery.experiments.branch_levels import levels_of_branch
from tf_lottery.landscape.interpolation import interpolate
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution, distance
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.landscape.robustness_figure import (
    FRESH_NOISE_COLUMNS,
    ROBUSTNESS_COLUMNS,
)
from tf_lottery.report.landscape.robustness_table import print_robustness
from tf_lottery.store.metrics import Row
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.branches import find_branch
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.divergence import TrainingDivergedError

_BRANCH = "perturbed"
_Key = tuple[int, float, int]


@dataclass(frozen=True)
class _Move:
    """How a level's rewind point is moved before it is trained.

    Attributes:
      factor: how far, in distances to the next level's rewind point; 0: not at all.
      direction: the number of the random direction.
      data_seed: draws the data order; None: the level's own order.
    """

    factor: float
    direction: int
    data_seed: int | None

    def trainings(self, levels: Sequence[int]) -> Iterator["_Training"]:
        """The branches that train levels so."""
        noise = {} if self.data_seed is None else {"data_seed": self.data_seed}
        if self.factor:
            move = {"perturbation": self.factor, "branch_seed": self.direction}
            yield _Training(_BRANCH, levels, {**move, **noise})
            return
        # Copies of the instability analysis, but for level 0: its rewind point has the optimizer's
        # slots wherever it is moved to, and in those copies it has none.
        if pruned := [level for level in levels if level]:
            yield _Training("retrain", pruned, noise)
        if 0 in levels:
            yield _Training(_BRANCH, [0], {"perturbation": 0.0, **noise})


@dataclass(frozen=True)
class _Training:
    """A branch, the levels that it trains, and its flags."""

    branch: str
    levels: Sequence[int]
    changes: dict[str, Any]


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Trains levels from moved rewind points, and measures the lines to the levels as they are.

    The perturbations of arXiv 2210.03044, section 3.2. The trainings are branches of the run
    (perturbed), with a --perturbation and a --branch_seed each; those that are there are not done
    again. With fresh SGD noise each direction has a --data_seed too, and the rewind point itself is
    trained with it, as a length of 0: from it the others differ in the move alone. A training that
    diverges has infinite barriers. Writes landscape/robustness__SETTINGS.csv in the run folder, a
    row for each level, length and direction, and figures. Rows that are there are not measured
    again.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to look at; None: all whose next level is finished.

    Raises:
      ValueError: if a level or the level after it is not finished, or the run has another way of
        retraining.
    """
    levels = levels_of_branch(analyzed.run, find_branch(_BRANCH), levels)
    check_rewinds(analyzed, "robustness")
    if options.sgd_noise == "fresh":
        columns, settings = FRESH_NOISE_COLUMNS, (*line_settings(options), "fresh")
    else:
        columns, settings = ROBUSTNESS_COLUMNS, line_settings(options)
    results = ResultsFile(analyzed, "robustness", columns, settings)
    rows = {(row["level"], row["factor"], row["direction"]): row for row in results.read()}
    moves = _moves(analyzed, options)
    missing = {
        move: [level for level in levels if (level, move.factor, move.direction) not in rows]
        for move in moves
    }
    if any(missing.values()):
        _fill_in(analyzed, options, missing, rows, results)
    shown = [rows[level, move.factor, move.direction] for level in levels for move in moves]
    print_robustness(shown, line_splits(options)[0])
    results.draw(shown)
    print(f"Robustness: {results.path}")


def _moves(analyzed: AnalyzedRun, options: AnalysisConfig) -> list[_Move]:
    directions = range(options.directions)
    if options.sgd_noise == "same":
        return [_Move(*move, None) for move in product(options.factors, directions)]
    return [
        _Move(factor, direction, seed_of_copy(analyzed, direction))
        for factor, direction in product((0.0, *options.factors), directions)
    ]


def _fill_in(
    analyzed: AnalyzedRun,
    options: AnalysisConfig,
    missing: dict[_Move, list[int]],
    rows: dict[_Key, Row],
    results: ResultsFile,
) -> None:
    # Before anything is trained: it refuses data that it cannot measure.
    evaluate = analyzed.evaluator(
        line_splits(options)[:1], estimate_statistics=options.line_statistics == "estimated"
    )
    trainings = [
        (move, training)
        for move, levels in missing.items()
        if levels
        for training in move.trainings(levels)
    ]
    for move, training in trainings:
        plan = plan_branch(analyzed.run.path, training.branch, training.changes)
        diverged = _train(analyzed, training, plan)
        measured = len(training.levels) - len(diverged)
        with CountingProgress("points on lines", measured * options.points) as progress:
            for level in training.levels:
                row = _start_of_row(analyzed, level, move)
                if level in diverged:
                    row |= dict.fromkeys(("error_barrier", "loss_barrier"), inf)
                    row |= dict.fromkeys(("test_accuracy", "l2", "cosine"), nan)
                else:
                    row |= _measure(analyzed, options, evaluate, plan, level, progress.advance)
                rows[level, move.factor, move.direction] = row
                results.write(rows[key] for key in sorted(rows))


def _train(analyzed: AnalyzedRun, training: _Training, plan: BranchPlan) -> list[int]:
    """Trains levels; returns those that diverged."""
    diverged = []
    while left := [level for level in training.levels if level not in diverged]:
        try:
            train_branch(analyzed, training.branch, left, **training.changes)
            break
        except TrainingDivergedError as error:
            finished = RunFolder.read(plan.path).complete_levels()
            diverged.append(next(level for level in left if level not in finished))
            print(f"{plan.label} diverged, and counts as an infinite barrier: {error}", flush=True)
    return diverged


def _start_of_row(analyzed: AnalyzedRun, level: int, move: _Move) -> Row:
    journal = RunJournal(analyzed.run)
    rewound = journal.rewind_state().weights
    own, following = (
        Solution("rewind point", mask.apply(rewound), mask)
        for mask in (journal.load(number)[1] for number in (level, level + 1))
    )
    zeros = {name: np.zeros_like(array) for name, array in rewound.items()}
    norm = distance(own, Solution("zero", zeros, own.mask)).l2
    length = move.factor * distance(own, following).l2
    return {
        "level": level,
        "density": own.mask.density,
        "factor": move.factor,
        "direction": move.direction,
        **({} if move.data_seed is None else {"data_seed": move.data_seed}),
        "perturbation_l2": length,
        "relative_perturbation": length / norm if norm else nan,
        "unperturbed_test_accuracy": analyzed.summary(level).test_accuracy,
    }


def _measure(
    analyzed: AnalyzedRun,
    options: AnalysisConfig,
    evaluate: SolutionEvaluator,
    plan: BranchPlan,
    level: int,
    advance: Callable[[], None],
) -> Row:
    folder = RunFolder.read(plan.path).level(level)
    ends = analyzed.level(level), analyzed.solution(f"branches/{plan.label}/level_{level}")
    line = interpolate(
        evaluate,
        *ends,
        points=options.points,
        mask=options.line_mask,
        on_progress=lambda done: advance(),
    )
    (split,) = line.losses
    return {
        "test_accuracy": folder.record()["test_accuracy"],
        "error_barrier": line.barrier(split),
        "loss_barrier": line.barrier(split, "loss"),
        **vars(distance(*ends)),
    }
