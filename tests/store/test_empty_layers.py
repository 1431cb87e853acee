"""Which layers have no weight left, by their names."""

from tf_lottery.store.empty_layers import empty_layers, no_weight_remains


def test_layers_are_named_and_not_their_kernels():
    remaining = {"conv_1/kernel": 0, "block/conv_2/kernel": 3, "block/conv_3/kernel": 0, "w": 0}
    assert empty_layers(remaining) == ("conv_1", "block/conv_3", "w")
    assert empty_layers(dict.fromkeys(remaining, 1)) == ()
    assert empty_layers({}) == ()


def test_of_a_layer_with_weights_left_the_array_is_named():
    names = ("lstm/kernel", "lstm/recurrent_kernel", "separable/depthwise", "separable/pointwise")
    assert empty_layers(dict(zip(names, (0, 5, 0, 0), strict=True))) == ("lstm/kernel", "separable")
    assert empty_layers(dict(zip(names, (5, 0, 1, 1), strict=True))) == ("lstm/recurrent_kernel",)


def test_a_long_list_of_layers_is_cut_short():
    layers = [f"conv_{number}" for number in range(1, 12)]
    assert no_weight_remains(layers[:2]) == "no weight remains in conv_1, conv_2"
    assert no_weight_remains(layers[:8]).endswith("conv_7, conv_8")
    assert no_weight_remains(layers).endswith("conv_8 and 3 more")
