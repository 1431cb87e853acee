"""The arguments of a search: whether they are right, and what makes two searches the same."""

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tf_lottery.config.arguments import (
    MOST_LEVELS,
    check_choice,
    check_fraction,
    check_truth,
    check_whole,
    is_number,
    refusal,
    shown,
)
from tf_lottery.config.fine_tuning import is_least_rate
from tf_lottery.config.pruning import NOMINAL_RATE
from tf_lottery.config.steps import parse_steps
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.schedule import rates_of_levels
from tf_lottery.messages import warn_user
from tf_lottery.pruning.adaptive import AdaptivePruner, AdaptiveRate
from tf_lottery.pruning.model_plan import planned_levels, pruning_plan, ranks_together
from tf_lottery.pruning.plan import SCOPES, STRUCTURES
from tf_lottery.pruning.pruner import PlannedPruner, Pruner
from tf_lottery.pruning.score import Method, Score, find_method
from tf_lottery.pruning.score_code import code_of
from tf_lottery.tickets.fit.described_network import (
    described_loss,
    described_loss_weights,
    described_network,
)
from tf_lottery.tickets.fit.length import needs_length
from tf_lottery.tickets.fit.stopping import StoppingRule
from tf_lottery.tickets.variants import PruneFrom, Retraining, Variant, first_step_after_pruning
from tf_lottery.training.network import Network
from tf_lottery.training.schedule_lead import described_without_lead, last_and_highest_rate


