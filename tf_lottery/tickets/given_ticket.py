"""A ticket in a network for other data: its mask, and its weights (arXiv 1906.02773)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.masking.units import output_kernels
from tf_lottery.messages import listed

# The layer that standardises the pixels belongs to the data, not to the ticket.
_OF_PIXELS = "normalization"


@dataclass(frozen=True)
class GivenTicket:
    """A ticket as its run has it.

    Attributes:
      flag: the flag that named the ticket, for messages.
      mask: what remains.
      weights: all weights of the ticket's network, from which training starts; None: drawn ones.
    """

    flag: str
    mask: Mask
    weights: Weights | None

    @cached_property
    def sha256(self) -> str:
        """Of the mask and the weights, with their names, types and shapes."""
        digest = hashlib.sha256()
        for name, array in sorted(self.tensors().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def tensors(self) -> dict[str, np.ndarray]:
        """The ticket as named arrays, to be stored."""
        weights = self.weights or {}
        return {f"mask/{name}": array for name, array in self.mask.items()} | {
            f"weights/{name}": np.asarray(array) for name, array in weights.items()
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], flag: str) -> GivenTicket:
        """The inverse of `tensors`."""
        mask = _below("mask/", tensors)
        return cls(flag, Mask(mask), _below("weights/", tensors) or None)


@dataclass(frozen=True)
class TicketInNetwork:
    """The part of a ticket that a network takes.

    Attributes:
      mask: the network's mask: that of the ticket, but dense in the layers in `drawn`.
      weights: the weights from which the network starts in place of drawn ones.
      drawn: names of the output layers that have another shape than the ticket's.
    """

    mask: Mask
    weights: Weights
    drawn: tuple[str, ...]

    def give_weights(self, model: Any) -> None:
        """Sets the weights of the network, which stays dense.

        The drawn value of a pruned weight stays where the ticket's run has kept none: controls with
        other masks need one.
        """
        variables = model_variables(model)
        for name, value in self.weights.items():
            if name in self.mask:
                lost = ~self.mask[name] & (value == 0)
                value = np.where(lost, variables[name].numpy(), value)
            variables[name].assign(value)


def fit_ticket(model: Any, ticket: GivenTicket) -> TicketInNetwork:
    """Finds the weights of a ticket in another network, by their names.

    Args:
      model: made by `build_prunable_model`, for other data perhaps.
      ticket: of another run.

    Returns:
      The part that the network takes. Output layers of other shapes, as for another number of
      classes, take nothing from the ticket.

    Raises:
      ValueError: if other layers differ; names them.
    """
    masked = {name: tuple(weight.shape) for name, (weight, _) in masked_variables(model).items()}
    shapes = {
        name: tuple(variable.shape)
        for name, variable in model_variables(model).items()
        if name.split("/")[0] != _OF_PIXELS
    }
    if not set(masked) & set(ticket.mask):
        raise ValueError(
            f"{ticket.flag}: its mask is of {listed(ticket.mask)}, and the network's prunable "
            f"weights are {listed(masked)}: none has the same name. Give the same --model."
        )
    outputs = {_layer(name) for name in output_kernels(model)} | {_layer(list(shapes)[-1])}
    masks = {name: array.shape for name, array in ticket.mask.items()}
    theirs = {name: np.shape(value) for name, value in (ticket.weights or {}).items()}
    drawn, problems = set(), []
    for wanted, found, what in (
        (masked, masks, "mask"),
        (shapes if theirs else {}, theirs, "weight"),
    ):
        for name, shape in wanted.items():
            if name not in found:
                problems.append(f"it has no {what} of that name: {name}")
            elif found[name] != shape and _layer(name) in outputs:
                drawn.add(_layer(name))
            elif found[name] != shape:
                problems.append(f"{name} has shape {found[name]} in it and {shape} in the network")
    problems += [f"the network has no mask of {name}" for name in masks if name not in masked]
    if problems:
        raise ValueError(
            f"{ticket.flag}: {listed(dict.fromkeys(problems), between='; ')}. Give the same "
            "--model and --exclude as its run, and images of the same shape; only output "
            "layers may differ."
        )
    return TicketInNetwork(
        Mask(
            {
                name: np.ones(shape, bool) if _layer(name) in drawn else ticket.mask[name]
                for name, shape in masked.items()
            }
        ),
        {
            name: value
            for name, value in (ticket.weights or {}).items()
            if name in shapes and _layer(name) not in drawn
        },
        tuple(sorted(drawn)),
    )


def _layer(weight: str) -> str:
    return weight.rpartition("/")[0]


def _below(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
