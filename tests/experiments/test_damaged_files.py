"""Files of a run folder that someone damaged are named, and neither trained on nor replaced."""

import shutil

import numpy as np
import pytest

from tests.edited_config import edit_json
from tests.experiments.interrupted import interrupt_when
from tf_lottery.store.errors import DamagedFileError


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def flip_a_mask(path):
    with np.load(path) as file:
        arrays = dict(file)
    name = next(name for name in arrays if name.endswith(":bits"))
    arrays[name][0] ^= 1
    np.savez(path, **arrays)


def remove(path):
    path.unlink()


def remove_last_line(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.fixture(scope="module")
def interrupted_run(run_tiny, tmp_path_factory):
    """A run that was interrupted within level 1; not to be changed."""
    workdir = tmp_path_factory.mktemp("interrupted")
    run = workdir / "tiny" / "replicate_1"
    moment = run / "level_1" / "checkpoint" / "step_10"
    interrupt_when(moment, lambda: run_tiny(workdir))
    assert moment.exists()
    assert not (run / "level_1" / "level.json").exists()
    return run


def _files(run, snapshot):
    tables = ("summary.", "densities.")
    return {name: seen for name, seen in snapshot(run).items() if not name.startswith(tables)}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("level_1/masks.npz", flip_a_mask),
        ("level_1/weights.data-00000-of-00001", flip_a_bit),
        ("level_1/level.json", edit_json),
        ("rewind/tensors.data-00000-of-00001", flip_a_bit),
        ("config.json", truncate),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("level_1/masks.npz", truncate),
                ("level_1/masks.npz", remove),
                ("level_1/weights.data-00000-of-00001", truncate),
                ("level_1/weights.index", flip_a_bit),
                ("level_1/metrics.csv", remove_last_line),
                ("rewind/tensors.index", truncate),
                ("rewind/seal.json", edit_json),
                ("rewind/seal.json", remove),
                ("config.json", edit_json),
            )
        ),
    ],
)
def test_damage_between_levels(name, damage, half_run, run_tiny, snapshot, tmp_path):
    damage(half_run / name)
    before = _files(half_run, snapshot)
    with pytest.raises(DamagedFileError) as error:
        run_tiny(tmp_path)
    assert str(half_run / name) in str(error.value)
    assert _files(half_run, snapshot) == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("level_1/checkpoint/step_10/tensors.data-00000-of-00001", flip_a_bit),
        ("level_1/metrics.csv", truncate),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("level_1/checkpoint/step_10/seal.json", remove),
                ("level_1/checkpoint/step_10/tensors.index", truncate),
                ("level_1/checkpoint/step_10/seal.json", edit_json),
                ("level_1/metrics.csv", remove),
            )
        ),
    ],
)
def test_damage_within_a_level(name, damage, interrupted_run, run_tiny, snapshot, tmp_path):
    run = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(interrupted_run, run)
    damage(run / name)
    before = _files(run, snapshot)
    with pytest.raises(DamagedFileError) as error:
        run_tiny(tmp_path)
    assert str(run / name) in str(error.value)
    assert _files(run, snapshot) == before
