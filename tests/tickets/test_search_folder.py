"""A search whose levels are kept in a folder goes on in another process, here: another object."""

import shutil
from pathlib import Path

import keras as keras_3
import numpy as np
import pytest
import tf_keras

from tests.either_keras import TF_KERAS_FAST
from tests.same_weights import assert_same_weights
from tf_lottery.masking.prunable import prunable
from tf_lottery.report.verification import verify_runs
from tf_lottery.store.errors import DamagedFileError, RunFolderBusyError, StorageError
from tf_lottery.store.lock import exclusive
from tf_lottery.store.seal import seal, verify_seal
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of


def by_value(weights, mask, evidence):
    return {name: weights[name] for name in mask}


def by_twice(weights, mask, evidence):
    return {name: 2 * weights[name] for name in mask}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def search_in(build_model):
    """Returns a function that makes a search of the same model in a folder, or in memory."""

    def make(folder, levels=3, optimizer=None, **arguments) -> IterativeMagnitudePruning:
        model = build_model(optimizer)
        return IterativeMagnitudePruning(
            model, levels, rewind_step="3it", folder=folder, **arguments
        )

    return make


@pytest.fixture(scope="module")
def finished_search(search_in, batches, tmp_path_factory) -> Path:
    """The folder of a search of one level; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "search"
    search_in(folder, levels=1).fit(batches, epochs=2, verbose=0)
    return folder


@pytest.fixture
def finished(finished_search, tmp_path) -> Path:
    """A copy of it that may be changed."""
    return shutil.copytree(finished_search, tmp_path / "search")


@pytest.mark.parametrize(
    ("level", "known"),
    [(2, False), *(pytest.param(level, True, marks=pytest.mark.slow) for level in (0, 2))],
)
def test_another_object_goes_on_where_one_was_interrupted(
    search_in, batches, make_counter, tmp_path, level, known
):
    if not known:
        batches = batches.filter(lambda image, label: True)
    straight = search_in(None)
    straight.fit(batches, epochs=2, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path / "search").fit(
            batches,
            epochs=2,
            verbose=0,
            callbacks=lambda now: [make_counter(4)] if now == level else [],
        )

    search = search_in(tmp_path / "search")
    assert [result.level for result in search.history.levels] == list(range(level))
    counters = {}

    def count(now: int):
        counters[now] = make_counter()
        return [counters[now]]

    search.fit(batches, epochs=2, verbose=0, callbacks=count)
    assert {now: counter.batches for now, counter in counters.items()} == {
        now: 5 if now else 8 for now in range(level, 4)
    }
    assert search.history.to_frame().equals(straight.history.to_frame())
    for now in range(4):
        assert search.mask(now) == straight.mask(now)
        for weights in ("trained", "rewind"):
            found, expected = (
                weights_of(s.restore(now, weights, into=s._network.model))
                for s in (search, straight)
            )
            assert_same_weights(found, expected)


def test_an_interruption_says_that_the_same_script_goes_on(
    search_in, batches, make_counter, tmp_path, capsys
):
    line = "Interrupted at level 1. The same script goes on with it."
    for folder in (None, tmp_path / "search"):
        with pytest.raises(KeyboardInterrupt):
            search_in(folder).fit(
                batches,
                epochs=2,
                verbose=0,
                callbacks=lambda now: [make_counter(4)] if now == 1 else [],
            )
        assert capsys.readouterr().out.splitlines() == (["", line] if folder else [])


def test_level_0_that_begins_anew_rewinds_to_its_own_weights(
    search_in, batches, make_counter, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path / "search").fit(
            batches, epochs=2, verbose=0, callbacks=[make_counter(6)]
        )
    search = search_in(tmp_path / "search")
    model = search._network.model
    for weight in model.trainable_weights:
        weight.assign(weight * 2)
    early = []

    def note(batch, logs):
        if batch == 2 and not early:
            early.append(weights_of(model))

    callback = tf_keras.callbacks.LambdaCallback(on_train_batch_end=note)
    search.fit(batches, epochs=2, verbose=0, callbacks=[callback])
    search.restore(1, "rewind", into=model)
    for name, value in weights_of(model).items():
        kept = search.mask(1).get(name, True)
        np.testing.assert_array_equal(value, np.where(kept, early[0][name], np.float32(0)))


def test_a_finished_search_gives_its_tickets_without_training(search_in, finished, batches):
    before = contents(finished)
    search = search_in(finished, levels=1)
    ticket = weights_of(search.restore(1))
    assert not ticket["hidden/kernel"][~search.mask(1)["hidden/kernel"]].any()
    untrained = search_in(finished, levels=1)
    history = untrained.fit(batches, epochs=2, verbose=0)
    assert len(history.levels) == 2
    for name, value in weights_of(untrained._network.model).items():
        np.testing.assert_array_equal(value, ticket[name])
    assert contents(finished) == before


def test_what_another_process_has_done_meanwhile_is_taken_up(search_in, batches, tmp_path):
    late = search_in(tmp_path / "search", levels=1)
    early = search_in(tmp_path / "search", levels=1)
    early.fit(batches, epochs=2, verbose=0)
    history = late.fit(batches, epochs=2, verbose=0)
    assert history.to_frame().equals(early.history.to_frame())
    assert late.mask(1) == early.mask(1)


@pytest.mark.slow
def test_more_levels_go_on_and_fewer_leave_the_others(search_in, finished, batches):
    straight = search_in(None)
    straight.fit(batches, epochs=2, verbose=0)
    longer = search_in(finished)
    longer.fit(batches, epochs=2, verbose=0)
    assert [longer.mask(level) for level in range(4)] == [
        straight.mask(level) for level in range(4)
    ]
    shorter = search_in(finished, levels=0)
    assert len(shorter.fit(batches, epochs=2, verbose=0).levels) == 1
    assert (finished / "level_3" / "level.json").exists()


@pytest.mark.slow
def test_random_scores_follow_the_seed_of_the_search(search_in, batches, tmp_path):
    def masks(folder):
        tf_keras.utils.set_random_seed(7)
        search = search_in(folder, levels=2, score="random")
        search.fit(batches, epochs=1, verbose=0)
        return [search.mask(level) for level in (1, 2)]

    straight = masks(tmp_path / "straight")
    tf_keras.utils.set_random_seed(7)
    search_in(tmp_path / "two", levels=1, score="random").fit(batches, epochs=1, verbose=0)
    tf_keras.utils.set_random_seed(8)
    search = search_in(tmp_path / "two", levels=2, score="random")
    search.fit(batches, epochs=1, verbose=0)
    assert [search.mask(level) for level in (1, 2)] == straight


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scope": "layerwise"}, 'scope was "global", is "layerwise"'),
        ({"pruning_rate": 0.5}, "pruning_rate was 0.2, is 0.5"),
        ({"score": by_value}, 'score was "magnitude", is "by_value"'),
        ({"optimizer": tf_keras.optimizers.Adam()}, 'optimizer was "SGD", is "Adam"'),
        (
            {"optimizer": tf_keras.optimizers.SGD(0.2, momentum=0.9)},
            r"optimizer: learning_rate was 0\.1, is 0\.2\. Con",
        ),
    ],
)
def test_other_arguments_are_refused_before_anything_is_written(
    search_in, finished, arguments, message
):
    before = contents(finished)
    with pytest.raises(ValueError, match=rf"search holds another search: {message}.*another f"):
        search_in(finished, levels=1, **arguments)
    assert contents(finished) == before


def test_another_length_or_loop_or_model_is_refused(search_in, finished, batches, build_model):
    search = search_in(finished, levels=1)
    with pytest.raises(ValueError, match="epochs was 2, is 3"):
        search.fit(batches, epochs=3, verbose=0)
    with pytest.raises(ValueError, match=r"epochs was 2, is null; iterations was null, is 8"):
        search.run(lambda steps: None, iterations=8)
    other = prunable(tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(6,))]))
    other.compile(tf_keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    with pytest.raises(ValueError, match=r"the model has dense\S*/kernel, .*give yours names"):
        IterativeMagnitudePruning(other, 1, rewind_step="3it", folder=finished)


def with_units(layers, number: int = 10):
    return [layers.Dense(number, name="hidden"), layers.Dense(3, name="output")]


@pytest.mark.parametrize(
    ("changed", "loss", "message"),
    [
        (
            lambda layers: with_units(layers, 9),
            "mse",
            r"hidden/kernel has the shape \(6, 9\), and ",
        ),
        (
            lambda layers: [layers.Dense(10, "tanh", name="hidden"), with_units(layers)[1]],
            "mse",
            r"layer 1 of the model \(Dense\) has other settings\. Con",
        ),
        (
            lambda layers: [*with_units(layers), layers.Dropout(0.5)],
            "mse",
            "the model has 3 layers, and had 2",
        ),
        (with_units, "mae", 'loss was "mse", is "mae"'),
    ],
)
@TF_KERAS_FAST
def test_another_network_or_loss_is_refused(keras, changed, loss, message, tmp_path):
    def search(layers, loss) -> IterativeMagnitudePruning:
        model = prunable(keras.Sequential([keras.Input((6,)), *layers(keras.layers)]))
        model.compile("sgd", loss)
        return IterativeMagnitudePruning(model, 0, folder=tmp_path / "search")

    search(with_units, "mse").run(lambda steps: [*steps] and None, iterations=1, verbose=False)
    assert search(with_units, "mse").history.levels
    with pytest.raises(ValueError, match=rf"search holds another search: {message}"):
        search(changed, loss)


def test_a_level_that_later_ones_were_pruned_from_is_missed(search_in, finished):
    (finished / "level_0" / "level.json").unlink()
    with pytest.raises(DamagedFileError, match=r"level_0/level\.json is missing\. .* all levels"):
        search_in(finished, levels=2)
    seal_of_1 = finished / "level_1" / "level.json"
    shutil.copytree(finished / "level_1", finished / "level_3")
    (finished / "level_0" / "level.json").write_bytes(seal_of_1.read_bytes())
    seal_of_1.unlink()
    with pytest.raises(DamagedFileError, match=r"is missing\. .*delete level_1, level_2, level_3"):
        search_in(finished, levels=2)


def test_a_folder_of_something_else_or_in_use_is_left_alone(search_in, finished, batches, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("draft")
    for name in ("notes", "notes/thesis.txt"):
        with pytest.raises(ValueError, match=rf"folder=.*{name} is (no folder of a|a file)"):
            search_in(tmp_path / name)
    search = search_in(finished, levels=2)
    busy = r"the folder .* is in use by .* ended, or choose another folder\.$"
    with exclusive(finished), pytest.raises(RunFolderBusyError, match=busy):
        search.fit(batches, epochs=2, verbose=0)


@pytest.mark.parametrize("name", ["~nobody_of_this_name/search", "what?"])
def test_a_folder_that_cannot_be_is_refused_by_its_argument(search_in, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^(folder='~nobody|the path .*what\?)") as refused:
        search_in(name)
    assert "--" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("search.json", ""),
        ("level_0/level.json", ""),
        ("level_1/masks.npz", "level_1"),
        ("level_1/weights.index", "level_1"),
        ("rewind/seal.json", ""),
        ("rewind/tensors.index", ""),
    ],
)
@pytest.mark.parametrize("how", ["cut off", "deleted"])
def test_a_damaged_file_is_named(search_in, finished, batches, tmp_path, name, lost, how):
    path = finished / name
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:-20])
    elif name.endswith("level.json"):
        return  # As if the level had not been finished.
    else:
        path.unlink()
    with pytest.raises(DamagedFileError, match=name.split("/")[-1]) as refused:
        search_in(finished, levels=2).fit(batches, epochs=2, verbose=0)
    text = str(refused.value)
    remedy = f"delete {lost} in {finished} and" if lost else f"delete the folder {finished} and"
    assert f"{remedy} start the same script again, which " in text
    assert "--" not in text
    assert "command" not in text


def test_a_rewind_point_that_was_deleted_is_told_in_words_of_searches(
    search_in, finished, batches, tmp_path
):
    shutil.rmtree(finished / "rewind")
    remedy = f"rewind is missing. Restore it from a backup, or delete the folder {finished} and"
    with pytest.raises(DamagedFileError, match=remedy):
        search_in(finished, levels=2).fit(batches, epochs=2, verbose=0)


def test_levels_after_a_damaged_one_go_with_it(finished):
    (finished / "level_2").mkdir()
    error = DamagedFileError(finished / "level_1" / "masks.npz", "is missing")
    assert f"delete level_1, level_2 in {finished} and start the same script" in str(error)


def test_a_search_that_cannot_be_written_is_told_so(finished):
    error = StorageError(finished / "level_2" / "masks.npz", "Read-only file system")
    assert "--workdir" not in str(error)
    assert str(error).endswith("Finished levels are kept: the same script continues after them.")


def test_a_loop_of_ones_own_and_keras_3(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)

    def search():
        layers = [keras_3.Input((6,)), keras_3.layers.Dense(5, name="dense")]
        model = prunable(keras_3.Sequential(layers))
        model.compile(keras_3.optimizers.SGD(0.1), "mse")
        return model, IterativeMagnitudePruning(model, 2, 0.5, "1it", folder=tmp_path / "own")

    def loop(model, most):
        def train(steps):
            if (len(list(tmp_path.glob("own/level_*/level.json")))) == most:
                raise KeyboardInterrupt
            for _ in steps:
                model.train_on_batch(inputs, np.ones((8, 5), np.float32))

        return train

    model, first = search()
    with pytest.raises(KeyboardInterrupt):
        first.run(loop(model, most=2), iterations=3, verbose=False)
    one = first.mask(1)
    model, second = search()
    history = second.run(loop(model, most=9), iterations=3, verbose=False)
    assert [level.weights_remaining for level in history.levels] == [30, 15, 8]
    assert second.mask(1) == one
    assert not weights_of(model)["dense/kernel"][~second.mask(2)["dense/kernel"]].any()


class TestOlderRules:
    """A folder from before an optimizer's step count began anew after rewinding."""

    @staticmethod
    def make_old(folder: Path) -> None:
        record = verify_seal(folder, name="search.json")
        seal(folder, [], {name: record[name] for name in ("arguments", "seed")}, "search.json")

    def test_it_is_not_continued(self, search_in, batches, tmp_path):
        folder = tmp_path / "search"
        search_in(folder, 1, tf_keras.optimizers.Adam()).fit(batches, epochs=2, verbose=0)
        self.make_old(folder)
        before = contents(folder)
        longer = search_in(folder, 2, tf_keras.optimizers.Adam())
        with pytest.raises(ValueError, match=r"older version.*step count of Adam went on"):
            longer.fit(batches, epochs=2, verbose=0)
        assert contents(folder) == before
        found = search_in(folder, 1, tf_keras.optimizers.Adam())
        assert found.fit(batches, epochs=2, verbose=0).levels[-1].level == 1

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("optimizer", "levels"), [("SGD", 1), ("Adam", 0)], ids=["no count", "level 0"]
    )
    def test_it_goes_on_where_the_rule_made_no_difference(
        self, search_in, batches, tmp_path, optimizer, levels
    ):
        folder, make = tmp_path / "search", getattr(tf_keras.optimizers, optimizer)
        search_in(folder, levels, make()).fit(batches, epochs=2, verbose=0)
        self.make_old(folder)
        search_in(folder, 2, make()).fit(batches, epochs=2, verbose=0)
        assert verify_seal(folder, name="search.json")["rules"] >= 2


