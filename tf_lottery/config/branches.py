"""What a branch says of itself: from which levels it starts, its flags, and how it is drawn."""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from tf_lottery.config.options import names_of
from tf_lottery.config.parameters import Parametrized, parameters_of, shared_parameters
from tf_lottery.registry import Registry
from tf_lottery.users_code import plugin_faults_named


@dataclass(frozen=True)
class Look:
    """How a branch is drawn in all figures.

    Attributes:
      colour: a key of `report.palette.COLOURS`.
      marker: matplotlib's letter.
      dash: number of the line style, from 0.
    """

    colour: str
    marker: str
    dash: int


@dataclass(frozen=True, kw_only=True)
class BranchFacts:
    """What is special about a branch: from which levels it starts, and which flags it takes.

    Attributes:
      first_level: the lowest level that it can start from.
      last_level: the highest; None: any.
      structures: the pieces that its masks can have (`--structure`); None: any.
      needs_other_run: whether it takes something from another run (`--other_run`).
      needs_next_level: whether it looks at the level after the one that it starts from.
      keeps_slots: whether it begins with the optimizer's slots of the rewind step, and so cannot
        have another optimizer than its run.
      fine_tunes: whether it begins where training ended, as with `--retraining=fine_tune`. The
        learning rate stays the last one, or that of `--fine_tune_learning_rate`.
      trains_on: whether it begins with the weights that its level was pruned from, as those that
        fine-tune do. A run that prunes before training has none that are trained.
      prunes: whether it may prune anew, so that --score and the like make a difference.
      prunes_untrained: whether it prunes the network at the rewind step, of which
        `--score=movement` tells nothing.
      layerwise: whether it prunes within each layer by itself, whatever `--pruning_scope` says.
      ranks_together: whether it ranks the weights of all layers together where the authors of
        `--score` do. It then refuses `--pruning_scope=layerwise`.
      draws: whether it may draw random numbers, so that --branch_seed makes a difference.
      mask_alone: whether it changes the mask alone: where nothing is pruned it is the level again.
      weights_alone: whether it changes the first weights alone, whatever the mask, so that it can
        follow a `+`.
      starts_as_level: whether it begins at the iteration at which its level does, always.
      as_a_run_with: the flag and the value of a run whose levels are pruned and trained as it does.
      look: how it is drawn; None: in a way that is found by its name.
    """

    first_level: int = 0
    last_level: int | None = None
    structures: Sequence[str] | None = None
    needs_other_run: bool = False
    needs_next_level: bool = False
    keeps_slots: bool = False
    fine_tunes: bool = False
    trains_on: bool = False
    prunes: bool = True
    prunes_untrained: bool = False
    layerwise: bool = False
    ranks_together: bool = False
    draws: bool = True
    mask_alone: bool = False
    weights_alone: bool = False
    starts_as_level: bool = False
    as_a_run_with: tuple[str, str] | None = None
    look: Look | None = None

    def __post_init__(self):
        if self.structures is not None:
            # The class is frozen.
            object.__setattr__(self, "structures", tuple(self.structures))


@dataclass(frozen=True, kw_only=True)
class Branch(Parametrized, BranchFacts):
    """A control that starts from a level of an experiment, and what is special about it.

    Attributes:
      name: as in `--branch`.
      function: `(origin: Origin, **parameters) -> Start`.
      parameters: a dataclass of the function's keyword arguments, which are flags.
    """

    def takes(self, parameter: str) -> bool:
        """Whether a flag makes a difference to it, as far as that depends on the branch alone."""
        by_facts = {
            "score": self.prunes,
            "score_examples": self.prunes,
            "pruning_scope": self.prunes and not self.layerwise,
            "fine_tune_learning_rate": self.fine_tunes,
            "other_run": self.needs_other_run,
            "branch_seed": self.draws,
        }
        # Flags that are nobody's parameters are for all.
        own = super().takes(parameter) or parameter not in branch_options()
        return by_facts.get(parameter, own)

    def why_not(self, prune_from: str, score: str) -> str | None:
        """Why it makes no sense of a run with these flags; None if it does."""
        if (self.trains_on or self.fine_tunes) and prune_from == "rewind_step":
            return (
                "goes on from the weights that were pruned, which are not trained with "
                "--prune_from=rewind_step"
            )
        if self.prunes_untrained and score == "movement":
            return "prunes at the rewind step, where --score=movement is 0 for all weights"
        return None


