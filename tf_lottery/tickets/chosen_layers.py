"""Which layers of an experiment's network are pruned, and at which rates of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tf_keras as keras

from tf_lottery.config.layer_patterns import layers_like, read_layer_rates, read_patterns
from tf_lottery.masking.layer_kinds import kernel_attributes
from tf_lottery.masking.layers import leaf_layers, unwrapped
from tf_lottery.store.identity import Identity


@dataclass(frozen=True)
class ChosenLayers:
    """What `prunable` is told of an experiment's network.

    Attributes:
      excluded: names of layers without masks.
      rates: pruning rates of other layers, where they have one of their own.
    """

    excluded: list[str]
    rates: dict[str, float]


Layers = Mapping[str, keras.layers.Layer]


def layers_with_kernels(model: keras.Model) -> Layers:
    """The layers that can be pruned by name, in the order of the network; masked or not."""
    layers = {path: unwrapped(layer) for path, layer in leaf_layers(model)}
    return {path: layer for path, layer in layers.items() if kernel_attributes(layer)}


def choose_layers(identity: Identity, layers: Layers) -> ChosenLayers:
    """Reads the flags that tell layers apart, by kind, place and name.

    Args:
      identity: the flags.
      layers: as of `layers_with_kernels`.

    Raises:
      ValueError: if a pattern matches no layer, all are excluded, or so are those of a rate.
    """
    names = list(layers)
    excluded = _excluded(identity, names)
    if len(excluded) == len(names):
        raise ValueError(
            f"--exclude={identity.exclude}: it leaves nothing to prune; there are "
            f"{', '.join(names)}."
        )
    rates: dict[str, float | None] = {
        name: None if isinstance(layer, keras.layers.Dense) else identity.conv_pruning_rate
        for name, layer in layers.items()
    }
    if identity.first_layer_pruning_rate is not None:
        rates[names[0]] = identity.first_layer_pruning_rate
    if identity.output_pruning_rate is not None:
        rates[names[-1]] = identity.output_pruning_rate
    for pattern, (rate, matching) in _rates_by_pattern(identity, names).items():
        if set(matching) <= set(excluded):
            raise ValueError(
                f"--pruning_rates_by_layer={identity.pruning_rates_by_layer} does not go with "
                f"--exclude={identity.exclude}: all layers that match {pattern} are excluded."
            )
        rates |= dict.fromkeys(matching, rate)
    own = {name: rate for name, rate in rates.items() if rate is not None and name not in excluded}
    return ChosenLayers(excluded, own)


def chosen_by_name(identity: Identity, layers: Layers) -> Mapping[str, str]:
    """What the patterns of two flags match: flag with its value to a sentence for users."""
    names, told = list(layers), {}
    if excluded := _excluded(identity, names):
        told[f"--exclude={identity.exclude}"] = f"not pruned: {', '.join(excluded)}"
    pattern_of = {
        name: f"{pattern} ({rate:g})"
        for pattern, (rate, matching) in _rates_by_pattern(identity, names).items()
        for name in matching
        if name not in excluded
    }
    matches = [
        f"{pattern}: {', '.join(name for name in pattern_of if pattern_of[name] == pattern)}"
        for pattern in dict.fromkeys(pattern_of.values())
    ]
    if matches:
        told[f"--pruning_rates_by_layer={identity.pruning_rates_by_layer}"] = "; ".join(matches)
    return told


def _excluded(identity: Identity, names: Sequence[str]) -> list[str]:
    found: set[str] = set()
    for pattern in read_patterns("--exclude", identity.exclude):
        found.update(layers_like(pattern, names, "--exclude", identity.exclude))
    return [name for name in names if name in found]


def _rates_by_pattern(
    identity: Identity, names: Sequence[str]
) -> dict[str, tuple[float, list[str]]]:
    flag, value = "--pruning_rates_by_layer", identity.pruning_rates_by_layer
    return {
        pattern: (rate, layers_like(pattern, names, flag, value))
        for pattern, rate in read_layer_rates(flag, value)
    }
