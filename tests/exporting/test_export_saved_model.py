"""Exported tickets."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery

PIXELS = np.random.default_rng(5).integers(0, 17, (6, 4, 4, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def an_export(ticket, tmp_path_factory) -> Path:
    """A folder with an export; not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "ticket"
    tf_lottery.export_saved_model(ticket, folder)
    return folder


@pytest.fixture
def exported(an_export, tmp_path) -> Path:
    """A copy of it that may be changed."""
    return shutil.copytree(an_export, tmp_path / "ticket")


@pytest.mark.slow
def test_serves_with_tensorflow_alone(ticket, serve, tmp_path):
    tf_lottery.export_saved_model(ticket, tmp_path / "ticket")
    served = serve(tmp_path / "ticket", PIXELS)
    expected = ticket(PIXELS).numpy()
    assert expected.std() > 0
    np.testing.assert_allclose(served["result"], expected, rtol=1e-6, atol=1e-6)
    mask = tf_lottery.get_mask(ticket)
    assert set(mask) == {"conv/kernel", "output/kernel"}
    for name, array in mask.items():
        kernel = served[f"{name}:0"]
        assert (kernel[~array] == 0).all()
        assert np.count_nonzero(kernel) == np.count_nonzero(array)
    names = {"conv/bias:0", "output/bias:0", "conv/kernel:0", "output/kernel:0", "result"}
    names |= {f"normalization/{name}:0" for name in ("gamma", "beta")}
    names |= {f"normalization/moving_{name}:0" for name in ("mean", "variance")}
    assert set(served) == names, "masks or counters are left in the file"


def test_the_model_is_left_as_it_is(ticket, tmp_path):
    before = [array.tobytes() for array in ticket.get_weights()]
    tf_lottery.export_saved_model(ticket, tmp_path / "ticket")
    assert [array.tobytes() for array in ticket.get_weights()] == before
    assert tf_lottery.get_mask(ticket).density < 0.6


def test_nothing_is_said_of_metrics(ticket, tmp_path, caplog):
    tf_lottery.export_saved_model(ticket, tmp_path / "ticket")
    assert caplog.messages == []


@pytest.mark.slow
def test_replaces_an_earlier_export_as_a_whole(own_ticket, tmp_path):
    ticket, folder = own_ticket, tmp_path / "ticket"
    tf_lottery.export_saved_model(ticket, folder)
    output = ticket.layers[-1].layer
    output.bias.assign(np.full(5, 7, np.float32))
    with pytest.raises(ValueError, match=rf"^path={folder} holds an export of .*overwrite=True"):
        tf_lottery.export_saved_model(ticket, folder)
    tf_lottery.export_saved_model(ticket, folder, overwrite=True)
    loaded = tf.saved_model.load(str(folder))
    np.testing.assert_allclose(loaded(PIXELS), ticket(PIXELS), rtol=1e-6, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["ticket"]


def test_of_a_damaged_export_the_file_and_the_choices_are_named(ticket, exported):
    index = exported / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:-1])
    message = rf"^path={exported} holds .*, of which {index} was changed after it was written\. "
    with pytest.raises(ValueError, match=message + r"Restore .*--overwrite.* another folder\.$"):
        tf_lottery.export_saved_model(ticket, exported)
    (exported / "export.json").write_text("{")
    with pytest.raises(ValueError, match=rf"{exported}/export\.json is damaged.*delete the folder"):
        tf_lottery.export_saved_model(ticket, exported)


@pytest.mark.parametrize("name", [pytest.param("empty", marks=pytest.mark.slow), "new/folder"])
def test_into_an_empty_or_new_folder(ticket, tmp_path, name):
    (tmp_path / "empty").mkdir()
    tf_lottery.export_saved_model(ticket, tmp_path / name)
    assert (tmp_path / name / "saved_model.pb").exists()


