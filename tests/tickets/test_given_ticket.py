"""A ticket's mask and weights in another network."""

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tf_lottery.masking.masks import Mask
from tf_lottery.tickets.given_ticket import GivenTicket, fit_ticket
from tf_lottery.training.network import weights_of


def network(classes):
    layers = [
        keras.layers.Dense(4, name="hidden"),
        keras.layers.Dense(classes, name="output"),
    ]
    return tf_lottery.prunable(keras.Sequential([keras.Input((3,)), *layers]))


def test_weights_that_its_run_has_lost_stay_drawn_and_so_does_an_output_of_other_classes():
    model = network(classes=2)
    drawn = weights_of(model)
    kept = np.zeros((3, 4), bool)
    kept[0] = True
    kernel = np.full((3, 4), 5.0, np.float32)
    kernel[2] = 0.0
    weights = {
        "hidden/kernel": kernel,
        "hidden/bias": np.ones(4, np.float32),
        "output/kernel": np.ones((4, 7), np.float32),
        "output/bias": np.ones(7, np.float32),
    }
    mask = Mask({"hidden/kernel": kept, "output/kernel": np.zeros((4, 7), bool)})
    fit = fit_ticket(model, GivenTicket("--ticket=x", mask, weights))
    fit.give_weights(model)
    found = weights_of(model)
    np.testing.assert_array_equal(found["hidden/kernel"][:2], 5.0)
    np.testing.assert_array_equal(found["hidden/kernel"][2], drawn["hidden/kernel"][2])
    np.testing.assert_array_equal(found["hidden/bias"], 1.0)
    np.testing.assert_array_equal(found["output/kernel"], drawn["output/kernel"])
    np.testing.assert_array_equal(found["output/bias"], drawn["output/bias"])
    assert fit.drawn == ("output",)
    np.testing.assert_array_equal(fit.mask["hidden/kernel"], kept)
    assert fit.mask["output/kernel"].all()


def test_a_network_of_other_names_is_refused():
    mask = Mask({"conv_1/kernel": np.ones((3, 3, 1, 8), bool)})
    said = "mask is of conv_1/kernel, .* are hidden/kernel, output/kernel: none has the same name"
    with pytest.raises(ValueError, match=said):
        fit_ticket(network(classes=2), GivenTicket("--ticket=x", mask, None))
