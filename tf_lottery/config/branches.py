"""What a branch says of itself: from which levels it starts, its flags, and how it is drawn."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tf_lottery.config.parameters import Parametrized, parameters_of, shared_parameters
from tf_lottery.registry import Registry


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


@dataclass(frozen=True)
class Branch(Parametrized):
    """A control that starts from a level of an experiment, and what is special about it.

    Attributes:
      name: as in `--branch`.
      function: `(origin: Origin, **parameters) -> Start`.
      parameters: a dataclass of the function's keyword arguments, which are flags.
      first_level: the lowest level that it can start from.
      last_level: the highest; None: any.
      structures: the pieces that its masks can have (`--structure`); None: any.
      needs_other_run: whether it takes something from another run (`--other_run`).
      needs_next_level: whether it looks at the level after the one that it starts from.
      keeps_slots: whether it begins with the optimizer's slots of the rewind step, and so cannot
        have another optimizer than its run.
      prunes: whether it may prune anew, so that --score and the like make a difference.
      draws: whether it may draw random numbers, so that --branch_seed makes a difference.
      mask_alone: whether it changes the mask alone: where nothing is pruned it is the level again.
      starts_as_level: whether it begins at the iteration at which its level does, always.
      look: how it is drawn; None: in a way that is found by its name.
    """

    first_level: int = 0
    last_level: int | None = None
    structures: tuple[str, ...] | None = None
    needs_other_run: bool = False
    needs_next_level: bool = False
    keeps_slots: bool = False
    prunes: bool = True
    draws: bool = True
    mask_alone: bool = False
    starts_as_level: bool = False
    look: Look | None = None


BRANCHES: Registry[Branch] = Registry("branch", "--branch", "tf_lottery.tickets.branches")


def register_branch(
    *,
    first_level: int = 0,
    last_level: int | None = None,
    structures: Sequence[str] | None = None,
    needs_other_run: bool = False,
    needs_next_level: bool = False,
    keeps_slots: bool = False,
    prunes: bool = True,
    draws: bool = True,
    mask_alone: bool = False,
    starts_as_level: bool = False,
    look: Look | None = None,
) -> Callable[[Callable], Callable]:
    """Registers a function `(origin: Origin, **parameters) -> Start` as a branch of its name.

    ```python
    @register_branch(first_level=1)
    def scaled(
        origin: Origin, *, scale: Annotated[float, Parameter("Factor of the weights.")] = 2.0
    ) -> Start:
        weights = origin.start.state.weights
        return origin.start.with_weights({name: scale * array for name, array in weights.items()})
    ```

    Its keyword arguments are flags: `--branch=scaled --scale=3`.

    Args:
      first_level: as in `Branch`.
      last_level: as in `Branch`.
      structures: as in `Branch`.
      needs_other_run: as in `Branch`.
      needs_next_level: as in `Branch`.
      keeps_slots: as in `Branch`.
      prunes: as in `Branch`.
      draws: as in `Branch`.
      mask_alone: as in `Branch`.
      starts_as_level: as in `Branch`.
      look: as in `Branch`.

    Returns:
      The decorator.
    """

    def add(function: Callable) -> Callable:
        branch = Branch(
            function.__name__,
            function,
            parameters_of(function),
            first_level,
            last_level,
            None if structures is None else tuple(structures),
            needs_other_run,
            needs_next_level,
            keeps_slots,
            prunes,
            draws,
            mask_alone,
            starts_as_level,
            look,
        )
        BRANCHES.add(branch.name, branch, function.__module__)
        return function

    return add


def branch_options() -> dict[str, dataclasses.Field]:
    """The parameters of all branches, by name; errors as of `shared_parameters`."""
    return shared_parameters("--branch", BRANCHES.all().values())


def branches_with(parameter: str) -> list[str]:
    """The names of the branches that have a parameter."""
    return [name for name, branch in BRANCHES.all().items() if branch.takes(parameter)]
