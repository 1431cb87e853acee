"""Arguments of the library that are wrong: named, with the value and what is right."""

import re
import zipfile

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.masking.masks import Mask
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning


@pytest.fixture(scope="module")
def model(build_model) -> keras.Model:
    """A model of which nothing is trained or pruned, as all is refused before."""
    return build_model()


_SEARCH = [
    ({"levels": "5"}, "levels='5'"),
    ({"levels": 2.0}, "levels=2.0"),
    ({"levels": True}, "levels=True"),
    ({"levels": None}, "levels=None"),
    ({"levels": 10**9}, "levels=1000000000"),
    ({"levels": [1, 2]}, "levels=[1, 2]"),
    ({"pruning_rate": None}, "pruning_rate=None"),
    ({"pruning_rate": "0.2"}, "pruning_rate='0.2'"),
    ({"pruning_rate": []}, "pruning_rate=[]"),
    ({"pruning_rate": [0.2, None]}, "pruning_rate=[0.2, None]"),
    ({"pruning_rate": [0.2, 0]}, "pruning_rate=[0.2, 0]"),
    ({"pruning_rate": 20}, "pruning_rate=20"),
    ({"pruning_rate": np.array([0.2, 1.3])}, "pruning_rate=array([0.2, 1.3]): use a fraction"),
    ({"pruning_rate": np.array(0.2)}, "pruning_rate=array(0.2): use a fraction"),
    ({"pruning_rate": np.array(["auto"])}, "pruning_rate=array(['auto']"),
    ({"pruning_rate": {"hidden": 0.2}}, "pruning_rate={'hidden': 0.2}"),
    ({"pruning_rate": float("nan")}, "pruning_rate=nan"),
    ({"pruning_rate": 1e-9}, "pruning_rate=1e-09: it prunes none of the 90 weights"),
    ({"rewind_step": None}, "rewind_step: None"),
    ({"rewind_step": -1}, "rewind_step: -1"),
    ({"rewind_step": 1.5}, "rewind_step: 1.5"),
    ({"rewind_step": True}, "rewind_step: True"),
    ({"scope": None}, "scope=None"),
    ({"scope": ["global"]}, "scope=['global']"),
    ({"score": None}, "score=None"),
    ({"score": 3}, "score=3"),
    ({"score": ["magnitude"]}, "score=['magnitude']"),
    ({"score": lambda weights: weights}, "score="),
    ({"rewind_optimizer": "yes"}, "rewind_optimizer='yes'"),
    ({"structure": None}, "structure=None"),
    ({"structure": 24}, "structure=24"),
    ({"structure": "2:4"}, "levels=2: structure='2:4' halves the weights once, so use levels=1"),
    ({"prune_from": None}, "prune_from=None"),
    ({"optimizer": "adam"}, "optimizer='adam'"),
    ({"optimizer": keras.optimizers.Adam}, "give an optimizer of Keras"),
    ({"optimizer": keras_3.optimizers.Adam()}, "the model is of tf_keras"),
    ({"folder": 3}, "folder=3"),
    ({"folder": ""}, "folder=''"),
]


@pytest.mark.parametrize(("arguments", "message"), _SEARCH, ids=[each[1] for each in _SEARCH])
def test_of_a_search(arguments, message, model):
    with pytest.raises(ValueError, match=re.escape(message)):
        IterativeMagnitudePruning(model, **{"levels": 2, **arguments})


@pytest.mark.parametrize("thing", [None, "model", 3, keras.layers.Dense(3)])
def test_of_what_is_no_model(thing):
    with pytest.raises(ValueError, match=r"^model=.*give a model of Keras"):
        IterativeMagnitudePruning(thing, 2)


