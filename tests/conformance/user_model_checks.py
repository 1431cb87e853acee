"""What holds for every kind of model: it is pruned, trained, rewound, saved and stripped."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.conformance.user_models import UserModel
from tf_lottery.masking.keras_versions import is_copied_as_it_is, is_graph, unmasked_class
from tf_lottery.masking.layers import leaf_layers, model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.masking.wrapper import MaskedLayer
from tf_lottery.training.network import weights_of

BATCH, EPOCHS, REWIND_STEP = 4, 2, 3


def adam(keras: ModuleType) -> Any:
    """The optimizer of most users."""
    return keras.optimizers.Adam(0.01)


def build_pair(row: UserModel, keras: ModuleType, seed: int) -> tuple[Any, Any]:
    """A dense model, and one made prunable of another that has the same weights."""
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(seed)
        models.append(row.build(keras))
    return models[0], tf_lottery.prunable(models[1], **row.arguments(keras))


def check_prunable(row: UserModel, keras: ModuleType) -> None:
    """What is prunable, how it is held, that nothing else changes; masks are set exactly."""
    dense, model = build_pair(row, keras, seed=0)
    assert sorted(tf_lottery.get_mask(model)) == sorted(row.kernels_in(keras))
    assert isinstance(model, type(dense)) and unmasked_class(model) is type(dense)
    wrapped = any(isinstance(layer, MaskedLayer) for _, layer in leaf_layers(model))
    assert wrapped == (row.holder == "wrapper" and keras is tf_keras)
    inputs = row.inputs()
    _assert_equal(model(inputs), dense(inputs))

    before, mask = weights_of(model), random_mask(model)
    tf_lottery.set_mask(model, mask)
    assert tf_lottery.get_mask(model) == mask
    for name, value in weights_of(model).items():
        kept = mask.get(name, True)
        assert value.tobytes() == np.where(kept, before[name], np.float32(0)).tobytes(), name


def train(
    row: UserModel,
    keras: ModuleType,
    make_optimizer: Callable[[ModuleType], Any] = adam,
    **compile_arguments: Any,
) -> tuple[Any, Mask]:
    """Prunes a model twice by half around `fit`, under the current strategy; checks the tickets.

    Args:
      row: the kind.
      keras: the Keras module.
      make_optimizer: from the Keras module.
      **compile_arguments: of `model.compile`.

    Returns:
      The model with the last ticket, trained, and its mask.
    """
    _, model = build_pair(row, keras, seed=0)
    inputs = row.inputs()
    generator = np.random.default_rng(1)
    targets = [
        generator.normal(size=output.shape).astype(np.float32)
        for output in tf.nest.flatten(model(inputs))
    ]
    model.compile(make_optimizer(keras), "mse", **compile_arguments)
    search = tf_lottery.IterativeMagnitudePruning(model, 2, 0.5, f"{REWIND_STEP}it", "layerwise")
    early: list[dict[str, np.ndarray]] = []
    history = search.fit(
        inputs,
        targets[0] if len(targets) == 1 else targets,
        batch_size=BATCH,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=lambda level: [] if level else [_at_rewind_step(model, early)],
    )
    sizes = [array.size for array in search.mask(0).values()]
    assert [level.weights_remaining for level in history.levels] == [
        sum(round(size * share) for size in sizes) for share in (1, 0.5, 0.25)
    ]
    assert all(row.metric in level.metrics for level in history.levels)
    _check_ticket(search, model, early[0])
    return model, search.mask(2)


def check_files(row: UserModel, keras: ModuleType, model: Any, mask: Mask, folder: Path) -> None:
    """A newly built model has the same names, and loads what is saved."""
    inputs = row.inputs()
    outputs = model(inputs)
    _, twin = build_pair(row, keras, seed=1)
    assert list(model_variables(twin)) == list(model_variables(model))
    tf_lottery.get_mask(model).save(folder / "mask.npz")
    model.save_weights(folder / "model.weights.h5")
    twin.load_weights(folder / "model.weights.h5")
    tf_lottery.set_mask(twin, Mask.load(folder / "mask.npz"))
    assert tf_lottery.get_mask(twin) == mask
    _assert_equal(twin(inputs), outputs)


def check_stripped(row: UserModel, keras: ModuleType, model: Any, folder: Path) -> None:
    """Stripped, it is a model of Keras alone, and graphs are saved and loaded as such."""
    inputs = row.inputs()
    outputs = model(inputs)
    plain = tf_lottery.strip(model)
    assert not masked_variables(plain)
    _assert_equal(plain(inputs), outputs)
    if not is_graph(plain):
        return
    plain.save(folder / "plain.keras")
    users = {kind(keras).__name__: kind(keras) for kind in row.classes}
    loaded = keras.models.load_model(folder / "plain.keras", custom_objects=users)
    _assert_equal(loaded(inputs), outputs)


def check_export(row: UserModel, keras: ModuleType, folder: Path) -> None:
    """A sparse model, exported, computes the same with TensorFlow alone."""
    _, model = build_pair(row, keras, seed=0)
    tf_lottery.set_mask(model, random_mask(model))
    inputs = row.inputs()
    tf_lottery.export_saved_model(model, folder / "ticket")
    loaded = tf.saved_model.load(str(folder / "ticket"))
    serve = loaded.signatures["serving_default"]
    # "input_10" comes after "input_9".
    specs = serve.structured_input_signature[1]
    names = sorted(specs, key=lambda name: (len(name), name))
    arrays = inputs if isinstance(inputs, list) else [inputs]
    served = serve(
        **{
            name: tf.cast(array, specs[name].dtype)
            for name, array in zip(names, arrays, strict=True)
        }
    )
    outputs = tf.nest.flatten(model(inputs))
    for name, output in zip(sorted(served), outputs, strict=True):
        np.testing.assert_allclose(served[name], output, rtol=1e-3, atol=1e-4)


def random_mask(model: Any) -> Mask:
    """Half of the weights, the same each time."""
    generator = np.random.default_rng(2)
    return Mask(
        {
            name: generator.random(array.shape) < 0.5
            for name, array in tf_lottery.get_mask(model).items()
        }
    )


def check_pruned(model: Any, mask: Mask) -> None:
    """Pruned weights are +0.0, bit for bit, on every device; the others are there."""
    strategy = model.distribute_strategy
    variables = model_variables(model)
    for name, array in mask.items():
        for component in strategy.experimental_local_results(variables[name]):
            value = component.numpy()
            assert not value[~array].view(np.uint8).any(), f"{name}: pruned weights came back"
            assert value[array].any(), name


def _check_ticket(search: Any, model: Any, early: dict[str, np.ndarray]) -> None:
    """The trained weights are masked and have moved from the rewound ones, which are exact."""
    mask, trained = search.mask(2), weights_of(model)
    assert tf_lottery.get_mask(model) == mask
    check_pruned(model, mask)
    search.restore(2, "rewind", into=model)
    for name, value in weights_of(model).items():
        kept = mask.get(name, True)
        assert value.tobytes() == np.where(kept, early[name], np.zeros_like(value)).tobytes(), name
    moved = [(trained[name] != early[name])[array] for name, array in mask.items()]
    # Some units of so sparse a network are never active.
    assert np.concatenate(moved).mean() > 0.2
    search.restore(2, into=model)
    for name, value in weights_of(model).items():
        assert value.tobytes() == trained[name].tobytes(), name
    _check_levels_side_by_side(search, model)


def _check_levels_side_by_side(search: Any, model: Any) -> None:
    """Copies are models of their own; what has no copies says so."""
    if not is_copied_as_it_is(model):
        with pytest.raises(ValueError, match=r"cannot be given as a model of its own.* into="):
            search.restore(2)
        return
    before = weights_of(model)
    copies = {level: search.restore(level) for level in (2, 0)}
    again = search.restore(2, "rewind")
    for level, copy in copies.items():
        assert tf_lottery.get_mask(copy) == search.mask(level)
        check_pruned(copy, search.mask(level))
    for name, value in weights_of(copies[2]).items():
        assert value.tobytes() == before[name].tobytes(), name
    assert tf_lottery.get_mask(again) == search.mask(2)
    assert list(model_variables(again)) == list(model_variables(model))
    for name, value in weights_of(model).items():
        assert value.tobytes() == before[name].tobytes(), name


def _at_rewind_step(model: Any, states: list[dict[str, np.ndarray]]) -> Any:
    """A callback that notes the weights at the rewind step, which is in the first epoch."""

    def note(batch: int, logs: Any) -> None:
        if batch + 1 == REWIND_STEP and not states:
            states.append(weights_of(model))

    return tf_keras.callbacks.LambdaCallback(on_batch_end=note)


def _assert_equal(outputs: Any, expected: Any) -> None:
    pairs = zip(tf.nest.flatten(outputs), tf.nest.flatten(expected), strict=True)
    for output, other in pairs:
        np.testing.assert_array_equal(output, other)
