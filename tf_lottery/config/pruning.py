"""Options of pruning and rewinding."""

from dataclasses import dataclass
from typing import Any, Literal

from tf_lottery.config.arguments import MOST_LEVELS
from tf_lottery.config.layer_patterns import read_layer_rates, read_patterns
from tf_lottery.config.options import (
    at_least,
    below_one,
    between,
    check_options,
    fraction,
    option,
    positive,
    refuse_together,
    require,
)
from tf_lottery.config.training import read_point

Structure = Literal["weights", "units", "2:4", "1x4"]
PruneFrom = Literal["previous_level", "dense", "rewind_step"]
PruningScope = Literal["global", "layerwise"]
Retraining = Literal["rewind_weights", "rewind_learning_rate", "fine_tune"]

# The papers' rate, to which the rates of single layers are in proportion where rates are chosen.
NOMINAL_RATE = 0.2

_RATES_OF_LAYERS = ("conv_pruning_rate", "first_layer_pruning_rate", "output_pruning_rate")


def _read_rates(flag: str, text: Any) -> tuple[float, ...]:
    """Reads the rates of levels 1, 2, ...; none of an empty text."""
    try:
        rates = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        rates = (0.0,)
    require(
        all(0 < rate < 1 for rate in rates),
        *(flag.removeprefix("--"), text, "use fractions between 0 and 1, such as 0.5,0.3,0.2"),
    )
    return rates


@dataclass(frozen=True)
class PruningConfig:
    """How much is pruned, where, and what the survivors return to."""

    levels: int = option(
        10,
        "Number of prunings; level 0 is the dense network. With --run: the levels to take, such as "
        "0-5,8; unset: all that are finished.",
        within=between(0, MOST_LEVELS),
    )
    target_density: float | None = option(
        None,
        "In place of --levels: prune until this fraction of the weights remains, the last time "
        "only as much as it takes.",
        within=fraction("use a fraction between 0 and 1, such as 0.05"),
    )
    pruning_rate: float | Literal["auto"] = option(
        0.2,
        "Fraction of the remaining weights removed at each level; auto: as many as the training "
        "loss allows.",
        within=fraction("use a fraction between 0 and 1, such as 0.2, or auto"),
    )
    auto_loss_rise: float = option(
        0.1,
        "With --pruning_rate=auto: by how much a pruning may raise the loss of --score_examples "
        "training examples, in nats, before the network is trained again.",
        within=positive(),
    )
    auto_least_rate: float = option(
        0.05,
        "With --pruning_rate=auto: fraction that is removed in any case.",
        within=fraction("use a fraction between 0 and 1"),
    )
    auto_most_rate: float = option(
        0.9,
        "With --pruning_rate=auto: fraction that is removed at most.",
        within=fraction("use a fraction between 0 and 1"),
    )
    pruning_rates: str = option(
        "",
        "In place of --pruning_rate: those of level 1, 2, ..., such as 0.5,0.3,0.2; the last one "
        "holds for all that follow.",
        reads=_read_rates,
    )
    conv_pruning_rate: float | None = option(
        None,
        "Rate for convolutions; unset: as --pruning_rate. 0 leaves them dense. With auto, a rate r "
        "of layers means log(1 - r) / log(1 - 0.2) times as far as the others.",
        within=below_one("rate"),
    )
    first_layer_pruning_rate: float | None = option(
        None,
        "Rate for the first layer; unset: as its kind. 0 leaves it dense.",
        within=below_one("rate"),
    )
    output_pruning_rate: float | None = option(
        None,
        "Rate for the output layer; unset: as --pruning_rate. 0 leaves it dense.",
        within=below_one("rate"),
    )
    pruning_rates_by_layer: str = option(
        "",
        "Rates of layers by name: PATTERN:RATE,..., such as block_1*:0.1,output:0; the last "
        "pattern that matches counts, before the three rates above. 0 leaves a layer dense.",
        reads=read_layer_rates,
    )
    exclude: str = option(
        "",
        "Layers that are not pruned and do not count in the density, by name: PATTERN,..., such as "
        "conv1,block_1*.",
        reads=read_patterns,
    )
    score: str = option(
        "magnitude",
        "What the weights are judged by, the lowest being pruned.",
    )
    score_examples: int = option(
        1000,
        "Training examples from which taylor, snip and grasp take their gradients, and "
        "--pruning_rate=auto its losses.",
        within=at_least(1),
    )
    structure: Structure = option(
        "weights",
        "What is removed: single weights; units: whole units and filters; 2:4: two of every four "
        "weights in a row, once; 1x4: blocks of four consecutive inputs of a unit of Dense layers.",
    )
    compact_training: bool = option(
        True,
        "With --structure=units: train each level as the small network that its masks leave; "
        "--nocompact_training: as the whole network, masked.",
    )
    prune_from: PruneFrom = option(
        "previous_level",
        "The network that is judged and pruned: the one that the level before trained "
        "(iterative); dense: the one that level 0 trained, straight to the level's density "
        "(one-shot); rewind_step: the one at the rewind step, before training.",
    )
    pruning_scope: PruningScope = option(
        "global",
        "global: weights of all layers compete (layers of another rate among themselves); "
        "layerwise: within each layer.",
    )
    rewind_step: str = option(
        "0it",
        "The survivors return to their values at this step: 0it, 500it, 2ep, 1% ... A bare number "
        "is one of iterations.",
        reads=read_point,
    )
    rewind_optimizer: bool = option(
        False,
        "Rewind the optimizer as well, its slots and its step count; by default it starts afresh.",
    )
    retraining: Retraining = option(
        "rewind_weights",
        "How a pruned network is trained: from the weights and the learning rate of the rewind "
        "step; rewind_learning_rate: from its trained weights, with the learning rate of the "
        "rewind step; fine_tune: from its trained weights, with --fine_tune_learning_rate.",
    )

    def __post_init__(self):
        require(
            not isinstance(self.pruning_rate, float) or self.pruning_rate != 0,
            *("pruning_rate", self.pruning_rate),
            "use a fraction between 0 and 1, such as 0.2, or auto; to prune some layers alone, "
            "such as conv1, give --pruning_rates_by_layer=*:0,conv1:0.2",
        )
        check_options(self)
        _check_adaptive_rate(self)
        _check_density(self)
        _check_structure(self)
        _check_retraining(self)

    @property
    def adaptive(self) -> bool:
        """Whether each level's pruning rate is chosen when it is pruned."""
        return self.pruning_rate == "auto"

    @property
    def rates(self) -> float | tuple[float, ...]:
        """The pruning rate of layers that have none of their own, or those of level 1, 2, ...

        If it is chosen: `NOMINAL_RATE`.
        """
        if self.pruning_rate == "auto":
            return NOMINAL_RATE
        if not self.pruning_rates:
            return self.pruning_rate
        return _read_rates("--pruning_rates", self.pruning_rates)


