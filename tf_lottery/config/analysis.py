"""What the analyses of finished runs are told: their options are flags too."""

import math
from dataclasses import dataclass
from typing import Any

from tf_lottery.config.experiment import option
from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.config.ranges import check_options

# Networks that tickets are compared with; branches of the same names.
BASELINES = ("random_mask", "random_reinitialization")
# More are a slip of the finger, and would take days.
_MOST_POINTS, _MOST_TRAININGS = 10_000, 1000


@dataclass(frozen=True)
class AnalysisConfig:
    """Options of the analyses of run folders."""

    solutions: str = option(
        "",
        "For --experiment=interpolate: two or more solutions in the run folder, such as "
        "level_0,level_5,branches/random_mask/level_5,../replicate_2/level_5,rewind.",
    )
    points: int = option(
        30, "Points at which a line between two solutions is measured, the ends among them."
    )
    line_mask: str = option(
        "union",
        "Weights that may differ from 0 on a line between two solutions: those of either solution, "
        "of both, or of one of them.",
        choices=("union", "intersection", "first", "second"),
    )
    line_statistics: str = option(
        "estimated",
        "Statistics of batch normalization on a line between two solutions: estimated anew at each "
        "point from training data, or interpolated as the weights are.",
        choices=("estimated", "interpolated"),
    )
    line_split: str = option(
        "test",
        "Data on which lines are measured; both: test and training data.",
        choices=("test", "train", "both"),
    )
    copies: int = option(
        2,
        "Copies that --experiment=instability or stability trains of each network, in other data "
        "orders.",
    )
    baselines: str = option(
        "random_mask,random_reinitialization",
        "What --experiment=instability and stability compare tickets with: random_mask, a random "
        "mask of the same layerwise densities; random_reinitialization, the ticket's mask on newly "
        "drawn weights; both, separated by a comma; empty: nothing.",
    )
    stable_below: float = option(
        2.0, "Points of error barrier below which --experiment=instability calls a network stable."
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
    )
    directions: int = option(
        1, "Random directions in which --experiment=robustness moves each rewind point."
    )
    sgd_noise: str = option(
        "fresh",
        "Data order in which --experiment=robustness trains moved networks: fresh, another one for "
        "each direction, in which the rewind point itself is trained too; same, the level's own.",
        choices=("fresh", "same"),
    )
    pairs: str = option(
        "all",
        "Lines that --experiment=successive_levels measures: between every two levels, or only "
        "from each level to the next.",
        choices=("all", "successive"),
    )
    curvature_examples: int = option(
        10_000,
        "Training examples whose loss --experiment=curvature takes; all, if there are fewer.",
    )
    eigenvalues: int = option(
        10, "Largest eigenvalues of the Hessian that --experiment=curvature finds."
    )
    loss_rise: float = option(
        0.1,
        "Rise of the training loss, in nats, within which a pruning is to stay for "
        "--experiment=curvature.",
    )
    retrain_steps: int = option(
        1000,
        "Steps in which --experiment=curvature trains what a pruning leaves, to see whether the "
        "loss comes back; 0: none.",
    )
    retrain_learning_rate: float | None = option(
        None,
        "Learning rate of --retrain_steps; unset: the last one of training, if the schedule does "
        "not end near 0.",
    )
    curvature_seed: int = option(
        0, "Draws the examples and the random vectors of --experiment=curvature."
    )

    def __post_init__(self):
        check_options(self)
        points, copies, directions = self.points, self.copies, self.directions
        _check(points >= 3, "points", points, "use 3 or more, both ends among them")
        _check(points <= _MOST_POINTS, "points", points, f"use 3 to {_MOST_POINTS}")
        right = f"use 2 to {_MOST_TRAININGS}"
        _check(2 <= copies <= _MOST_TRAININGS, "copies", copies, right)
        below = self.stable_below
        _check(0 < below < math.inf, "stable_below", below, "use a positive number")
        right = f"use 1 to {_MOST_TRAININGS}"
        _check(1 <= directions <= _MOST_TRAININGS, "directions", directions, right)
        unknown = set(_names(self.baselines)) - set(BASELINES)
        right = f"use {' or '.join(BASELINES)}, both, or nothing"
        _check(not unknown, "baselines", self.baselines, right)
        right = "use positive numbers, such as 0.5,1,2"
        _check(
            all(factor > 0 for factor in self.factors), "perturbations", self.perturbations, right
        )
        examples, eigenvalues = self.curvature_examples, self.eigenvalues
        _check(examples >= 1, "curvature_examples", examples, "use 1 or more")
        _check(1 <= eigenvalues <= 100, "eigenvalues", eigenvalues, "use 1 to 100")
        rise = self.loss_rise
        _check(0 < rise < math.inf, "loss_rise", rise, "use a positive number")
        _check(self.retrain_steps >= 0, "retrain_steps", self.retrain_steps, "use 0 or more")
        rate = self.retrain_learning_rate
        _check(
            rate is None or 0 < rate < math.inf,
            "retrain_learning_rate",
            rate,
            "use a positive number, or leave it out",
        )
        tolerance_of(self.matching_tolerance)
        _check(self.curvature_seed >= 0, "curvature_seed", self.curvature_seed, "use 0 or more")

    @property
    def factors(self) -> tuple[float, ...]:
        """The numbers of `perturbations`, each once, rising; NaN for what is no finite number."""
        return tuple(sorted({_number(text) for text in self.perturbations.split(",")}))

    @property
    def chosen_baselines(self) -> tuple[str, ...]:
        """Those of `BASELINES` that `baselines` names."""
        chosen = _names(self.baselines)
        return tuple(name for name in BASELINES if name in chosen)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text.strip() else []


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _check(holds: bool, flag: str, value: Any, right: str) -> None:
    if not holds:
        raise ValueError(f"--{flag}={value} is out of range: {right}.")