ENDLESS = tf.data.Dataset.from_tensor_slices((np.zeros((4, 6)), np.zeros(4, int))).repeat()
_FIT = [
    ({"epochs": 0}, "epochs=0"),
    ({"epochs": "3"}, "epochs='3'"),
    ({"epochs": 2.0}, "epochs=2.0"),
    ({"batch_size": -1}, "batch_size=-1"),
    ({"batch_size": 0}, "batch_size=0"),
    ({"batch_size": "32"}, "batch_size='32'"),
    ({"steps_per_epoch": 0}, "steps_per_epoch=0"),
    ({"validation_split": 1.0}, "validation_split=1.0"),
    ({"validation_split": "0.1"}, "validation_split='0.1'"),
    ({"class_weight": "balanced"}, "class_weight='balanced'"),
    ({"validation_data": 3}, "validation_data=3"),
    ({"verbose": "loud"}, "verbose='loud'"),
    ({"verbose": 3}, "verbose=3"),
    ({"verbose": None}, "verbose=None"),
    ({"callbacks": "early"}, "callbacks='early'"),
    ({"callbacks": [print]}, "callbacks=<built-in function print>"),
    ({"callbacks": keras.callbacks.Callback()}, "callbacks=<"),
    ({"callbacks": [keras.callbacks.History]}, "it is no callback of Keras"),
    ({"callbacks": [keras_3.callbacks.History()]}, "it is of Keras 3, and the model is of tf_k"),
    ({"callbacks": lambda level: None}, "callbacks=None"),
    (
        {"callbacks": lambda *, level: []},
        "it does not take the level; give a function such as lambda level",
    ),
    ({"callbacks": keras.callbacks.EarlyStopping}, "EarlyStopping'>: give a list of callbacks, or"),
    ({"callbacks": [PruneAndRewind(1, 1)]}, "it is a search of its own; give it to model.fit"),
    ({"callbacks": np.array(0.2)}, "callbacks=array(0.2): give a list of callbacks"),
    ({"x": 0.5}, "x=0.5: give the data to train on"),
    ({"x": np.array(0.5)}, "x=array(0.5): give the data to train on"),
    ({"y": "labels"}, "y='labels': give the data to train on"),
    ({"sample_weight": 2.0}, "sample_weight=2.0: give the data to train on"),
    ({"validation_data": (1, 2)}, "validation_data=(1, 2): give data as to model.fit"),
    ({"validation_freq": 0}, "validation_freq=0: use a number of epochs"),
    ({"validation_freq": []}, "validation_freq=[]: use a number of epochs"),
    ({"validation_steps": -1}, "validation_steps=-1: use a whole number of 1 or more"),
    ({"validation_batch_size": 0}, "validation_batch_size=0: use a whole number of 1 or more"),
    ({"shuffle": "no"}, "shuffle='no': use True, False or \"batch\""),
    ({"class_weight": {0: "a"}}, "class_weight={0: 'a'}: give a number for each class"),
    ({"class_weight": {"a": 1.0}}, "class_weight={'a': 1.0}: give a number for each class"),
    (
        {"x": ENDLESS},
        "x is a data set without end, as of repeat(): give steps_per_epoch, or a data",
    ),
    (
        {"validation_data": ENDLESS},
        "validation_data is a data set without end, as of repeat(): give",
    ),
    ({"y": None}, "y=None: give the labels that the model's loss, sparse_categorical_crossent"),
    ({"y": np.zeros(9, int)}, "y has 9 examples, and x has 16: give as many of both"),
    ({"sample_weight": np.ones(17)}, "sample_weight has 17 examples, and y has 16"),
    (
        {"validation_data": (np.zeros((5, 6)), np.zeros(4, int))},
        "validation_data[1] has 4 examples, and validation_data[0] has 5",
    ),
    (
        {"x": np.zeros((16, 7))},
        "x has examples of shape (7,), and the model takes examples of",
    ),
    ({"x": np.zeros((16, 2, 6))}, "x has examples of shape (2, 6), and the model takes"),
    ({"x": {"pixels": np.zeros((16, 6))}}, "x names the inputs pixels, and those of the model are"),
]