@dataclass(frozen=True)
class SearchArguments:
    """The arguments of every search; `IterativeMagnitudePruning` explains them."""

    levels: int | None
    pruning_rate: float | Sequence[float] | AdaptiveRate | Literal["auto"]
    rewind_step: str | int
    scope: str
    score: str | Score
    rewind_optimizer: bool
    structure: str
    prune_from: PruneFrom
    retraining: Retraining
    fine_tune_learning_rate: float | None
    stopping: StoppingRule
    target_density: float | None = None

    def __post_init__(self):
        if self.levels is not None:
            check_whole("levels", self.levels, 0, MOST_LEVELS, example=5)
        elif self._density is None:
            right = "use a whole number, such as 5, or give target_density=, such as 0.05"
            raise refusal("levels", self.levels, right)
        check_pruning_rate(self.pruning_rate)
        self._warn_of_unused_rates()
        check_point("rewind_step", self.rewind_step)
        check_choice("scope", self.scope, SCOPES)
        check_truth("rewind_optimizer", self.rewind_optimizer)
        check_choice("structure", self.structure, STRUCTURES)
        if self.structure == "2:4" and (self.levels or 0) > 1:
            right = "structure='2:4' halves the weights once, so use levels=1"
            raise refusal("levels", self.levels, right)
        _ = self.method, Variant(self.prune_from, self.retraining)
        self._check_density()
        self._check_retraining()
        if self.score == "movement" and self.prune_from == "rewind_step":
            right = "does not go with score='movement', which is 0 there; use"
            self._refuse_unless("prune_from", "previous_level", right)
        self.stopping.check()
        if self.adaptive_rate is not None:
            right = "does not go with an adaptive pruning rate; use"
            self._refuse_unless("structure", "weights", right)
            self._refuse_unless("prune_from", "previous_level", right)

    @cached_property
    def method(self) -> Method:
        """What judges the weights."""
        return find_method(self.score, "score")

    @property
    def adaptive_rate(self) -> AdaptiveRate | None:
        """The pruning rate, if it is chosen at each level."""
        return self._rate if isinstance(self._rate, AdaptiveRate) else None

    @cached_property
    def _rate(self) -> float | Sequence[float] | AdaptiveRate:
        rate = AdaptiveRate() if isinstance(self.pruning_rate, str) else self.pruning_rate
        if self.target_density is None or not isinstance(rate, AdaptiveRate):
            return rate
        return replace(rate, density=self.target_density)

    @property
    def needs_data(self) -> bool:
        """Whether pruning looks at training examples."""
        return self.adaptive_rate is not None or self.method.needs_data

    def no_data(self, where: str, advice: str) -> Callable[[], Any]:
        """Stands for the reader of training examples where there are none to read.

        Args:
          where: why there are none.
          advice: what to do.

        Returns:
          A function that raises ValueError.
        """
        wants = f"score={self.score}"
        if self.adaptive_rate is not None and not self.method.needs_data:
            wants = f"pruning_rate={shown(self.pruning_rate)}"

        def read() -> Any:
            raise ValueError(
                f"{wants}: it takes the loss of training examples, which {where}; {advice}."
            )

        return read

    def needs_length(self) -> str | None:
        """The argument, with its value, that is known only with the length of an epoch."""
        if needs_length(self.rewind_step):
            return f"rewind_step={self.rewind_step!r}"
        return "retraining='fine_tune'" if self.retraining == "fine_tune" else None

    def planned(self, model: Any) -> tuple[Pruner, int]:
        """Plans the pruning of a model.

        Returns:
          The pruner, and the number of levels; the most there may be if the rate is chosen.

        Raises:
          ValueError: if the model is not prunable, or no weight would remain.
        """
        rate = self._rate
        if isinstance(rate, AdaptiveRate):
            plan = pruning_plan(model, NOMINAL_RATE, self.scope)
            if rate.density is not None:
                # Whether it can be reached at all.
                plan.ending_at(rate.density)
            levels = next(n for n in (self.levels, rate.most_levels()) if n is not None)
            return AdaptivePruner(self.method, plan, rate), levels
        plan, levels = planned_levels(
            pruning_plan(model, rate, self.scope, self.structure),
            self.levels,
            self.target_density,
            together=ranks_together(self.method, self.prune_from, self.scope),
        )
        return PlannedPruner(self.method, plan), levels

    def variant(self, network: Network, train_steps: int | None) -> Variant:
        """Which network is pruned, and how it is trained again.

        Args:
          network: as initialized.
          train_steps: iteration at which training ends; for fine-tuning it has to be known.

        Raises:
          ValueError: if it would be fine-tuned at a rate at which next to nothing is learnt.
        """
        variant = Variant(self.prune_from, self.retraining, train_steps)
        if self.retraining != "fine_tune":
            return variant
        if self.fine_tune_learning_rate is not None:
            return replace(variant, learning_rate=float(self.fine_tune_learning_rate))
        last, highest = last_and_highest_rate(
            network.optimizer, first_step_after_pruning(self.retraining, train_steps, 0)
        )
        if self.levels != 0 and is_least_rate(last, highest):
            raise ValueError(
                "retraining='fine_tune' goes on at the last learning rate of training, but the "
                f"optimizer's schedule ends at {last:g}, where next to nothing is learnt; give "
                f"fine_tune_learning_rate, such as {highest / 10:.3g} (a tenth of the highest)."
            )
        return replace(variant, learning_rate=last)

    def described(self, network: Network, levels: int) -> dict[str, Any]:
        """Describes a search as JSON values.

        Args:
          network: the searched network: names and shapes of weights, the settings of layers and
            of the optimizer, and the loss count.
          levels: the number of them.
        """
        arguments = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        # Levels do not depend on when the search ends.
        del arguments["stopping"]
        variables = model_variables(network.model)
        weights = {name: list(variable.shape) for name, variable in variables.items()}
        optimizer = described_without_lead(network.optimizer)
        # Keras 3 numbers the optimizers of a process.
        optimizer["name"] = type(network.optimizer).__name__
        inner = optimizer.get("inner_optimizer")
        if inner is not None:
            inner["config"]["name"] = re.sub(r"_\d+$", "", inner["config"]["name"])
        described = {**arguments, "levels": levels, "weights": weights, "optimizer": optimizer}
        described["network"] = described_network(network.model)
        described["loss"] = described_loss(getattr(network.model, "loss", None))
        described["loss_weights"] = described_loss_weights(network.model)
        if code := code_of(self.score):
            described["score_code"] = code
        return json.loads(json.dumps(described, default=_described))

    def summary(self, levels: int, finished: int) -> str:
        """The search in a line, in which it is shown.

        Args:
          levels: the number of them, without level 0.
          finished: how many are finished, with level 0.
        """
        which = {0: "none", 1: "0"}.get(finished, f"0 to {finished - 1}")
        return (
            f"levels={levels}, pruning_rate={shown(self.pruning_rate)}, "
            f"rewind_step={self.rewind_step!r}, finished levels: {which}"
        )

    def _warn_of_unused_rates(self) -> None:
        rate = self.pruning_rate
        if self.levels is None or isinstance(rate, str | AdaptiveRate):
            return
        count, levels = len(rates_of_levels(rate)), self.levels
        if count > max(1, levels):
            warn_user(
                f"pruning_rate={shown(rate)}: there are {count} rates for levels={levels}; those "
                "of later levels have no effect.",
            )

    @property
    def _density(self) -> float | None:
        own = self.pruning_rate.density if isinstance(self.pruning_rate, AdaptiveRate) else None
        return own if self.target_density is None else self.target_density

    def _check_density(self) -> None:
        density, rate = self.target_density, self.pruning_rate
        if density is None:
            return
        check_fraction("target_density", density, example=0.05)
        for argument, value, right in (
            ("levels", self.levels, self.levels is None),
            ("pruning_rate", rate, isinstance(rate, str) or is_number(rate) or self._is_free),
            ("structure", self.structure, self.structure != "2:4"),
        ):
            if not right:
                raise ValueError(
                    f"target_density={density!r} does not go with {argument}={shown(value)}, which "
                    "says how many weights remain; leave one of the two out."
                )

    @property
    def _is_free(self) -> bool:
        """Whether the rate is adaptive and has no density of its own."""
        return isinstance(self.pruning_rate, AdaptiveRate) and self.pruning_rate.density is None

    def _check_retraining(self) -> None:
        rate = self.fine_tune_learning_rate
        if rate is not None:
            if not is_number(rate) or not 0 < rate < float("inf"):
                raise refusal(
                    "fine_tune_learning_rate", rate, "use a positive number, such as 0.01"
                )
            right = "does not go with fine_tune_learning_rate; use"
            self._refuse_unless("retraining", "fine_tune", right)
        if self.retraining != "rewind_weights":
            if self.prune_from == "rewind_step":
                right = "does not go with prune_from='rewind_step', an untrained network; use"
                self._refuse_unless("retraining", "rewind_weights", right)
            right = (
                f"does not go with retraining={self.retraining!r}, which rewinds no weights; use"
            )
            self._refuse_unless("rewind_optimizer", False, right)

    def _refuse_unless(self, argument: str, right: Any, advice: str) -> None:
        if getattr(self, argument) != right:
            raise ValueError(f"{argument}={getattr(self, argument)!r} {advice} {right!r}.")


def plain_rates(pruning_rate: Any) -> Any:
    """Rates of an array as a list of Python's numbers; everything else as it is.

    Raises:
      ValueError: if the array has others than rates.
    """
    if not isinstance(pruning_rate, np.ndarray):
        return pruning_rate
    check_pruning_rate(pruning_rate)
    return pruning_rate.tolist()


def check_pruning_rate(pruning_rate: Any) -> None:
    """Checks a rate, several, an `AdaptiveRate` or "auto".

    Raises:
      ValueError: if it is none.
    """
    if isinstance(pruning_rate, AdaptiveRate):
        return
    if isinstance(pruning_rate, str):
        if pruning_rate != "auto":
            raise refusal("pruning_rate", pruning_rate, 'use a fraction, such as 0.2, or "auto"')
        return
    rates_of_levels(pruning_rate)


def check_point(argument: str, point: Any) -> None:
    """Checks that a point in training can be read.

    Raises:
      ValueError: if it cannot.
    """
    parse_steps(point, steps_per_epoch=1, total_steps=1, argument=argument)


def _described(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    item = getattr(value, "item", None)
    return item() if item is not None else getattr(value, "__qualname__", type(value).__name__)
