"""Layers that flags choose by kind, place and name."""

import pytest
import tf_keras as keras

from tf_lottery.masking.prunable import prunable
from tf_lottery.store.identity import Identity
from tf_lottery.tickets.chosen_layers import choose_layers, chosen_by_name, layers_with_kernels


@pytest.fixture(scope="module")
def model() -> keras.Model:
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(2, 3, name="conv_1"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Conv2D(2, 3, name="conv_2"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(4, name="hidden"),
        keras.layers.Dense(3, name="output"),
    ]
    return keras.Sequential(layers)


@pytest.mark.parametrize(
    ("flags", "excluded", "rates"),
    [
        ({}, [], {}),
        ({"exclude": "conv*"}, ["conv_1", "conv_2"], {}),
        ({"exclude": "output, conv_[2]"}, ["conv_2", "output"], {}),
        (
            {"pruning_rates_by_layer": "*:0,conv_2:0.3"},
            *([], {"conv_1": 0, "conv_2": 0.3, "hidden": 0, "output": 0}),
        ),
        (
            {"pruning_rates_by_layer": "conv_2:0.3,*:0.1", "exclude": "hidden"},
            *(["hidden"], {"conv_1": 0.1, "conv_2": 0.1, "output": 0.1}),
        ),
        (
            {"conv_pruning_rate": 0.1, "output_pruning_rate": 0.2, "exclude": "output"},
            *(["output"], {"conv_1": 0.1, "conv_2": 0.1}),
        ),
        (
            {
                "conv_pruning_rate": 0.1,
                "first_layer_pruning_rate": 0.0,
                "pruning_rates_by_layer": "conv_1:0.5",
            },
            *([], {"conv_1": 0.5, "conv_2": 0.1}),
        ),
    ],
)
def test_what_is_chosen(flags, excluded, rates, model):
    chosen = choose_layers(Identity(flags), layers_with_kernels(model))
    assert (chosen.excluded, chosen.rates) == (excluded, rates)


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (
            {"exclude": "Conv*"},
            "--exclude=Conv*: Conv* matches no layer that can be pruned; there are conv_1, conv_2, "
            "hidden, output.",
        ),
        (
            {"pruning_rates_by_layer": "conv_1:0.1,norm:0"},
            "--pruning_rates_by_layer=conv_1:0.1,norm:0: norm matches no layer that can be pruned; "
            "there are conv_1, conv_2, hidden, output.",
        ),
        ({"exclude": "*"}, "--exclude=*: it leaves nothing to prune"),
        (
            {"exclude": "conv*", "pruning_rates_by_layer": "conv_1:0.1"},
            "does not go with --exclude=conv*: all layers that match conv_1 are excluded.",
        ),
    ],
)
def test_what_is_refused(flags, error, model):
    with pytest.raises(ValueError) as refused:
        choose_layers(Identity(flags), layers_with_kernels(model))
    assert error in str(refused.value)


def test_what_patterns_match_is_told_also_of_a_masked_model(model):
    flags = {"exclude": "conv_1", "pruning_rates_by_layer": "*:0,output:0.25"}
    masked = prunable(model, exclude=["conv_1"])
    told = chosen_by_name(Identity(flags), layers_with_kernels(masked))
    assert told == {
        "--exclude=conv_1": "not pruned: conv_1",
        "--pruning_rates_by_layer=*:0,output:0.25": "* (0): conv_2, hidden; output (0.25): output",
    }