@pytest.mark.parametrize(("arguments", "message"), _FIT, ids=[each[1] for each in _FIT])
def test_of_fit(arguments, message, model, arrays):
    search = IterativeMagnitudePruning(model, 1)
    with pytest.raises(ValueError, match=re.escape(message)):
        search.fit(**{"x": arrays[0], "y": arrays[1], "verbose": 0, **arguments})


def test_of_fit_without_data(model, arrays):
    search = IterativeMagnitudePruning(model, 1)
    with pytest.raises(ValueError, match="x=None: give the data"):
        search.fit(verbose=0)
    with pytest.raises(ValueError, match="x holds no example"):
        search.fit(arrays[0][:0], arrays[1][:0], verbose=0)


@pytest.mark.parametrize("thing", [None, "model", keras.layers.Dense(3)])
def test_of_what_takes_a_model(thing, tmp_path):
    mask = Mask({"a": np.ones(3, bool)})
    for call in (
        tf_lottery.get_mask,
        tf_lottery.strip,
        lambda model: tf_lottery.set_mask(model, mask),
        lambda model: tf_lottery.export_saved_model(model, tmp_path),
    ):
        with pytest.raises(ValueError, match=r"^model=.*give a model of Keras"):
            call(thing)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folder": None}, "folder=None"),
        ({"overwrite": "yes"}, "overwrite='yes'"),
        ({"measure": "no"}, "measure='no'"),
        ({"compact": "on"}, "compact='on'"),
        ({"progress": 3}, "progress=3"),
        ({"dense": 3}, "dense=3"),
    ],
)
def test_of_an_export(arguments, message, model, tmp_path):
    with pytest.raises(ValueError, match=message):
        tf_lottery.export(model, **{"folder": tmp_path, **arguments})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [None, "--levels=3"])
def test_of_what_is_no_command(command):
    with pytest.raises(ValueError, match=r"^command=.*command_from_flags"):
        tf_lottery.run_command(command)


def test_of_a_loop_of_your_own(model):
    search = IterativeMagnitudePruning(model, 1)
    for train, iterations, verbose, message in (
        (None, 3, False, "train=None"),
        (lambda *, steps: {}, 3, False, "train=<.*: give a function that trains, given the steps"),
        (list, 0, False, "iterations=0"),
        (list, "3", False, "iterations='3'"),
        (list, 3, "loud", "verbose='loud': use True or False"),
        (list, 3, [True], r"verbose=\[True\]: use True or False"),
        (lambda steps: [list(steps)], 3, 0, r"returned \[\[0, 1, 2\]\]"),
        (lambda steps: {"accuracy": list(steps)}, 3, np.False_, "returned {'accuracy'"),
    ):
        with pytest.raises(ValueError, match=message):
            search.run(train, iterations=iterations, verbose=verbose)
    assert search.history.levels == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": "5"}, "levels='5'"),
        ({"epochs_per_level": 0}, "epochs_per_level=0"),
        ({"epochs_per_level": 1.5}, "epochs_per_level=1.5"),
        ({"pruning_rate": None}, "pruning_rate=None"),
        ({"rewind_step": "soon"}, "rewind_step: 'soon'"),
        ({"rewind_step": "3ep"}, "rewind_step='3ep': training ends after epochs_per_level=3; rew"),
        ({"rewind_step": "100%"}, "rewind_step='100%': training ends"),
        ({"scope": "local"}, "scope='local'"),
        ({"score": None}, "score=None"),
        ({"rewind_optimizer": 1}, "rewind_optimizer=1"),
        ({"level_callbacks": [PruneAndRewind(1, 1)]}, "it is a search of its own"),
        ({"level_callbacks": lambda *, level: []}, "level_callbacks=<function"),
        ({"level_callbacks": keras.callbacks.EarlyStopping}, "level_callbacks=<class"),
    ],
)
def test_of_the_callback(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        PruneAndRewind(**{"levels": 2, "epochs_per_level": 3, **arguments})


def test_an_array_of_rates_is_a_list_of_them(model):
    rates = np.array([0.5, 0.25])
    search = IterativeMagnitudePruning(model, 2, pruning_rate=rates)
    assert search._arguments.pruning_rate == [0.5, 0.25]


def test_of_a_finished_search(build_model, batches):
    search = IterativeMagnitudePruning(build_model(), 0)
    search.fit(batches, verbose=0)
    for level, message in (("0", "level='0'"), (None, "level=None"), (-1, "level=-1")):
        with pytest.raises(ValueError, match=message):
            search.restore(level)
        with pytest.raises(ValueError, match=message):
            search.mask(level)
    with pytest.raises(ValueError, match="weights=None"):
        search.restore(0, None)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned None"),
        pytest.param([1, 2], r"returned \[1, 2\]", marks=pytest.mark.slow),
        pytest.param({}, "no scores of hidden/kernel", marks=pytest.mark.slow),
        pytest.param(
            {"hidden/kernel": 1.0, "output/kernel": 1.0}, r"of shape \(\)", marks=pytest.mark.slow
        ),
        ({"hidden/kernel": np.full((6, 10), "a")}, "real numbers of shape"),
        (
            {"hidden/kernel": np.full((6, 10), np.nan)},
            "returned NaN for 60 of the 60 remaining weights of hidden/kernel: return a number",
        ),
    ],
)
def test_of_what_a_score_returns(returned, message, build_model, batches):
    def mine(weights, mask, evidence):
        return returned

    search = IterativeMagnitudePruning(build_model(), 1, score=mine)
    with pytest.raises(ValueError, match=rf"score=mine .*{message}"):
        search.fit(batches, verbose=0)


