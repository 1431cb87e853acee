"""A search in a folder that is killed ends, started again, with the bits of one that was not."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tf_lottery.store.tensors import load_tensors

SCRIPT = Path(__file__).with_name("killed_search.py")


def search(*arguments: object) -> int:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=SCRIPT.parents[2], env={"PYTHONPATH": ".", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("keras", ["tf_keras", "keras"])
@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "Nadam", "Adamax", "Adafactor"])
def test_a_killed_search_ends_with_the_same_bits(keras: str, optimizer: str, tmp_path: Path):
    assert search(keras, optimizer, tmp_path / "straight", -1, "search") == 0
    check_killed(keras, optimizer, tmp_path, "search")


@pytest.mark.slow
@pytest.mark.parametrize("keras", ["tf_keras", "keras"])
def test_a_killed_fit_of_the_callback_ends_with_the_bits_of_a_search(keras: str, tmp_path: Path):
    assert search(keras, "Adam", tmp_path / "straight", -1, "search") == 0
    check_killed(keras, "Adam", tmp_path, "callback")


def check_killed(keras: str, optimizer: str, tmp_path: Path, way: str) -> None:
    assert search(keras, optimizer, tmp_path / "killed", 2, way) == -signal.SIGKILL
    assert not (tmp_path / "killed" / "level_1" / "level.json").exists()
    assert search(keras, optimizer, tmp_path / "killed", -1, way) == 0
    for level in range(3):
        one, two = (
            load_tensors(tmp_path / name / f"level_{level}" / "weights")
            for name in ("straight", "killed")
        )
        assert list(one) == list(two)
        for weight, value in one.items():
            assert value.tobytes() == two[weight].tobytes(), (level, weight)
