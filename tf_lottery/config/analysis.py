"""What the analyses of finished runs are told: their options are flags too."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.config.options import (
    at_least,
    between,
    check_options,
    finite_above,
    option,
    require,
)

# Networks that tickets are compared with; branches of the same names.
BASELINES = ("random_mask", "random_reinitialization")

LineMask = Literal["union", "intersection", "first", "second"]
LineStatistics = Literal["estimated", "interpolated"]
LineSplit = Literal["test", "train", "both"]
SgdNoise = Literal["fresh", "same"]
Pairs = Literal["all", "successive"]

# More are a slip of the finger, and would take days.
_MOST_POINTS, _MOST_TRAININGS = 10_000, 1000


def _read_baselines(flag: str, text: Any) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    right = f"use {' or '.join(BASELINES)}, both, or nothing"
    require(set(names) <= set(BASELINES), flag.removeprefix("--"), text, right)
    return tuple(name for name in BASELINES if name in names)


def _read_factors(flag: str, text: Any) -> tuple[float, ...]:
    try:
        factors = {float(part) for part in text.split(",")}
    except ValueError:
        factors = {0.0}
    right = "use positive numbers, such as 0.5,1,2"
    holds = all(0 < factor < math.inf for factor in factors)
    require(holds, flag.removeprefix("--"), text, right)
    return tuple(sorted(factors))


@dataclass(frozen=True)
class AnalysisConfig:
    """Options of the analyses of run folders."""

    solutions: str = option(
        "",
        "For --experiment=interpolate: two or more solutions in the run folder, such as "
        "level_0,level_5,branches/random_mask/level_5,../replicate_2/level_5,rewind.",
    )
    points: int = option(
        30,
        "Points at which a line between two solutions is measured, the ends among them.",
        within=between(3, _MOST_POINTS, "use 3 to 10000, both ends among them"),
    )
    line_mask: LineMask = option(
        "union",
        "Weights that may differ from 0 on a line between two solutions: those of either solution, "
        "of both, or of one of them.",
    )
    line_statistics: LineStatistics = option(
        "estimated",
        "Statistics of batch normalization on a line between two solutions: estimated anew at each "
        "point from training data, or interpolated as the weights are.",
    )
    line_split: LineSplit = option(
        "test", "Data on which lines are measured; both: test and training data."
    )
    copies: int = option(
        2,
        "Copies that --experiment=instability or stability trains of each network, in other data "
        "orders.",
        within=between(2, _MOST_TRAININGS),
    )
    baselines: str = option(
        "random_mask,random_reinitialization",
        "What --experiment=instability and stability compare tickets with: random_mask, a random "
        "mask of the same layerwise densities; random_reinitialization, the ticket's mask on newly "
        "drawn weights; both, separated by a comma; empty: nothing.",
        reads=_read_baselines,
    )
    stable_below: float = option(
        2.0,
        "Points of error barrier below which --experiment=instability calls a network stable.",
        within=finite_above(0, "use a positive number"),
    )
    matching_tolerance: float = option(
        DEFAULT_POINTS,
        "Points of test accuracy that a level may be below the dense network and still matches it: "
        "in the tables that end a run or a branch, in reports, and in successive_levels.",
    )
    perturbations: str = option(
        "0.5,1,2,4",
        "Lengths by which --experiment=robustness moves a level's rewind point, in distances "
        "between it and the next level's.",
        reads=_read_factors,
    )
    directions: int = option(
        1,
        "Random directions in which --experiment=robustness moves each rewind point.",
        within=between(1, _MOST_TRAININGS),
    )
    sgd_noise: SgdNoise = option(
        "fresh",
        "Data order in which --experiment=robustness trains moved networks: fresh, another one for "
        "each direction, in which the rewind point itself is trained too; same, the level's own.",
    )
    pairs: Pairs = option(
        "all",
        "Lines that --experiment=successive_levels measures: between every two levels, or only "
        "from each level to the next.",
    )
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
        within=finite_above(0, "use a positive number"),
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
        within=finite_above(0, "use a positive number, or leave it out"),
    )
    curvature_seed: int = option(
        0,
        "Draws the examples and the random vectors of --experiment=curvature.",
        within=at_least(0),
    )

    def __post_init__(self):
        check_options(self)
        tolerance_of(self.matching_tolerance)

    @property
    def factors(self) -> tuple[float, ...]:
        """The numbers of `perturbations`, each once, rising."""
        return _read_factors("--perturbations", self.perturbations)

    @property
    def chosen_baselines(self) -> tuple[str, ...]:
        """Those of `BASELINES` that `baselines` names."""
        return _read_baselines("--baselines", self.baselines)