@pytest.fixture(scope="module")
def dense_model(build_model) -> keras.Model:
    """A model without masks."""
    return build_model(prune=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exclude": "output"}, "exclude='output'"),
        ({"exclude": 3}, "exclude=3"),
        ({"exclude": [3]}, "exclude=[3]"),
        ({"pruning_rates": ["output"]}, "pruning_rates=['output']"),
        ({"pruning_rates": {"output": None}}, "pruning_rates['output']=None"),
        ({"pruning_rates": {"output": 1.0}}, "pruning_rates['output']=1.0"),
        ({"kernels": ["w"]}, "kernels=['w']"),
        ({"kernels": {"output": 3}}, "kernels['output']=3"),
        ({"allow_unknown": "no"}, "allow_unknown='no'"),
    ],
)
def test_of_prunable(arguments, message, dense_model):
    with pytest.raises(ValueError, match=re.escape(message)):
        tf_lottery.prunable(dense_model, **arguments)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (None, "arrays=None"),
        ([np.ones(3, bool)], "arrays="),
        ({"a": np.ones(3)}, "float64; use bool"),
        ({"a": [True, False]}, "dtype list; use bool"),
        ({3: np.ones(3, bool)}, "arrays=3"),
    ],
)
def test_of_masks(arrays, message, model):
    with pytest.raises(ValueError, match=message):
        Mask(arrays)
    with pytest.raises(ValueError, match="mask="):
        tf_lottery.set_mask(model, arrays)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"least": "0.1"}, "least='0.1'"),
        ({"most": None}, "most=None"),
        ({"loss_rise": None}, "loss_rise=None"),
        ({"density": 2}, "density=2"),
        ({"least": 0.5, "most": 0.1}, "least=0.5"),
        ({"least": 1e-9, "density": 0.1}, "more than 10000 levels"),
    ],
)
def test_of_adaptive_rates(arguments, message):
    with pytest.raises(ValueError, match=message):
        tf_lottery.AdaptiveRate(**arguments)


