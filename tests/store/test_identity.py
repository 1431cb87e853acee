"""The flags of a run folder, read by name."""

import copy
import pickle
from pathlib import Path

import pytest

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.identity import Identity
from tf_lottery.store.recorded import Recorded

FILE = Path("replicate_1/config.json")


DEFAULTS = ExperimentConfig().identity()
ATTRIBUTES = [flag for flag in (*DEFAULTS, "branch") if flag in vars(Identity)]


def test_flags_are_attributes():
    flags = DEFAULTS | {"levels": 3, "branch": "random_mask", "retraining": "fine_tune"}
    assert {flag: getattr(Identity(flags), flag) for flag in ATTRIBUTES} == {
        flag: flags[flag] for flag in ATTRIBUTES
    }


def test_what_an_older_run_was_made_without_had_its_default():
    identity = Identity({"model": "lenet"})
    for flag in {*ATTRIBUTES} - {"model", "dataset", "levels", "branch"}:
        assert getattr(identity, flag) == DEFAULTS[flag]
    assert identity.branch is identity.dataset is identity.levels is None
    assert "score" not in identity


def test_identities_are_compared_as_mappings():
    flags = {"model": "lenet", "of_a_plugin": 3}
    identity = Identity(flags)
    assert identity == flags == Identity(dict(flags))
    assert identity != Identity({**flags, "of_a_plugin": 4})
    assert pickle.loads(pickle.dumps(identity)) == copy.deepcopy(identity) == identity
    assert not Identity()


def test_flags_cannot_be_changed():
    with pytest.raises(TypeError):
        Identity({"levels": 3})["levels"] = 4
    with pytest.raises(AttributeError):
        Identity({"levels": 3}).levels = 4


def test_what_every_run_has_is_missed_by_the_name_of_its_file():
    identity = Identity(Recorded({"levels": 3}, FILE, typed=False))
    with pytest.raises(DamagedFileError, match=r"config\.json is damaged: it lacks 'model'"):
        _ = identity.model
    assert "model" not in identity
    assert identity.get("model", "unknown") == "unknown"