def test_verify_finds_searches_and_says_how_to_get_them_back(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "study" / "replicate_1")
    assert not verify_runs(tmp_path)
    assert "2 search folders: no damage" in capsys.readouterr().out
    (finished / "level_1" / "masks.npz").unlink()
    assert verify_runs(tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert f"{finished}: DAMAGED {finished}/level_1/masks.npz is missing. Lost: the masks" in text
    assert f"or delete level_1 in {finished} and start the same script again" in text
    assert f"1 of 2 search folders: damaged, see above: {finished}" in text
    assert verify_runs(tmp_path, [finished])
    assert not verify_runs(tmp_path, [tmp_path / "study"])


@pytest.mark.parametrize("lost", ["search.json", "rewind/seal.json", "level_0/level.json"])
def test_verify_names_what_a_search_has_lost(lost, finished, capsys):
    (finished / lost).unlink()
    assert verify_runs(finished.parent, [finished])
    text = capsys.readouterr().out
    assert str(finished / lost).removesuffix("/level.json") in text
    assert f"delete the folder {finished} and start the same script again" in text


def test_what_verify_advises_brings_the_level_of_a_search_back(
    search_in, batches, finished, capsys
):
    before = contents(finished / "level_1")
    (finished / "level_1" / "weights.index").write_bytes(b"foreign")
    with pytest.raises(DamagedFileError):
        search_in(finished, levels=1).restore(1)
    shutil.rmtree(finished / "level_1")
    search_in(finished, levels=1).fit(batches, epochs=2, verbose=0)
    assert not verify_runs(finished.parent)
    masks = str(finished / "level_1" / "masks.npz")
    assert contents(finished / "level_1")[masks] == before[masks]


@pytest.mark.slow
def test_numbers_that_keras_gives_to_optimizers_make_no_other_search(tmp_path):
    """Also to those within one that scales losses."""
    for _ in range(2):
        inner = keras_3.optimizers.Adam(0.01)
        optimizer = keras_3.optimizers.LossScaleOptimizer(inner, initial_scale=2.0)
        layers = [keras_3.Input((6,)), keras_3.layers.Dense(3, name="output")]
        model = prunable(keras_3.Sequential(layers))
        model.compile(optimizer, "mse")
        search = IterativeMagnitudePruning(model, 0, folder=tmp_path / "search")
        x = np.ones((4, 6), np.float32)
        search.fit(x, x[:, :3], verbose=0)
    assert len(search.history.levels) == 1


def in_python(folder: Path, python: str | None) -> None:
    """Makes a folder one that another Python has written, or, without one, an earlier version."""
    content = verify_seal(folder, name="search.json")
    if python is None:
        del content["arguments"]["score_code"]
    else:
        content["arguments"]["score_code"] = {"python": python, "sha256": "0" * 64}
    seal(folder, [], content, "search.json")


def test_another_score_of_the_same_name_is_another_search(search_in, batches, tmp_path):
    folder = tmp_path / "search"
    twice = lambda weights, mask, evidence: by_twice(weights, mask, evidence)  # noqa: E731
    once = lambda weights, mask, evidence: by_value(weights, mask, evidence)  # noqa: E731
    search_in(folder, levels=1, score=twice).fit(batches, epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"score computes something else .*comments"):
        search_in(folder, levels=1, score=once)
    in_python(folder, "cpython-309")
    with pytest.warns(UserWarning, match=r"under cpython-309, and this is .* cannot be checked"):
        search = search_in(folder, levels=1, score=once)
    search.fit(batches, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="score computes something else"):
        search_in(folder, levels=1, score=twice)
    in_python(folder, None)
    assert len(search_in(folder, levels=1, score=twice).history.levels) == 2
