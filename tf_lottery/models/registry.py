"""Models by name: every architecture registers itself with the name, or names, it goes by.

Without TensorFlow, for which a wrong name need not wait.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tf_lottery.models.own_networks import (
    check_own,
    find_architecture,
    is_own,
    module_of,
    refuse_module_alone,
    returning_logits,
)
from tf_lottery.registry import Registry

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Family:
    """An architecture and its names.

    Attributes:
      architecture: connects it, as `register_model` says.
      pattern: the name, or a regular expression for the names of a whole family.
      examples: names of the family that can be built, the cheapest first.
      shown: what lists of models show.
      spelled: names that are suggested in place of a similar unknown one.
      users_module: of a function of the user's; None of the package's own networks.
    """

    architecture: Callable[..., tf.Tensor]
    pattern: str
    examples: tuple[str, ...]
    shown: tuple[str, ...]
    spelled: tuple[str, ...]
    users_module: str | None = None

    @property
    def takes_dropout(self) -> bool:
        """Whether the architecture has a place for dropout, its argument `dropout`."""
        return "dropout" in inspect.signature(self.architecture).parameters

    def match(self, name: str) -> tuple[str | None, ...] | None:
        """The texts that the pattern's groups match; None if it is no name of the family."""
        found = re.fullmatch(self.pattern, name)
        return found and found.groups()


FAMILIES: Registry[Family] = Registry("model", "--model", "tf_lottery.models.families")


def register_model(
    pattern: str,
    *,
    examples: Sequence[str] = (),
    shown: Sequence[str] = (),
    spelled: Sequence[str] = (),
) -> Callable[[Callable], Callable]:
    """Registers an architecture under its name.

    The decorated function maps `(inputs, classes, *groups)` to logits `[batch, classes]`, in plain
    Keras: `inputs` are standardised pixels, a `keras.Input`; `classes` is the number of logits;
    `groups` are the texts that the pattern's groups matched, None for a group left out. An argument
    `dropout` more is that of `--dropout`, which other architectures do not have. How
    kernels are drawn and batches normalized, and in which dtypes, is not its concern. It gives
    layers names that tell where they are, since masks are stored by them, and raises
    `UnsuitableInputError` for inputs of a shape that it cannot take.

    Args:
      pattern: the name, or a regular expression for the names of a whole family.
      examples: names of the family that can be built, the cheapest first; for a plain name, the
        name itself.
      shown: what lists of models show; by default the examples.
      spelled: names that are suggested in place of a similar unknown one; by default the examples.

    Returns:
      The decorator.
    """

    def add(architecture: Callable) -> Callable:
        given, module = tuple(examples) or (pattern,), architecture.__module__
        users_module = None if module.startswith("tf_lottery.") else module
        family = Family(
            architecture,
            pattern,
            given,
            tuple(shown) or given,
            tuple(spelled) or given,
            users_module,
        )
        FAMILIES.add(pattern, family, module)
        return architecture

    return add


def model_names() -> list[str]:
    """Returns what `--model` accepts, for people: names, and patterns such as "lenet_N_M_…"."""
    shown = (name for family in FAMILIES.all().values() for name in family.shown)
    return [*sorted(shown), "MODULE:FUNCTION"]


def example_models() -> list[str]:
    """Returns names that `build_model` accepts, at least one of every registered architecture."""
    return sorted(name for family in FAMILIES.all().values() for name in family.examples)


def check_model_name(name: str, dropout: float = 0.0) -> None:
    """Checks that `build_model` knows a name.

    Args:
      name: a name as given to `--model`.
      dropout: as given to `--dropout`.

    Raises:
      ValueError: if the name is unknown, or if the model has no place for dropout; says which are
        known, or have one.
    """
    if is_own(name):
        check_own(name)
    else:
        find_family(name)
    if dropout and (is_own(name) or not find_family(name)[0].takes_dropout):
        families = FAMILIES.all().values()
        takers = sorted(name for each in families if each.takes_dropout for name in each.shown)
        raise ValueError(
            f"--dropout={dropout} is for {', '.join(takers)}, and not for --model={name}; leave it "
            "out."
        )


def find_family(name: str) -> tuple[Family, tuple[str | None, ...]]:
    """Finds the architecture of a name.

    Args:
      name: as given to `--model`.

    Returns:
      The family, and the texts that its pattern's groups matched.

    Raises:
      ValueError: if the name is unknown, and says which are known, and which may have been meant;
        or if it is that of two.
    """
    if is_own(name):
        names = (name,)
        return Family(find_architecture(name), name, names, names, names, module_of(name)), ()
    families = FAMILIES.all().values()
    fitting = {key: one for key, one in FAMILIES.all().items() if one.match(name) is not None}
    FAMILIES.check_only_one(name, list(fitting))
    for family in fitting.values():
        if family.users_module is not None:
            checked = returning_logits(name, family.architecture)
            family = replace(family, architecture=checked)
        return family, family.match(name) or ()
    refuse_module_alone(name)
    spelled = {text.lower(): text for family in families for text in family.spelled}
    raise FAMILIES.unknown(name, model_names(), spelled)
