"""Networks of common tasks and ways of fitting, in either Keras: levels, masks and files."""

from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.conformance import own_trainings as trainings
from tests.conformance import way_checks as checks
from tests.conformance import ways_of_fitting as ways
from tests.conformance.user_model_checks import check_pruned
from tests.conformance.ways_of_fitting import BATCH, BATCHES, EPOCHS, WAYS
from tf_lottery.training.network import weights_of

FAST = {("class_weight", tf_keras)}


def _case(name: str, keras: ModuleType):
    marks = () if (name, keras) in FAST else pytest.mark.slow
    return pytest.param(name, keras, marks=marks, id=f"{name}-{keras.__name__}")


@pytest.mark.parametrize(
    ("name", "keras"), [_case(name, keras) for name, row in WAYS.items() for keras in row.in_keras]
)
def test_way(name: str, keras: ModuleType, tmp_path):
    checks.check_way(name, keras, tmp_path)


BOTH = pytest.mark.parametrize("keras", [tf_keras, keras_3])


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("kind", ["adversarial", "contrastive"])
def test_own_loop_with_an_optimizer_beside_that_of_the_search(
    kind: str, keras: ModuleType, tmp_path
):
    keras.utils.set_random_seed(0)
    inputs = trainings.CODE if kind == "adversarial" else 6
    outputs = 6 if kind == "adversarial" else 3
    row = ways.Way(lambda keras: trainings.dense_layers(keras, "pruned", inputs, outputs))
    model = tf_lottery.prunable(row.build(keras))
    optimizer = keras.optimizers.Adam(0.01)
    search = tf_lottery.IterativeMagnitudePruning(
        model, 2, 0.5, "3it", "layerwise", optimizer=optimizer
    )
    loop = trainings.adversarial_loop if kind == "adversarial" else trainings.contrastive_loop
    search.run(loop(keras, model, optimizer), iterations=12, verbose=False)
    checks.check_levels(search, model, 12)
    checks.check_files(row, keras, model, tmp_path)


@BOTH
def test_several_optimizers_of_a_model_are_refused(keras: ModuleType):
    model = trainings.two_optimizers_class(keras)(
        trainings.dense_layers(keras, "generator", trainings.CODE, 6),
        trainings.dense_layers(keras, "discriminator", 6, 1),
    )
    model(np.zeros((1, trainings.CODE), np.float32))
    model = tf_lottery.prunable(model)
    model.compile(keras.optimizers.Adam(), keras.optimizers.SGD())
    words = r"adversaries has several optimizers: .*of_generator \(Adam\), of_discriminator \(SGD\)"
    with pytest.raises(ValueError, match=words + r".* search rewinds one.*optimizer=.*search\.run"):
        tf_lottery.IterativeMagnitudePruning(model, 1)
    tf_lottery.IterativeMagnitudePruning(model, 1, optimizer=model.of_generator)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("how", ["student first", "teacher excluded", "teacher frozen"])
def test_distillation_prunes_the_student_alone(how: str, keras: ModuleType, tmp_path):
    keras.utils.set_random_seed(0)
    row = ways.Way(
        lambda keras: trainings.dense_layers(keras, "student", 6, 3),
        classes=(trainings.distiller_class,),
    )

    def build_prunable() -> Any:
        student, teacher = row.build(keras), trainings.dense_layers(keras, "teacher", 6, 3)
        teacher.trainable = how != "teacher frozen"
        if how == "student first":
            student = tf_lottery.prunable(student)
        model = trainings.distiller_class(keras)(student, teacher)
        model(trainings.X)
        if how == "teacher excluded":
            return tf_lottery.prunable(model, exclude=["teacher"])
        if how == "teacher frozen":
            with pytest.warns(UserWarning, match="frozen layers are left out of pruning: teacher"):
                return tf_lottery.prunable(model)
        return model

    model = build_prunable()
    teacher = model.teacher
    assert {name.split("/")[0] for name in tf_lottery.get_mask(model)} == {"student"}
    before = weights_of(teacher)
    model.compile(keras.optimizers.Adam(0.01))
    search = tf_lottery.IterativeMagnitudePruning(model, 2, 0.5, "3it", "layerwise")
    search.fit(trainings.X, trainings.Y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)
    checks.check_levels(search, model, BATCHES * EPOCHS)
    for name, value in weights_of(teacher).items():
        np.testing.assert_array_equal(value, before[name])
    if how == "student first":
        checks.check_files(row, keras, model.student, tmp_path)
    else:
        files = {"inputs": trainings.X, "build_prunable": build_prunable}
        checks.check_files(row, keras, model, tmp_path, **files)


