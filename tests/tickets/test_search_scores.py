"""Scores by name in searches around `model.fit`."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
import tf_keras as keras

from tests.either_keras import TF_KERAS_FAST
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.tickets.fit.evidence import scoring_batches
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of

SIZES = {"hidden/kernel": 60, "output/kernel": 30}
PLAN = PruningPlan.build(SIZES, dict.fromkeys(SIZES, 0.5), "global")
Arrays = dict[str, np.ndarray]


def gradients_by_keras(model: keras.Model, weights: Arrays, batches) -> list[Arrays]:
    """What `fit` would descend along, batch by batch, in training mode."""
    variables = model_variables(model)
    for name, variable in variables.items():
        variable.assign(weights[name])
    results = []
    for inputs, labels in batches:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(y=labels, y_pred=model(inputs, training=True))
        names = list(SIZES)
        gradients = tape.gradient(loss, [variables[name] for name in names])
        results.append({n: g.numpy() for n, g in zip(names, gradients, strict=True)})
    return results


def agreement(one: Mask, two: Mask) -> int:
    return sum(int(np.count_nonzero(one[name] == two[name])) for name in one)


@pytest.mark.parametrize("name", ["snip", pytest.param("taylor", marks=pytest.mark.slow)])
def test_gradients_are_those_of_the_compiled_loss_on_the_data_of_fit(build_model, batches, name):
    search = IterativeMagnitudePruning(build_model(), 1, 0.5, score=name)
    search.fit(batches, epochs=2, verbose=0)
    weights, dense = weights_of(search.restore(0)), search.mask(0)
    gradients = gradients_by_keras(build_model(), weights, batches)
    products = {n: np.array([weights[n] * g[n] for g in gradients]) for n in SIZES}
    scores = {
        n: np.abs(p.sum(axis=0)) if name == "snip" else (p**2).mean(axis=0)
        for n, p in products.items()
    }
    assert search.mask(1).remaining == 45
    assert agreement(search.mask(1), PLAN.prune(scores, dense, 1)) == 90


@pytest.mark.slow
def test_movement_and_magnitude_at_the_rewind_step(build_model, batches):
    for name in ("movement", "magnitude_at_rewind"):
        search = IterativeMagnitudePruning(build_model(), 1, 0.5, rewind_step="3it", score=name)
        search.fit(batches, epochs=2, verbose=0)
        early = weights_of(search.restore(0, "rewind"))
        trained = weights_of(search.restore(0))
        zero = {n: 0 if name == "magnitude_at_rewind" else trained[n] for n in SIZES}
        scores = {n: np.abs(early[n] - zero[n]) for n in SIZES}
        assert search.mask(1) == PLAN.prune(scores, search.mask(0), 1)


@pytest.mark.slow
def test_random_masks_follow_the_seed_of_keras(build_model, batches):
    masks = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        search = IterativeMagnitudePruning(build_model(), 2, 0.5, score="random")
        search.fit(batches, verbose=0)
        assert search.mask(2).remaining == round(22.5)
        masks.append([search.mask(1), search.mask(2)])
    assert masks[0] == masks[1] != masks[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "grasp", "synflow"])
def test_two_replicas(build_model, batches, mirrored, name):
    with mirrored.scope():
        model = build_model()
    search = IterativeMagnitudePruning(model, 1, 0.5, rewind_step="1it", score=name)
    search.fit(batches, verbose=0)
    assert get_mask(model).remaining == 45


@pytest.mark.slow
def test_the_callback_scores_as_the_search_does(build_model, batches):
    for name in ("synflow", "movement"):
        search = IterativeMagnitudePruning(build_model(), 1, 0.5, score=name)
        search.fit(batches, epochs=2, verbose=0)
        model = build_model()
        imp = PruneAndRewind(1, 2, 0.5, score=name)
        model.fit(batches, epochs=4, verbose=0, callbacks=[imp])
        assert get_mask(model) == search.mask(1)


def test_functions_may_look_at_the_evidence(build_model, batches):
    seen = []

    def score(weights, mask, evidence):
        seen.append(len(list(evidence.loss_gradients(weights, mask))))
        flow = evidence.synaptic_flow(weights, mask)
        return {name: flow[name] + np.abs(evidence.rewind_weights[name]) for name in mask}

    IterativeMagnitudePruning(build_model(), 2, score=score).fit(batches, verbose=0)
    assert seen == [4, 4]
    with pytest.raises(ValueError, match=r"score=.*callback does not see"):
        build_model().fit(
            batches, epochs=2, verbose=0, callbacks=[PruneAndRewind(1, 1, score=score)]
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [
        "binary_crossentropy",
        *(
            pytest.param(loss, marks=pytest.mark.slow)
            for loss in ("mse", keras.losses.MeanSquaredError())
        ),
    ],
)
def test_labels_without_an_axis_are_given_one_as_in_fit(arrays, loss):
    """Else each output would be compared with all labels."""
    x, y = arrays[0], (arrays[1] > 1).astype(int)
    scores = []
    for labels in (y, y[:, None]):
        keras.utils.set_random_seed(0)
        model = prunable(
            keras.Sequential([keras.layers.Dense(1, "sigmoid", input_shape=(6,), name="one")])
        )
        model.compile(keras.optimizers.SGD(0.1), loss)
        search = IterativeMagnitudePruning(model, 1, 0.5, score="snip")
        search.fit(x, labels, batch_size=4, shuffle=False, verbose=0)
        scores.append(search.mask(1))
    assert scores[0] == scores[1]


@TF_KERAS_FAST
@pytest.mark.parametrize("kind", ["function", "object"])
@pytest.mark.parametrize("units", [1, 3])
def test_losses_of_users_see_labels_as_in_fit(keras, kind, units):
    seen = []

    def note(labels, outputs):
        seen.append((labels.dtype.name, labels.shape.rank, outputs.shape.rank))
        return tf.reduce_mean(outputs, axis=-1)

    class Own(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return note(y_true, y_pred)

    layer = keras.layers.Dense(units, name="one")
    model = prunable(keras.Sequential([keras.Input((6,)), layer]))
    model.compile("sgd", note if kind == "function" else Own(), run_eagerly=True)
    search = IterativeMagnitudePruning(model, 0, score="snip")
    search.fit(np.zeros((4, 6), np.float32), np.arange(4), batch_size=4, verbose=0)
    # Looked at before training, and in it.
    assert len(seen) >= 2
    assert len(set(seen)) == 1


@TF_KERAS_FAST
@pytest.mark.parametrize("several", [lambda one: [one], lambda one: {"one": one}])
def test_a_list_or_mapping_of_one_loss_is_one(keras, several, arrays):
    loss, y = "sparse_categorical_crossentropy", arrays[1] % 3
    scores = []
    for given in (loss, several(loss)):
        keras.utils.set_random_seed(0)
        x = keras.Input((6,))
        model = prunable(keras.Model(x, keras.layers.Dense(3, "softmax", name="one")(x)))
        model.compile("sgd", given)
        search = IterativeMagnitudePruning(model, 1, 0.5, score="snip")
        search.fit(arrays[0], y, batch_size=16, shuffle=False, verbose=0)
        scores.append(search.mask(1))
    assert scores[0] == scores[1]


def test_several_losses_are_refused_before_training(arrays):
    x = keras.Input((6,))
    model = prunable(keras.Model(x, [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)]))
    model.compile("sgd", "mse")
    search = IterativeMagnitudePruning(model, 1, score="snip")
    labels = np.zeros((len(arrays[0]), 3), np.float32)
    with pytest.raises(ValueError, match=r"loss='mse': .*one loss, of one output"):
        search.fit(arrays[0], [labels, labels], verbose=0)


def test_scoring_batches_of_arrays():
    x, y = np.arange(3000).reshape(1500, 2), np.arange(1500)
    batches = list(scoring_batches({"in": x}, y, {"batch_size": 128, "validation_split": 0.2}))
    rows = np.concatenate([labels for _, labels in batches])
    assert len(batches) == 8
    assert len(set(rows)) == 1000
    assert rows.max() < 1200
    assert sorted(rows) != list(range(1000))
    np.testing.assert_array_equal(np.concatenate([i["in"] for i, _ in batches]), x[rows])
    ((inputs, labels),) = scoring_batches(tf.constant(x[:20]), y[:20], {})
    assert inputs.shape == (20, 2)
    assert sorted(labels) == list(range(20))


@TF_KERAS_FAST
@pytest.mark.slow
def test_sparse_matrices_are_scored_as_dense_arrays_are(arrays, keras):
    x, masks = np.where(arrays[0] > 0, arrays[0], np.float32(0)), []
    for inputs in (x, scipy.sparse.csr_matrix(x), scipy.sparse.coo_matrix(x)):
        keras.utils.set_random_seed(0)
        hidden = keras.layers.Dense(10, "relu", name="hidden")
        output = keras.layers.Dense(3, name="output")
        model = prunable(keras.Sequential([keras.Input((6,)), hidden, output]))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
        search = IterativeMagnitudePruning(model, 1, 0.5, score="taylor")
        search.fit(inputs, arrays[1], batch_size=8, shuffle=False, verbose=0)
        masks.append(search.mask(1))
    assert masks[0].remaining == 45
    assert masks[0] == masks[1] == masks[2]


def test_scoring_batches_of_data_sets():
    x, y = np.arange(3000).reshape(1500, 2), np.arange(1500)
    dataset = tf.data.Dataset.from_tensor_slices((x, y, np.ones(1500))).batch(300).repeat()
    batches = list(scoring_batches(dataset, None, {}))
    assert [labels.numpy()[0] for _, labels in batches] == [0, 300, 600, 900]


def test_what_cannot_be_scored_is_told_before_training(build_model, batches, arrays):
    model = build_model()
    x, y = arrays
    unlabelled = batches.map(lambda image, label: image)
    for data, message in (
        ((unlabelled,), "no labels"),
        ((iter([(x, y)]),), "not x of type list_iterator"),
        ((x,), "y=None: give the labels"),
    ):
        search = IterativeMagnitudePruning(model, 1, score="grasp", rewind_step="0it")
        with pytest.raises(ValueError, match=message):
            search.fit(*data, verbose=0)
    with pytest.raises(ValueError, match=r"score=magic is not"):
        IterativeMagnitudePruning(model, 1, score="magic")
    with pytest.raises(ValueError, match=r"score=.*\(weights, mask, evidence\)"):
        IterativeMagnitudePruning(model, 1, score=lambda weights, mask: weights)
    for name in ("snip", "grasp", "taylor"):
        with pytest.raises(ValueError, match=rf"score={name}: .*callback does not see"):
            PruneAndRewind(1, 1, score=name)
    assert int(model.optimizer.iterations) == 0