def _check_adaptive_rate(pruning: PruningConfig) -> None:
    if not pruning.adaptive:
        for name in ("auto_loss_rise", "auto_least_rate", "auto_most_rate"):
            value, default = getattr(pruning, name), getattr(type(pruning), name)
            clash = ("pruning_rate", pruning.pruning_rate, "it is for --pruning_rate=auto")
            refuse_together(value != default, name, value, *clash)
        return
    least, most, density = pruning.auto_least_rate, pruning.auto_most_rate, pruning.target_density
    refuse_together(
        least > most,
        *("auto_most_rate", most, "auto_least_rate", least),
        f"use a fraction from {least} to below 1",
    )
    refuse_together(
        density is not None and (1 - least) ** MOST_LEVELS > density,
        *("auto_least_rate", least, "target_density", density),
        f"it could take more than {MOST_LEVELS} levels; use a higher rate",
    )
    for name, right in (
        ("pruning_rates", ""),
        ("prune_from", "previous_level"),
        ("structure", "weights"),
    ):
        value, use = getattr(pruning, name), f"use {right}" if right else "leave it out"
        refuse_together(value != right, name, value, "pruning_rate", "auto", use)


def _check_density(pruning: PruningConfig) -> None:
    refuse_together(
        pruning.target_density is not None and bool(pruning.pruning_rates),
        *("target_density", pruning.target_density, "pruning_rates", pruning.pruning_rates),
        "the rates say how many weights remain; leave one of the two out",
    )


def _check_structure(pruning: PruningConfig) -> None:
    structure = ("structure", pruning.structure)
    if pruning.structure == "2:4":
        once = "it halves the weights once, so use --levels=1 --pruning_rate=0.5"
        for name, value, right in (
            ("levels", pruning.levels, pruning.levels == 1),
            ("pruning_rate", pruning.pruning_rate, pruning.rates == 0.5),
            ("target_density", pruning.target_density, pruning.target_density is None),
        ):
            refuse_together(not right, *structure, name, value, once)
        for name in _RATES_OF_LAYERS:
            rate = getattr(pruning, name)
            right = "it halves a layer or leaves it dense; use 0, or leave it out"
            refuse_together(rate not in (None, 0, 0.5), name, rate, *structure, right)
        rates = read_layer_rates("--pruning_rates_by_layer", pruning.pruning_rates_by_layer)
        refuse_together(
            any(rate not in (0, 0.5) for _, rate in rates),
            *("pruning_rates_by_layer", pruning.pruning_rates_by_layer, *structure),
            "it halves a layer or leaves it dense; use rates of 0 or 0.5",
        )
    refuse_together(
        pruning.structure == "units" and bool(pruning.output_pruning_rate),
        *("output_pruning_rate", pruning.output_pruning_rate, *structure),
        "the output units, which are the classes, stay; leave the rate out",
    )
    refuse_together(
        pruning.structure == "1x4" and bool(pruning.conv_pruning_rate),
        *("conv_pruning_rate", pruning.conv_pruning_rate, *structure),
        "it prunes Dense layers alone; use 0, or leave it out",
    )


def _check_retraining(pruning: PruningConfig) -> None:
    retraining = ("retraining", pruning.retraining)
    rewinds = pruning.retraining == "rewind_weights"
    refuse_together(
        pruning.prune_from == "rewind_step" and not rewinds,
        *(*retraining, "prune_from", pruning.prune_from),
        "an untrained network is pruned; use --retraining=rewind_weights",
    )
    refuse_together(
        pruning.rewind_optimizer and not rewinds,
        *("rewind_optimizer", pruning.rewind_optimizer, *retraining),
        "the weights are not rewound; use --retraining=rewind_weights",
    )
