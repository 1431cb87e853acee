"""--experiment=robustness: does training find back when its rewind point is moved?"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import inf, nan
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.config.lines import Lines
from tf_lottery.config.options import between, require
from tf_lottery.config.parameters import Parameter
from tf_lottery.config.trained_copies import MOST_TRAININGS
from tf_lottery.experiments.branch_config import BranchPlan, plan_branch
from tf_lottery.experiments.branch_levels import levels_of_branch
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.experiments.measuring.trained_copies import (
    check_rewinds,
    seed_of_copy,
    train_branch,
)
from tf_lottery.experiments.measuring.training import Training
from tf_lottery.landscape.solutions import Solution, distance
from tf_lottery.messages import tell
from tf_lottery.report.landscape.robustness import print_robustness, robustness_figures
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import FRESH_NOISE_COLUMNS, ROBUSTNESS_COLUMNS
from tf_lottery.store.result_names import LINE_SETTINGS
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.branches import find_branch

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

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

    def trainings(self, levels: Sequence[int]) -> Iterator[Training]:
        """The branches that train levels so."""
        noise = {} if self.data_seed is None else {"data_seed": self.data_seed}
        if self.factor:
            move = {"perturbation": self.factor, "branch_seed": self.direction}
            yield Training(_BRANCH, levels, {**move, **noise})
            return
        # Copies of the instability analysis, but for level 0: its rewind point has the optimizer's
        # slots wherever it is moved to, and in those copies it has none.
        if pruned := [level for level in levels if level]:
            yield Training("retrain", pruned, noise)
        if 0 in levels:
            yield Training(_BRANCH, [0], {"perturbation": 0.0, **noise})


_Moves = Mapping[tuple[float, int], _Move]


def _read_factors(flag: str, text: Any) -> tuple[float, ...]:
    try:
        factors = {float(part) for part in text.split(",")}
    except ValueError:
        factors = {0.0}
    right = "use positive numbers, such as 0.5,1,2"
    holds = all(0 < factor < math.inf for factor in factors)
    require(holds, flag.removeprefix("--"), text, right)
    return tuple(sorted(factors))


@register_analysis(
    ResultFile("robustness", (*LINE_SETTINGS, "{}_noise"), robustness_figures), place=5
)
def robustness(
    run: MeasuredRun,
    levels: Sequence[int] | None,
    *,
    lines: Lines,
    perturbations: Annotated[
        str,
        Parameter(
            "Lengths by which --experiment=robustness moves a level's rewind point, in distances "
            "between it and the next level's.",
            reads=_read_factors,
        ),
    ] = "0.5,1,2,4",
    directions: Annotated[
        int,
        Parameter(
            "Random directions in which --experiment=robustness moves each rewind point.",
            within=between(1, MOST_TRAININGS),
        ),
    ] = 1,
    sgd_noise: Annotated[
        Literal["fresh", "same"],
        Parameter(
            "Data order in which --experiment=robustness trains moved networks: fresh, another one "
            "for each direction, in which the rewind point itself is trained too; same, the "
            "level's own."
        ),
    ] = "fresh",
) -> Rows:
    """Trains levels from moved rewind points, and measures the lines to the levels as they are.

    The perturbations of arXiv 2210.03044, section 3.2. The trainings are branches of the run
    (perturbed), with a --perturbation and a --branch_seed each; those that are there are not done
    again. With fresh SGD noise each direction has a --data_seed too, and the rewind point itself is
    trained with it, as a length of 0: from it the others differ in the move alone. A training that
    diverges has infinite barriers. Writes landscape/robustness__SETTINGS.csv in the run folder, a
    row for each level, length and direction, and figures. Rows that are there are not measured
    again.

    Raises:
      ValueError: if a level or the level after it is not finished, the run has another way of
        retraining, or lines are to be measured on both splits.
    """
    if lines.line_split == "both":
        raise ValueError(
            "--line_split=both is not for --experiment=robustness, whose table has room for the "
            "barriers of one split; use test or train."
        )
    levels = levels_of_branch(run.run, find_branch(_BRANCH), levels)
    check_rewinds(run, "robustness")
    factors, fresh = _read_factors("--perturbations", perturbations), sgd_noise == "fresh"
    moves = {
        (factor, direction): _Move(
            factor, direction, seed_of_copy(run, direction) if fresh else None
        )
        for factor, direction in product((0.0, *factors) if fresh else factors, range(directions))
    }
    return Rows(
        [(level, *move) for level in levels for move in moves],
        FRESH_NOISE_COLUMNS if fresh else ROBUSTNESS_COLUMNS,
        partial(_measure, moves=moves, lines=lines),
        partial(print_robustness, split=lines.splits[0]),
        (*run.line_settings(lines), *(["fresh"] if fresh else [])),
        key=itemgetter("level", "factor", "direction"),
        trainings=lambda missing: [training for _, training in _trainings(moves, missing)],
        levels=lambda key: (key[0], key[0] + 1),
    )


def _trainings(moves: _Moves, missing: Sequence[_Key]) -> list[tuple[_Move, Training]]:
    levels: dict[_Move, list[int]] = defaultdict(list)
    for level, factor, direction in missing:
        levels[moves[factor, direction]].append(level)
    return [
        (move, training)
        for move in moves.values()
        if move in levels
        for training in move.trainings(levels[move])
    ]


def _measure(
    analyzed: AnalyzedRun,
    missing: Sequence[_Key],
    moves: _Moves,
    lines: Lines,
) -> Iterator[Row]:
    from tf_lottery.experiments.measuring.lines import measure_line

    # Before anything is trained: it refuses data that it cannot measure.
    evaluate = analyzed.evaluator(lines)
    for move, training in _trainings(moves, missing):
        plan = plan_branch(analyzed.run.path, training.branch, training.changes)
        diverged = _train(analyzed, training, plan)
        measured = len(training.levels) - len(diverged)
        with CountingProgress("points on lines", measured * lines.points) as progress:
            for level in training.levels:
                row = _start_of_row(analyzed, level, move)
                if level in diverged:
                    row |= dict.fromkeys(("error_barrier", "loss_barrier"), inf)
                    row |= dict.fromkeys(("test_accuracy", "l2", "cosine"), nan)
                else:
                    moved = f"branches/{plan.label}/level_{level}"
                    ends = analyzed.level(level), analyzed.solution(moved)
                    line = measure_line(evaluate, ends, lines, progress.advance)
                    folder = RunFolder.read(plan.path).level(level)
                    row |= {
                        "test_accuracy": folder.record()["test_accuracy"],
                        "error_barrier": line.barrier(lines.splits[0]),
                        "loss_barrier": line.barrier(lines.splits[0], "loss"),
                        **vars(distance(*ends)),
                    }
                yield row


def _train(analyzed: AnalyzedRun, training: Training, plan: BranchPlan) -> list[int]:
    """Trains levels; returns those that diverged."""
    from tf_lottery.training.divergence import TrainingDivergedError

    diverged = []
    while left := [level for level in training.levels if level not in diverged]:
        try:
            train_branch(analyzed, replace(training, levels=left))
            break
        except TrainingDivergedError as error:
            finished = RunFolder.read(plan.path).complete_levels()
            diverged.append(next(level for level in left if level not in finished))
            tell(f"{plan.label} diverged, and counts as an infinite barrier: {error}")
    return diverged


def _start_of_row(analyzed: AnalyzedRun, level: int, move: _Move) -> Row:
    from tf_lottery.tickets.run_journal import RunJournal

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
