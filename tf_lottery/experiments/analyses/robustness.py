"""--experiment=robustness: does training find back when its rewind point is moved?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, nan

import numpy as np

from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.copies import train_branch
from tf_lottery.experiments.analyses.interpolate import line_settings, line_splits
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.experiments.branch_config import BranchPlan, plan_branch
from tf_lottery.experiments.branching import levels_of_branch
from tf_lottery.landscape.interpolation import interpolate
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution, distance
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.landscape.robustness_figure import ROBUSTNESS_COLUMNS
from tf_lottery.report.landscape.robustness_table import print_robustness
from tf_lottery.store.metrics import Row
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.branches import find_branch
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.loop import TrainingDivergedError

_BRANCH = "perturbed"
_Key = tuple[int, float, int]


@dataclass(frozen=True)
class _Move:
    """How a level's rewind point is moved."""

    factor: float
    direction: int


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Trains levels from moved rewind points, and measures the lines to the levels as they are.

    The perturbations of arXiv 2210.03044, section 3.2. The trainings are branches of the run
    (perturbed), with a --perturbation and a --branch_seed each; those that are there are not done
    again. A training that diverges has infinite barriers. Writes landscape/robustness....csv in
    the run folder, a row for each level, length and direction, and figures. Rows that are there are
    not measured again.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to look at; None: all whose next level is finished.

    Raises:
      ValueError: if a level or the level after it is not finished, or the run has another way of
        retraining.
    """
    levels = levels_of_branch(analyzed.run, find_branch(_BRANCH), levels)
    results = ResultsFile(analyzed, "robustness", ROBUSTNESS_COLUMNS, line_settings(options))
    rows = {(row["level"], row["factor"], row["direction"]): row for row in results.read()}
    moves = [_Move(*move) for move in product(options.factors, range(options.directions))]
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
    for move, levels in missing.items():
        if not levels:
            continue
        plan = plan_branch(
            analyzed.run.path,
            _BRANCH,
            {"perturbation": move.factor, "branch_seed": move.direction},
        )
        diverged = _train(analyzed, move, plan, levels)
        measured = len(levels) - len(diverged)
        with CountingProgress("points on lines", measured * options.points) as progress:
            for level in levels:
                row = _start_of_row(analyzed, level, move)
                if level in diverged:
                    row |= dict.fromkeys(("error_barrier", "loss_barrier"), inf)
                    row |= dict.fromkeys(("test_accuracy", "l2", "cosine"), nan)
                else:
                    row |= _measure(analyzed, options, evaluate, plan, level, progress.advance)
                rows[level, move.factor, move.direction] = row
                results.write(rows[key] for key in sorted(rows))


def _train(
    analyzed: AnalyzedRun, move: _Move, plan: BranchPlan, levels: Sequence[int]
) -> list[int]:
    """Trains the levels from their moved rewind points; returns those that diverged."""
    diverged = []
    while left := [level for level in levels if level not in diverged]:
        try:
            train_branch(
                analyzed, _BRANCH, left, perturbation=move.factor, branch_seed=move.direction
            )
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
