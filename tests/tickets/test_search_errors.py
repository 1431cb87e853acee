"""What a search refuses, and what it keeps when a level fails."""

import warnings

import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.divergence import TrainingDivergedError

TOTAL = 6 * 10 + 10 * 3


def assert_zeros(model: keras.Model, mask: Mask) -> None:
    assert get_mask(model) == mask
    variables = model_variables(model)
    for name, array in mask.items():
        assert not variables[name].numpy()[~array].view(np.uint32).any()


def test_a_level_that_diverges_leaves_the_earlier_ones(build_model, batches):
    """A huge step size from the second level on."""
    model = build_model()

    def diverge(level: int) -> list[keras.callbacks.Callback]:
        if level < 2:
            return []
        explode = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: model.optimizer.learning_rate.assign(np.inf)
        )
        return [explode]

    search = IterativeMagnitudePruning(model, levels=3)
    with pytest.raises(TrainingDivergedError, match="level 2"):
        search.fit(batches, epochs=2, verbose=0, callbacks=diverge)
    assert [result.level for result in search.history.levels] == [0, 1]
    assert search.restore(1, into=model) is model
    assert_zeros(model, search.mask(1))
    assert np.isfinite(model.predict(batches, verbose=0)).all()
    with pytest.raises(ValueError, match="level=2"):
        search.restore(2)


def test_bad_arguments_are_refused_before_training(build_model, batches):
    model = build_model()
    for arguments, message in (
        ({"levels": -1}, "levels=-1"),
        ({"levels": 30}, r"levels=30.*at most 23"),
        ({"levels": 1, "pruning_rate": 1.0}, r"pruning_rate=1\.0"),
        ({"levels": 1, "scope": "local"}, "scope='local'"),
    ):
        with pytest.raises(ValueError, match=message):
            IterativeMagnitudePruning(model, **arguments)
    for rewind_step, message in (
        ("2ep", r"rewind_step='2ep' is iteration 8.*ends at 8"),
        ("9it", "rewind_step='9it'"),
        ("100%", "rewind_step='100%'"),
        ("soon", "rewind_step: 'soon'"),
    ):
        with pytest.raises(ValueError, match=message):
            IterativeMagnitudePruning(model, 1, rewind_step=rewind_step).fit(batches, epochs=2)
    with pytest.raises(ValueError, match="initial_epoch"):
        IterativeMagnitudePruning(model, 1).fit(batches, epochs=2, initial_epoch=1)
    assert int(model.optimizer.iterations) == 0


def test_kinds_of_weights(build_model):
    search = IterativeMagnitudePruning(build_model(), 0)
    with pytest.raises(ValueError, match="level=0 is not finished"):
        search.mask(0)
    search.run(lambda steps: [*steps] and None, iterations=1, verbose=False)
    with pytest.raises(ValueError, match="weights='old'"):
        search.restore(0, "old")


def test_unsuitable_models_are_refused(build_model):
    with pytest.raises(ValueError, match=r"tf_lottery\.prunable"):
        IterativeMagnitudePruning(build_model(prune=False), 1)
    with pytest.raises(ValueError, match=r"not compiled.*model\.compile"):
        IterativeMagnitudePruning(prunable(build_model(prune=False)), 1)
    model = build_model()
    set_mask(
        model, Mask({n: np.arange(a.size).reshape(a.shape) > 0 for n, a in get_mask(model).items()})
    )
    with pytest.raises(ValueError, match="pruned already"):
        IterativeMagnitudePruning(model, 1)


def test_a_rewind_step_after_the_end_of_data_of_unknown_length(build_model, batches):
    unknown = batches.filter(lambda image, label: True)
    match = "level 0 ended at iteration 8, before the rewind step 99"
    with pytest.raises(ValueError, match=match):
        IterativeMagnitudePruning(build_model(), 1, rewind_step="99it").fit(
            unknown, epochs=2, verbose=0
        )


def test_fit_with_another_optimizer_than_the_search_rewinds_is_refused(build_model, batches):
    given = IterativeMagnitudePruning(
        build_model(), levels=1, optimizer=keras.optimizers.Adam(0.01)
    )
    later = IterativeMagnitudePruning(build_model(), levels=1)
    later._network.model.compile(keras.optimizers.Adam(0.01), "mse")
    for search, compiled, rewound in ((given, "SGD", "Adam"), (later, "Adam", "SGD")):
        said = f"with the {compiled} that it was compiled with, .* another optimizer, {rewound}: "
        with pytest.raises(ValueError, match=said):
            search.fit(batches, epochs=1, verbose=0)


def test_layers_that_are_frozen_too_late_are_told(build_model):
    model = build_model()
    model.get_layer("output").trainable = False
    model.compile("sgd", "mse")
    with pytest.warns(
        UserWarning, match=r"^output/kernel: frozen since .* before tf_lottery\.prun"
    ):
        IterativeMagnitudePruning(model, levels=1)


def test_movement_before_any_is_refused(build_model):
    with pytest.raises(ValueError, match="prune_from='rewind_step' does not go with score='move"):
        IterativeMagnitudePruning(
            build_model(), levels=1, score="movement", prune_from="rewind_step"
        )


def test_a_callback_that_loads_another_levels_mask_is_refused(build_model, batches, tmp_path):
    path = str(tmp_path / "dense.weights.h5")

    class Back(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            if not (tmp_path / "dense.weights.h5").exists():
                self.model.save_weights(path)
            self.model.load_weights(path)

    search = IterativeMagnitudePruning(build_model(), levels=2)
    with pytest.raises(
        ValueError, match=r"^level 1 has the mask of another level: .*function, lambda level"
    ):
        search.fit(batches, epochs=1, verbose=0, callbacks=[Back()])
    assert [result.level for result in search.history.levels] == [0]


def test_one_file_for_the_best_of_all_levels_is_told(build_model, batches, tmp_path):
    def best(path):
        return keras.callbacks.ModelCheckpoint(str(path), "loss", save_best_only=True)

    search = IterativeMagnitudePruning(build_model(), levels=1)
    with pytest.warns(UserWarning, match=r"ModelCheckpoint\(save_best_only=True\) is one for all"):
        search.fit(batches, epochs=1, verbose=0, callbacks=[best(tmp_path / "best.keras")])
    own = IterativeMagnitudePruning(build_model(), levels=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        own.fit(
            batches,
            epochs=1,
            verbose=0,
            callbacks=lambda level: [best(tmp_path / f"best_{level}.keras")],
        )
