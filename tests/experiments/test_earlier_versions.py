"""Run folders of earlier versions can be read and continued.

earlier_versions/0.1.0.tar.gz: version 0.1.0, commit 09ab623, killed at step 30 of level 1:
lenet_20_10 on the digits, 900 steps, rewound to 0, evaluated every 30 steps, two levels.
0.1.0_finished.npz: the masks and weights of levels 1 and 2, when that version finished it.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tf_lottery.masking.masks import Mask
from tf_lottery.report.run_state import read_run_state
from tf_lottery.store.run_folder import RunFolder

_ARCHIVES = Path(__file__).parent / "earlier_versions"
_FLAGS = {
    "name": "tiny",
    "model": "lenet_20_10",
    "train_steps": "900it",
    "evaluate_every": "30it",
    "levels": 2,
    "rewind_step": "0it",
}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(_ARCHIVES / "0.1.0.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.slow
def test_a_killed_run_is_read_and_then_finished(workdir, capsys):
    run = workdir / "tiny" / "replicate_1"
    state = read_run_state(run)
    assert (state.state, state.problems) == ("stopped", ())
    before = {path: path.read_bytes() for path in (run / "level_0").iterdir()}
    config = tf_lottery.config_from_values({**_FLAGS, "workdir": str(workdir)})
    summaries = tf_lottery.run_experiment(config)
    assert "level 1 continues at step 30" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before
    assert [row.weights_remaining for row in summaries] == [1580, 1264, 1011]
    assert summaries[-1].test_accuracy > 0.9
    journal = RunFolder.read(run)
    masks = [Mask.load(journal.level(level).masks_path) for level in range(3)]
    for level in (1, 2):
        ticket = tf_lottery.load_ticket(run, level)
        assert tf_lottery.get_mask(ticket) == masks[level]
        rewound = tf_lottery.load_ticket(run, level, "rewind")
        initial = tf_lottery.load_ticket(run, 0, "rewind")
        for layer, first in zip(rewound.layers, initial.layers, strict=True):
            if "dense" in layer.name or layer.name == "output":
                np.testing.assert_array_equal(layer.get_weights()[1], first.get_weights()[1])
    # Finished by this version or by that, the tickets are the same: on one machine to the bit.
    with np.load(_ARCHIVES / "0.1.0_finished.npz") as finished:
        for level in (1, 2):
            ticket = tf_lottery.load_ticket(run, level)
            for name, kept in masks[level].items():
                np.testing.assert_array_equal(kept, finished[f"level_{level}/mask/{name}"])
            for weight in tf_lottery.strip(ticket).weights:
                name = f"level_{level}/weight/{weight.name.split(':')[0]}"
                np.testing.assert_allclose(weight, finished[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_controls_and_analyses_start_from_it(workdir):
    run = workdir / "tiny" / "replicate_1"
    (summary,) = tf_lottery.run_branch(run, "random_mask", [1], train_steps="60it")
    assert summary.weights_remaining == 1264
    assert read_run_state(run).problems == ()
