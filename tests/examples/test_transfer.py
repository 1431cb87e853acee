"""What examples/transfer.py refuses, and what it trains and prunes."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from absl import flags
from absl.testing import flagsaver

import tf_lottery

SIZE = 32


@pytest.fixture
def parse(example):
    """Returns a function that sets flags of the example, for a test."""
    with flagsaver.flagsaver():
        yield lambda *arguments: example["transfer"].FLAGS(["transfer.py", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights=here.h5"], "--weights=here.h5, .*one of --images and --arrays"),
        (["--images=photos"], "--images=photos, .*give --weights"),
        (["--weights=here.h5", "--images=photos", "--arrays=a.npz"], "--arrays=a.npz: give"),
        (["--weights=away.h5", "--images=photos"], "--weights=away.h5: there is no such file"),
        (["--weights=here.h5", "--images=away"], "--images=away: there is no such folder"),
        (["--weights=here.h5", "--arrays=away.npz"], "--arrays=away.npz: there is no such file"),
        (["--network=ResNet50", "--alpha=1"], "--alpha=1.0: ResNet50 has one width"),
        (["--folder=photos"], "--folder=photos exists"),
        (["--folder=here.h5"], "--folder=here.h5 exists"),
        (["--rewind_step=285"], "--rewind_step=285: a level ends at iteration 285"),
        # The network is built before its levels are counted.
        pytest.param(
            ["--levels=40"],
            "levels=40: none of the .* would remain at level",
            marks=pytest.mark.slow,
        ),
        (["--weights=here.h5", "--images=photos"], "--images=photos has 1 subfolders"),
        (["--weights=here.h5", "--images=few"], "--images=few cannot be used: 4 images are too"),
        (["--weights=here.h5", "--images=empty"], "--images=empty cannot be used: No "),
        (["--weights=here.h5", "--arrays=here.h5"], "--arrays=here.h5 cannot be used"),
    ],
)
def test_it_refuses_before_it_trains(
    example, parse, write_images, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    Path("here.h5").write_text("no weights")
    write_images(Path("few"), per_class=2)
    write_images(Path("photos"), per_class=1)
    (Path("photos") / "below").rename("elsewhere")
    for name in ("a", "b"):
        (Path("empty") / name).mkdir(parents=True)
    parse(*arguments)
    with pytest.raises(ValueError, match=message):
        example["transfer"].main()
    assert not Path("transferred").exists()


@pytest.mark.parametrize(
    "argument", ["--network=LeNet", "--network=EfficientNetB0", "--epochs=0", "--pruning_rate=1"]
)
def test_its_flags_refuse_values_that_are_none(parse, argument):
    with pytest.raises(flags.IllegalFlagValueError, match=argument[2:].split("=")[0]):
        parse(argument)


def test_a_folder_begun_with_the_same_flags_is_gone_on_with(example, parse, tmp_path):
    folder = tmp_path / "results"
    parse(f"--folder={folder}", "--levels=3")
    example["transfer"].open_folder()
    (folder / "levels.csv").write_text("level\n0\n")
    example["transfer"].check_flags()
    parse(f"--folder={folder}", "--levels=2")
    with pytest.raises(ValueError, match=r"results exists, and was not begun with these flags"):
        example["transfer"].check_flags()


@pytest.fixture
def images(example):
    """Digits of two classes."""
    return example["own_images"].digits([5, 8], SIZE, 32, seed=0)


@pytest.fixture
def networks(example, parse, build_tiny, tmp_path) -> tuple[keras.Model, keras.Model]:
    """A pretrained network and the classifier around it, to be trained for an epoch."""
    parse("--epochs=1", "--head_epochs=1", "--levels=1", f"--folder={tmp_path}")
    return example["pretrained"].build("Tiny", 1.0, SIZE, classes=2)


def assert_equal(ours: list[np.ndarray], others: list[np.ndarray]) -> None:
    for array, other in zip(ours, others, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.slow
def test_at_first_the_new_layer_is_trained_alone(example, networks, images):
    network, classifier = networks
    pretrained, head = network.get_weights(), classifier.get_layer("head").get_weights()
    example["transfer"].train_head(network, classifier, images)
    assert_equal(network.get_weights(), pretrained)
    assert (classifier.get_layer("head").get_weights()[0] != head[0]).any()
    assert all(layer.trainable for layer in network.layers)


@pytest.mark.slow
def test_tickets_start_as_pretrained_and_train_all_but_the_preprocessing(example, networks, images):
    network, classifier = networks
    search = example["transfer"].find_ticket(network, classifier, images)
    mask = search.mask(1)
    assert sorted(mask) == ["tiny/convolution/kernel", "tiny/second/kernel"]
    assert mask.density == pytest.approx(0.5, abs=0.01)

    start = tf_lottery.strip(search.restore(1, weights="rewind"))
    second = network.get_layer("second").get_weights()[0]
    ticket = start.get_layer("tiny").get_layer("second").get_weights()[0]
    assert_equal([ticket], [second * mask["tiny/second/kernel"]])
    for name in ("head", "preprocess"):
        assert_equal(start.get_layer(name).get_weights(), classifier.get_layer(name).get_weights())

    trained = tf_lottery.strip(search.restore(1))
    statistics = [
        model.get_layer("normalization").get_weights()[2]
        for model in (network, trained.get_layer("tiny"))
    ]
    assert (statistics[0] != statistics[1]).all()
    assert_equal(
        trained.get_layer("preprocess").get_weights(),
        classifier.get_layer("preprocess").get_weights(),
    )
