"""Whole runs of examples/transfer.py, each in a process of its own."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

# A run takes about a minute, and several where other processes compete for the cores.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY_RUN = ["--epochs=2", "--head_epochs=1", "--levels=2", "--tolerance=1"]


def run_example(*arguments: str) -> str:
    """Runs the example in a process of its own; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, str(EXAMPLES / "transfer.py"), *TINY_RUN, *arguments]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def check_results(folder: Path, classes: list[str]) -> None:
    with (folder / "levels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["density"]) for row in rows] == pytest.approx([1, 0.5, 0.25], abs=1e-4)
    assert (folder / "classes.txt").read_text().split() == classes
    sizes = {}
    for network in ("dense", "ticket"):
        with (folder / network / "export.csv").open() as file:
            exported = {row["format"]: row for row in csv.DictReader(file)}
        assert set(exported) == {"saved_model_compressed", "tflite_sparse", "tflite_int8"}
        sizes[network] = {name: int(row["bytes"]) for name, row in exported.items()}
    for name in ("saved_model_compressed", "tflite_sparse"):
        assert sizes["ticket"][name] < 0.7 * sizes["dense"][name]
    interpreter = Interpreter(str(folder / "ticket" / "model_sparse.tflite"))
    assert interpreter.get_output_details()[0]["shape"][-1] == len(classes)


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory) -> tuple[Path, str]:
    """The folder of a run without data, and what it printed."""
    folder = tmp_path_factory.mktemp("digits") / "results"
    return folder, run_example(f"--folder={folder}")


def test_it_transfers_digits_by_itself(digits_run):
    folder, output = digits_run
    check_results(folder, classes=list("56789"))
    assert "Took over 54 of the 54 layers" in output
    assert "of level 2, with 25.0% of the weights" in output


def test_the_same_command_goes_on_after_the_last_finished_level(digits_run, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(digits_run[0], folder)
    flags = (folder / "flags.cfg").read_text().replace(str(digits_run[0]), str(folder))
    (folder / "flags.cfg").write_text(flags)
    shutil.rmtree(folder / "search" / "level_2")
    shutil.rmtree(folder / "ticket")
    kept = (folder / "search" / "level_1" / "level.json").read_bytes()
    output = run_example(f"--folder={folder}")
    assert "Pretraining" not in output
    assert "Level 1 of 2" not in output
    assert "Level 2 of 2, density 25.0%" in output
    assert (folder / "search" / "level_1" / "level.json").read_bytes() == kept
    check_results(folder, classes=list("56789"))


def test_it_transfers_to_a_folder_of_images(digits_run, write_images, tmp_path):
    write_images(tmp_path / "photos", per_class=40)
    run_example(
        f"--weights={digits_run[0] / 'pretrained.weights.h5'}",
        f"--images={tmp_path / 'photos'}",
        f"--folder={tmp_path / 'results'}",
    )
    check_results(tmp_path / "results", classes=["above", "below"])


def test_it_transfers_to_arrays_and_rewinds_later(digits_run, tmp_path):
    y = np.random.default_rng(0).integers(0, 3, 90)
    x = np.broadcast_to(80 * y.reshape(-1, 1, 1), (90, 9, 9))
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y)
    run_example(
        f"--weights={digits_run[0] / 'pretrained.weights.h5'}",
        f"--arrays={tmp_path / 'own.npz'}",
        "--batch_size=10",
        "--rewind_step=3",
        f"--folder={tmp_path / 'results'}",
    )
    check_results(tmp_path / "results", classes=["0", "1", "2"])


def test_the_same_command_gives_the_same_levels(digits_run, tmp_path):
    run_example(f"--folder={tmp_path / 'results'}")
    levels = [(run / "levels.csv").read_text() for run in (digits_run[0], tmp_path / "results")]
    assert levels[0] == levels[1]