@pytest.mark.slow
@BOTH
def test_two_mirrored_devices(keras: ModuleType, mirrored: tf.distribute.Strategy, tmp_path):
    with mirrored.scope():
        search, model = checks.searched(WAYS["arrays"], keras)
        checks.check_levels(search, model, BATCHES * EPOCHS)
    checks.check_files(WAYS["arrays"], keras, model, tmp_path)


@pytest.mark.slow
@BOTH
def test_callbacks_that_write_change_nothing(keras: ModuleType, tmp_path):
    row = WAYS["arrays"]
    callbacks = ways.saving_callbacks(keras, tmp_path)
    with pytest.warns(UserWarning) as told:
        search, model = checks.searched(row, keras, callbacks=callbacks)
    said = " ".join(str(each.message) for each in told)
    assert "is one for all levels, and its file will hold the best" in said
    assert "CSVLogger begins its file anew with each level" in said
    checks.check_levels(search, model, BATCHES * EPOCHS)
    checks.check_same(model, checks.searched(row, keras)[1])
    kept = keras.models.load_model(tmp_path / "kept.keras")
    assert tf_lottery.get_mask(kept) == search.mask(2)
    checks.check_same(kept, model)
    assert list((tmp_path / "logs").rglob("events*"))


@pytest.mark.slow
@BOTH
def test_base_frozen_then_unfrozen(keras: ModuleType, tmp_path):
    """The head is trained on the frozen base first; then both are pruned."""
    keras.utils.set_random_seed(0)
    row = WAYS["preprocessing and augmentation in the model"]
    model = row.build(keras)
    x = ways.inputs_of(model)
    y = ways.targets_of(row, model(x))
    base = model.get_layer("base")
    base.trainable = False
    with pytest.warns(UserWarning, match="frozen layers are left out of pruning: base/conv_1"):
        head = tf_lottery.prunable(model)
    assert list(tf_lottery.get_mask(head)) == ["output/kernel"]
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, batch_size=BATCH, verbose=0)
    base.trainable = True
    model = tf_lottery.prunable(model)
    assert sorted(tf_lottery.get_mask(model)) == [
        "base/conv_1/kernel",
        "base/conv_2/kernel",
        "output/kernel",
    ]
    model.compile(keras.optimizers.Adam(0.001), "mse")
    search = tf_lottery.IterativeMagnitudePruning(model, 2, 0.5, "3it", "layerwise")
    search.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    checks.check_levels(search, model, BATCHES * EPOCHS)
    checks.check_files(row, keras, model, tmp_path)


@pytest.mark.slow
@BOTH
def test_prune_and_rewind_in_one_fit(keras: ModuleType, tmp_path):
    row = WAYS["arrays"]
    planned = [level.weights_remaining for level in checks.searched(row, keras)[0].history.levels]
    keras.utils.set_random_seed(0)
    other = tf_lottery.prunable(row.build(keras))
    x = ways.inputs_of(other)
    y = ways.targets_of(row, other(x))
    other.compile(row.optimizer(keras), row.loss)
    imp = tf_lottery.PruneAndRewind(2, EPOCHS, 0.5, "1ep", "layerwise")
    epochs = imp.epochs(BATCHES)
    other.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=[imp])
    assert [level.iterations for level in imp.history.levels] == [BATCHES * EPOCHS] * 3
    assert [level.weights_remaining for level in imp.history.levels] == planned
    check_pruned(other, tf_lottery.get_mask(other))
    checks.check_files(row, keras, other, tmp_path)