def test_refuses_a_folder_of_something_else(ticket, tmp_path):
    (tmp_path / "notes.txt").write_text("all my work")
    with pytest.raises(ValueError, match=r"holds notes\.txt.*choose a new or an empty folder"):
        tf_lottery.export_saved_model(ticket, tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        tf_lottery.export_saved_model(ticket, tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_keeps_what_was_put_beside_an_earlier_export(ticket, exported):
    (exported / "notes.txt").write_text("all my work")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        tf_lottery.export_saved_model(ticket, exported, overwrite=True)
    assert (exported / "notes.txt").read_text() == "all my work"


def test_folder_that_cannot_be_written(ticket, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    # The last is too long only with what is added to it until the export is complete.
    places = [
        tmp_path / "file" / "ticket",
        "/proc/ticket",
        tmp_path / "loop",
        tmp_path / ("x" * 250),
    ]
    for folder in places:
        with pytest.raises(ValueError, match=f"^path={folder} cannot be written"):
            tf_lottery.export_saved_model(ticket, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


def test_names_that_are_too_long(ticket, tmp_path):
    path = tmp_path / ("x" * 256)
    for argument, use in {
        "path": partial(tf_lottery.export_saved_model, ticket),
        "folder": partial(tf_lottery.export, ticket),
        "source": lambda path: tf_lottery.export(path, tmp_path / "out"),
        "run": lambda path: tf_lottery.load_ticket(path, 0),
    }.items():
        for given in (path, path / "a"):
            with pytest.raises(ValueError, match=rf"^{argument}=.*xx….*longer than the system tak"):
                use(given)


def test_what_a_killed_export_of_an_older_version_left_is_named_and_stays(ticket, tmp_path, capsys):
    left, foreign = tmp_path / ".ticket.a1b2c3_d", tmp_path / ".ticket.notes_01"
    (left / "old").mkdir(parents=True)
    (left / "old" / "saved_model.pb").write_bytes(b"the export before")
    foreign.mkdir()
    (foreign / "notes.txt").write_text("all my work")
    tf_lottery.export_saved_model(ticket, tmp_path / "ticket")
    notes = capsys.readouterr().out
    assert f"Note: {left} is of an export by an older version" in notes
    assert str(foreign) not in notes
    assert (left / "old" / "saved_model.pb").exists()
    assert (foreign / "notes.txt").exists()


def test_a_saved_model_of_somebody_else_stays_with_its_assets(ticket, tmp_path):
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    theirs = tf.Module()
    theirs.words = tf.saved_model.Asset(str(tmp_path / "words.txt"))
    folder = tmp_path / "theirs"
    tf.saved_model.save(theirs, str(folder))
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"holds a SavedModel without export\.json"):
            tf_lottery.export_saved_model(ticket, folder, overwrite=overwrite)
    assert (folder / "assets" / "words.txt").read_text() == "one\ntwo\n"


def test_what_was_put_into_the_assets_of_an_export_stays(ticket, exported):
    (exported / "assets" / "labels.txt").write_text("all my work")
    with pytest.raises(ValueError, match=r"holds assets/labels\.txt, which is no part"):
        tf_lottery.export_saved_model(ticket, exported, overwrite=True)
    assert (exported / "assets" / "labels.txt").read_text() == "all my work"


def test_a_link_to_a_folder_stays_one(ticket, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    tf_lottery.export_saved_model(ticket, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "saved_model.pb").exists()


def test_of_a_call_without_self_it_is_said_what_to_rename(tmp_path):
    class Short(keras.Model):
        def __init__(this):
            super().__init__()
            this.output_layer = keras.layers.Dense(3)

        def call(this, x, training=False):
            return this.output_layer(x)

    model = Short()
    model(PIXELS[:, 0, 0])
    message = r"first argument self, but it is Short\.call\(this, x, training\): rename it"
    with pytest.raises(ValueError, match=message):
        tf_lottery.export_saved_model(tf_lottery.prunable(model), tmp_path / "ticket")
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_built_is_refused(tmp_path):
    model = keras.Sequential([keras.layers.Dense(3)], name="open")
    right = "open is not built; call it on an example"
    with pytest.raises(ValueError, match=f"^model={right}"):
        tf_lottery.export_saved_model(model, tmp_path / "saved")
    with pytest.raises(ValueError, match=f"^source={right}"):
        tf_lottery.export(model, tmp_path / "exported")
    assert not list(tmp_path.iterdir())
