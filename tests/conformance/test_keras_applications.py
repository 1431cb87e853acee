"""Networks of `keras.applications` of either Keras, pruned, trained, stripped and exported."""

from pathlib import Path
from types import ModuleType

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.conformance.user_model_checks import check_pruned
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.wrapper import MaskedLayer
from tf_lottery.training.network import weights_of

SIZE, CLASSES, EXAMPLES, BATCH = 32, 3, 16, 8
KERNELS = {"EfficientNetV2B0": 92, "MobileNetV3Small": 54}


@pytest.mark.slow
@pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras"])
@pytest.mark.parametrize("name", KERNELS)
def test_a_network_of_keras_from_pruning_to_export(name: str, keras: ModuleType, tmp_path: Path):
    random = np.random.default_rng(0)
    x = random.uniform(0, 255, (EXAMPLES, SIZE, SIZE, 3)).astype(np.float32)
    y = random.integers(0, CLASSES, EXAMPLES)
    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, name)
    dense = build(weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES)
    model = tf_lottery.prunable(dense)
    np.testing.assert_array_equal(model(x), dense(x))
    assert len(tf_lottery.get_mask(model)) == KERNELS[name]
    wrapped = any(isinstance(layer, MaskedLayer) for _, layer in leaf_layers(model))
    assert wrapped == (keras is tf_keras)

    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    search = tf_lottery.IterativeMagnitudePruning(model, 2, 0.5, "1it", "layerwise")
    history = search.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    sizes = [array.size for array in search.mask(0).values()]
    assert [level.weights_remaining for level in history.levels] == [
        sum(round(size * share) for size in sizes) for share in (1, 0.5, 0.25)
    ]
    mask = search.mask(2)
    assert tf_lottery.get_mask(model) == mask
    check_pruned(model, mask)
    trained = weights_of(model)
    search.restore(2, "rewind", into=model)
    rewound = weights_of(model)
    assert np.concatenate([(trained[n] != rewound[n])[mask[n]] for n in mask]).mean() > 0.5
    search.restore(2, into=model)

    outputs = np.asarray(model(x))
    plain = tf_lottery.strip(model)
    np.testing.assert_array_equal(plain(x), outputs)
    plain.save(tmp_path / "plain.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "plain.keras")(x), outputs)
    tf_lottery.export_saved_model(model, tmp_path / "ticket")
    serve = tf.saved_model.load(str(tmp_path / "ticket")).signatures["serving_default"]
    (served,) = serve(tf.constant(x)).values()
    np.testing.assert_allclose(served, outputs, rtol=1e-3, atol=1e-4)