def test_of_data_and_runs(tmp_path):
    images, labels = np.zeros((4, 6)), np.array([0, 1, 0, 1])
    for arguments, message in (
        ((images, (images, labels)), "train="),
        (((images, labels), None), "test=None"),
        (((images, labels), (images, labels), -1), "validation_examples=-1"),
        (((images, labels), (images, labels), 0, "0"), "split_seed='0'"),
        (((images, labels), (images, labels), 0, 0, 1), "classes=1"),
        (((images, labels), (images, labels), 0, 0, 2, 3), "name=3"),
    ):
        with pytest.raises(ValueError, match=message):
            tf_lottery.from_arrays(*arguments)
    config = tf_lottery.config_from_values({"workdir": tmp_path})
    for call, message in (
        (lambda: tf_lottery.run_experiment({"levels": 1}), "config="),
        (lambda: tf_lottery.run_experiment(config, (images, labels)), "dataset="),
        (lambda: tf_lottery.run_experiment(config, matching_tolerance="1"), "matching_tolerance=1"),
        (lambda: tf_lottery.run_experiment(config, overwrite="yes"), "overwrite='yes'"),
        (lambda: tf_lottery.config_from_values(None), "values=None"),
        (lambda: tf_lottery.run_branch(None, "random_mask"), "run=None"),
        (lambda: tf_lottery.run_branch(tmp_path, None), "branch=None"),
        (lambda: tf_lottery.run_branch(tmp_path, "random_mask", 3), "levels=3"),
        (lambda: tf_lottery.run_branch(tmp_path, "random_mask", "1,2"), "levels='1,2'"),
        (lambda: tf_lottery.load_ticket(tmp_path, "0"), "level='0'"),
        (lambda: tf_lottery.load_ticket(3, 0), "run=3"),
        (lambda: tf_lottery.load_ticket(tmp_path, 0, None), "weights=None"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert list(tmp_path.iterdir()) == []


def test_the_pixel_that_is_not_finite_is_named():
    images, labels = np.zeros((40, 6), np.float32), np.arange(40) % 2
    images[17, 3] = np.nan
    with pytest.raises(ValueError, match=r"train images hold the value nan .*in example 17"):
        tf_lottery.from_arrays((images, labels), (images, labels))


def test_masks_that_claim_more_than_the_file_holds(tmp_path):
    size = 80_000_000
    members = {"names": np.array(["a"]), "a:bits": np.zeros(size // 8, np.uint8)}
    np.savez_compressed(tmp_path / "masks.npz", **members, **{"a:shape": np.array([size])})
    with pytest.raises(ValueError, match=r"masks\.npz .*claim to be masks of 80,\d+,\d+ weights"):
        Mask.load(tmp_path / "masks.npz")
    mask = Mask({"a": np.arange(1000) % 3 > 0})
    mask.save(tmp_path / "own.npz")
    assert Mask.load(tmp_path / "own.npz") == mask
    with pytest.raises(FileNotFoundError, match=r"^path='/nope': there is no such file; give one"):
        Mask.load("/nope")
    with pytest.raises(ValueError, match=r"^path=None: give a path, as text"):
        mask.save(None)
    with pytest.raises(ValueError, match=r"^path='.*: it cannot be written \(No such f"):
        mask.save(tmp_path / "none" / "m.npz")
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    with pytest.raises(ValueError, match=r"empty\.npz"):
        Mask.load(tmp_path / "empty.npz")


def test_a_folder_that_cannot_be_made_is_refused_in_the_words_of_the_library(model, arrays):
    with pytest.raises(ValueError, match=r"/proc/searches.*in the library: .*folder of a search"):
        IterativeMagnitudePruning(model, 1, folder="/proc/searches").fit(
            *arrays, epochs=1, verbose=0
        )


def test_rates_of_no_level_are_said(model):
    said = r"pruning_rate=\[0\.2, 0\.3, 0\.4\]: there are 3 rates for levels=2; those of later"
    with pytest.warns(UserWarning, match=said):
        IterativeMagnitudePruning(model, levels=2, pruning_rate=[0.2, 0.3, 0.4], rewind_step=0)