class _Branches(Registry[Branch]):
    """Branches by name; with a `+`, the mask of one on the first weights of another."""

    def find(self, name: Any) -> Branch:
        """Finds a branch by name, or joins two.

        Raises:
          ValueError: if there is none, or two cannot be joined; names those that there are.
        """
        if not isinstance(name, str) or "+" not in name:
            return super().find(name)
        names = name.split("+")
        if any(part.split() != [part] for part in names if part.strip()):
            raise ValueError(f"--branch={name}: write {''.join(name.split())}, without spaces.")
        parts = [self._part(part, name) for part in names] if all(names) else []
        if len(parts) == 2 and _changes_mask(parts[0]) and _can_follow(parts[1]):
            return _joined(*parts)
        masks = (part for part, branch in self.all().items() if _changes_mask(branch))
        weights = (part for part, branch in self.all().items() if _can_follow(branch))
        raise ValueError(
            f"--branch={name}: + puts the mask of one branch on the first weights of another, as "
            f"in one_shot+random_reinitialization; before it is one of {', '.join(masks)}, behind "
            f"it one of {', '.join(weights)}."
        )

    def _part(self, part: str, name: str) -> Branch:
        try:
            return super().find(part)
        except ValueError as error:
            unknown = str(error).removeprefix("--branch=")
            raise ValueError(f"--branch={name}: {unknown}") from error

    def get(self, name: str) -> Branch | None:
        """As `find`; None if there is none."""
        with suppress(ValueError):
            return self.find(name)
        return None


def _changes_mask(branch: Branch) -> bool:
    return branch.mask_alone or (branch.prunes and not branch.weights_alone)


def _can_follow(branch: Branch) -> bool:
    return branch.weights_alone and not names_of(branch.parameters)


def _joined(mask: Branch, weights: Branch) -> Branch:
    """The mask of a branch on the first weights of another; each draws what it draws alone."""

    def function(origin: Any, **parameters: Any) -> Any:
        random = copy.deepcopy(origin.random)
        start = mask.function(origin, **parameters)
        return weights.function(dataclasses.replace(origin, start=start, random=random))

    parts = mask, weights
    lasts = [part.last_level for part in parts if part.last_level is not None]
    structures = [set(part.structures) for part in parts if part.structures is not None]
    look = None
    if mask.look and weights.look:
        look = Look(weights.look.colour, mask.look.marker, weights.look.dash + 1)
    return dataclasses.replace(
        mask,
        name=f"{mask.name}+{weights.name}",
        function=function,
        # At level 0 there is no mask: it would be the second branch under another label.
        first_level=max(1, *(part.first_level for part in parts)),
        last_level=min(lasts, default=None),
        structures=sorted(set.intersection(*structures)) if structures else None,
        needs_other_run=any(part.needs_other_run for part in parts),
        needs_next_level=any(part.needs_next_level for part in parts),
        keeps_slots=weights.keeps_slots,
        draws=any(part.draws for part in parts),
        mask_alone=False,
        starts_as_level=all(part.starts_as_level for part in parts),
        look=look,
    )


BRANCHES = _Branches("branch", "--branch", "tf_lottery.tickets.branches")
Function = TypeVar("Function", bound=Callable)


class register_branch(BranchFacts):
    """Registers a function `(origin: Origin, **parameters) -> Start` as a branch of its name.

    ```python
    @register_branch(first_level=1)
    def scaled(
        origin: Origin, *, scale: Annotated[float, Parameter("Factor of the weights.")] = 2.0
    ) -> Start:
        weights = origin.start.state.weights
        return origin.start.with_weights({name: scale * array for name, array in weights.items()})
    ```

    The function's keyword arguments are flags: `--branch=scaled --scale=3`. Those of the decorator
    are the attributes of `BranchFacts`.
    """

    def __call__(self, function: Function) -> Function:
        """Registers the function, and returns it."""
        name = function.__name__
        named = plugin_faults_named(f"--branch={name}", function.__module__)
        branch = Branch(
            name=name,
            function=named(function),
            parameters=parameters_of(function),
            **vars(self),
        )
        BRANCHES.add(branch.name, branch, function.__module__)
        return function


def branch_options() -> dict[str, dataclasses.Field]:
    """The parameters of all branches, by name; errors as of `shared_parameters`."""
    return shared_parameters("--branch", BRANCHES.all().values())


def branches_with(parameter: str) -> list[str]:
    """The names of the branches that take a flag."""
    return [name for name, branch in BRANCHES.all().items() if branch.takes(parameter)]


def is_fine_tuned(retraining: str, branch: str | None) -> bool:
    """Whether levels after the first are trained on after the end of training.

    Args:
      retraining: of the run, as in `--retraining`.
      branch: name of the branch whose levels they are; None: of the run. Nothing is known of one
        whose plug-in is not imported.
    """
    kind = None if branch is None else BRANCHES.get(branch)
    return retraining == "fine_tune" or (kind is not None and kind.fine_tunes)
