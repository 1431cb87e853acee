"""Tickets that are trained on other data than they were found on."""

import shutil
from contextlib import nullcontext

import numpy as np
import pytest

import tf_lottery
from tf_lottery.config.experiment import config_from_values
from tf_lottery.experiments.running.lottery import run_experiment
from tf_lottery.masking.masks import Mask
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.loop import train
from tf_lottery.training.network import weights_of

SHORT = {"experiment": "train", "train_steps": "12it", "evaluate_every": "4it"}
HIDDEN, OUTPUT = ("dense_1", "dense_2"), "output"


@pytest.fixture
def four_classes(tmp_path):
    """A file of pictures, as large as the digits, in four classes."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 80), ("test", 20)):
        arrays[f"x_{split}"] = random.integers(0, 255, (count, 8, 8, 1), np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % 4
    np.savez(tmp_path / "four.npz", **arrays)
    return f"npz:{tmp_path / 'four.npz'}"


@pytest.fixture
def flags(flags_of_tiny, copied_run, four_classes, tmp_path):
    """Those of a run of level 2 of the copied run on the four classes."""
    own = {"name": "four", "dataset": four_classes, "optimizer": "sgd", "rewind_step": "0it"}
    ticket = {"ticket": str(copied_run), "ticket_level": 2, "validation_examples": 0}
    return {**flags_of_tiny, **SHORT, **own, **ticket, "workdir": str(tmp_path)}


def run(flags, **changes):
    config = config_from_values({**flags, **changes})
    run_experiment(config)
    return config.run_path


def mask_of(run, level):
    return Mask.load(run / f"level_{level}" / "masks.npz")


def test_the_mask_and_the_rewound_weights_are_those_of_the_source(flags, copied_run, capsys):
    found = run(flags)
    said = " ".join(capsys.readouterr().out.split())
    assert "Dense and drawn here, as the shapes differ: output." in said
    assert "dense network's test accuracy" not in said
    theirs, mask = mask_of(copied_run, 2), mask_of(found, 0)
    rewound = weights_of(tf_lottery.load_ticket(copied_run, 2, "rewind"))
    first = weights_of(tf_lottery.load_ticket(found, 0, "rewind"))
    trained = weights_of(tf_lottery.load_ticket(found, 0))
    assert mask[f"{OUTPUT}/kernel"].shape == (10, 4)
    assert mask[f"{OUTPUT}/kernel"].all()
    for layer in HIDDEN:
        kernel = f"{layer}/kernel"
        np.testing.assert_array_equal(mask[kernel], theirs[kernel])
        assert not mask[kernel].all()
        for name in (kernel, f"{layer}/bias"):
            np.testing.assert_array_equal(first[name], rewound[name])
        np.testing.assert_array_equal(trained[kernel][~mask[kernel]], 0.0)
        assert np.any(trained[kernel] != first[kernel])


@pytest.mark.slow
def test_a_run_goes_on_without_its_source_and_not_with_another(flags, copied_run, tmp_path, capsys):
    found = run(flags)
    shutil.move(copied_run, tmp_path / "gone")
    # Off the copy, the network starts as it did: the same level comes out.
    tf_lottery.run_branch(found, "retrain", [0])
    said = " ".join(capsys.readouterr().out.split())
    assert "goes on with the copy that it has" in said
    again, once = (tf_lottery.load_ticket(path, 0) for path in (found / "branches/retrain", found))
    for name, value in weights_of(once).items():
        np.testing.assert_array_equal(weights_of(again)[name], value, err_msg=name)
    tf_lottery.run_branch(found, "random_mask", [0])
    mask, shuffled = mask_of(found, 0), mask_of(found / "branches" / "random_mask", 0)
    assert shuffled.densities() == mask.densities()
    assert shuffled != mask
    # Another run in its place.
    shutil.copytree(tmp_path / "gone", copied_run)
    for kind in ("level_2", "level_1"):
        shutil.rmtree(copied_run / kind)
    shutil.copytree(copied_run / "level_0", copied_run / "level_2")
    with pytest.raises(RunFolderMismatchError, match=r"is not the ticket that .* was begun with"):
        tf_lottery.run_branch(found, "random_reinitialization", [0])


@pytest.mark.slow
def test_an_interrupted_run_comes_to_the_same_bits(flags, outcome_of, tmp_path, monkeypatch):
    whole = outcome_of(run(flags))

    def interrupted(program, epoch, steps_per_epoch, first, last, callbacks, advance):
        train(program, epoch, steps_per_epoch, first, 8, callbacks, advance)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tf_lottery.experiments.running.level_training.train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(flags, name="two")
    level = RunFolder.read(tmp_path / "two" / "replicate_1").level(0)
    assert level.checkpoints.latest_step() in (4, 8)
    assert not level.is_complete()
    assert outcome_of(run(flags, name="two")) == whole


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["none", "trained"])
def test_other_weights(flags, copied_run, weights):
    found = run(flags, ticket_weights=weights)
    first = weights_of(tf_lottery.load_ticket(found, 0, "rewind"))
    theirs = weights_of(tf_lottery.load_ticket(copied_run, 2))
    same = [np.array_equal(first[f"{layer}/kernel"], theirs[f"{layer}/kernel"]) for layer in HIDDEN]
    assert same == [weights == "trained"] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"experiment": "lottery"}, "does not go with --experiment=lottery"),
        ({"ticket_level": 7}, "--ticket_level=7: it is not finished.*finished are 0, 1, 2"),
        ({"ticket": "none"}, "--ticket=none is no run folder"),
        ({"model": "lenet_20_11"}, r"dense_2/kernel has shape \(20, 10\) in it and \(20, 11\)"),
        ({"model": "lenet_20"}, "the network has no mask of dense_2/kernel"),
        ({"exclude": "dense_1"}, "the network has no mask of dense_1/kernel"),
        ({"initial_weights": "x.h5"}, "use --ticket_weights=none"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(flags, tmp_path, change, said):
    with pytest.raises(ValueError, match=said):
        run(flags, **change)
    assert not (tmp_path / "four").exists()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("runs/tiny/replicate_2", "ticket_of_tiny_replicate_2_level_3"),
        (
            "runs/tiny/replicate_2/branches/one_shot",
            "ticket_of_tiny_replicate_2_one_shot_level_3",
        ),
        ("replicate_1", "ticket_of_work_replicate_1_level_3"),
    ],
)
def test_a_run_without_a_name_is_called_after_its_ticket(source, name, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    config = config_from_values({**SHORT, "ticket": source, "ticket_level": 3})
    assert config.name == f"digits_lenet_300_100_{name}"


CONVOLUTIONAL = {
    "model": "conv2",
    "train_steps": "4it",
    "evaluate_every": "4it",
    "rewind_step": "2it",
    "batch_size": 20,
    "levels": 1,
    "pruning_rate": 0.5,
}
LAYERS = ("conv_1", "conv_2", "dense_1", "dense_2")


@pytest.fixture(scope="module")
def convolutional_run(run_tiny, tmp_path_factory):
    """Returns a function that gives a run of a convolutional network, by --structure."""
    found = {}

    def run(structure):
        if structure not in found:
            folder = tmp_path_factory.mktemp(structure)
            found[structure] = run_tiny(folder, **CONVOLUTIONAL, structure=structure)
        return found[structure]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("structure", ["weights", "units"])
@pytest.mark.parametrize("devices", [None, 2])
def test_convolutional_tickets(convolutional_run, flags, structure, devices, mirrored):
    source = convolutional_run(structure)
    own = {"ticket": str(source), "ticket_level": 1, "rewind_step": "0it", "experiment": "train"}
    values = {**CONVOLUTIONAL, **own, "structure": structure, "name": "conv"}
    with mirrored.scope() if devices == 2 else nullcontext():
        found = run(flags, **values)
    theirs, mask = mask_of(source, 1), mask_of(found, 0)
    rewound = weights_of(tf_lottery.load_ticket(source, 1, "rewind"))
    first = weights_of(tf_lottery.load_ticket(found, 0, "rewind"))
    trained = weights_of(tf_lottery.load_ticket(found, 0))
    assert mask["output/kernel"].all() and mask["output/kernel"].shape == (256, 4)
    for layer in LAYERS:
        kernel = f"{layer}/kernel"
        np.testing.assert_array_equal(mask[kernel], theirs[kernel])
        np.testing.assert_array_equal(first[kernel], rewound[kernel])
        np.testing.assert_array_equal(trained[kernel][~mask[kernel]], 0.0)
        assert np.any(trained[kernel] != first[kernel])
    tf_lottery.run_branch(found, "random_mask", [0])
    shuffled = mask_of(found / "branches" / "random_mask", 0)
    assert shuffled.remaining == mask.remaining
    assert shuffled != mask
