"""Tickets that are loaded from a run folder."""

import numpy as np
import pytest

import tf_lottery
from tf_lottery.masking.layers import model_variables
from tf_lottery.store.errors import DamagedFileError, RunFolderError
from tf_lottery.store.tensors import load_tensors


def _values(model):
    return {name: variable.numpy() for name, variable in model_variables(model).items()}


@pytest.mark.parametrize("level", [0, 2])
def test_trained_weights(finished_run, level):
    model = tf_lottery.load_ticket(finished_run, level)
    saved = load_tensors(finished_run / f"level_{level}" / "weights")
    values = _values(model)
    assert values.keys() == saved.keys()
    for name, value in values.items():
        assert value.tobytes() == saved[name].tobytes(), name
    masks = finished_run / f"level_{level}" / "masks.npz"
    assert tf_lottery.get_mask(model) == tf_lottery.Mask.load(masks)


def test_rewind_weights(finished_run):
    model = tf_lottery.load_ticket(finished_run, 2, weights="rewind")
    mask = tf_lottery.Mask.load(finished_run / "level_2" / "masks.npz")
    assert tf_lottery.get_mask(model) == mask
    saved = load_tensors(finished_run / "rewind" / "tensors")
    for name, value in _values(model).items():
        expected = saved[f"weights/{name}"]
        if name in mask:
            expected = np.where(mask[name], expected, np.float32(0))
        assert value.tobytes() == expected.tobytes(), name


def test_errors(finished_run, tmp_path):
    with pytest.raises(ValueError, match="weights='initial': use one of trained, rewind"):
        tf_lottery.load_ticket(finished_run, 1, weights="initial")
    with pytest.raises(RunFolderError, match=r"level=7 is not finished.*levels 0 to 2"):
        tf_lottery.load_ticket(finished_run, 7)
    with pytest.raises(ValueError, match="level=-1: use a whole number of 0 or more"):
        tf_lottery.load_ticket(finished_run, -1)
    with pytest.raises(RunFolderError, match="is not a run folder"):
        tf_lottery.load_ticket(tmp_path, 0)
    with pytest.raises(RunFolderError, match="is not a run folder"):
        tf_lottery.load_ticket(tmp_path / "missing", 0)


def test_damaged_level(copied_run):
    (copied_run / "level_1" / "masks.npz").write_bytes(b"")
    with pytest.raises(DamagedFileError, match=r"level_1/masks\.npz"):
        tf_lottery.load_ticket(copied_run, 1)
    tf_lottery.load_ticket(copied_run, 2)
