"""Networks with weights that tell every unit from the others, and with their units permuted."""

from typing import Any

import numpy as np

import tf_lottery
from tests.exporting.compact_checks import randomize
from tf_lottery.exporting.compaction.exchangeable import exchangeable_units
from tf_lottery.landscape.solutions import Solution
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.permutations import ExchangeableUnits, permuted
from tf_lottery.models.build import build_model
from tf_lottery.training.network import set_weights, weights_of


def program_network(name: str, side: int) -> Any:
    """A prunable network of the program's for images of 3 channels."""
    model = build_model(name, (side, side, 3), 4, 1, ([0.1], [2.0]), initializer="he_normal")
    return tf_lottery.prunable(model)


def solution_of(model: Any, density: float = 1.0) -> Solution:
    """Draws biases and statistics of a prunable model, and a mask; sets them."""
    standardised = {name: array for name, array in weights_of(model).items() if "normal" in name}
    randomize(model)
    random = np.random.default_rng(0)
    mask = Mask(
        {
            name: random.random(array.shape) < density
            for name, array in tf_lottery.get_mask(model).items()
        }
    )
    weights = weights_of(model)
    weights |= {name: a for name, a in standardised.items() if name.startswith("normalization/")}
    weights = mask.apply(weights)
    set_weights(model, weights, mask)
    return Solution("own", weights, mask)


def with_units_permuted(
    model: Any, solution: Solution
) -> tuple[Solution, list[ExchangeableUnits], list[np.ndarray]]:
    """The solution in a random order of units, the groups of these, and their orders."""
    groups = exchangeable_units(model)
    random = np.random.default_rng(1)
    orders = [_moving_all(random.permutation(group.count)) for group in groups]
    weights = permuted(solution.weights, groups, orders)
    return (
        Solution("permuted", weights, Mask(permuted(solution.mask, groups, orders))),
        groups,
        orders,
    )


def _moving_all(places: np.ndarray) -> np.ndarray:
    """An order in which each unit is at another place than its own."""
    order = np.empty_like(places)
    order[places] = np.roll(places, 1)
    return order
