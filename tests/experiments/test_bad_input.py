"""Bad input is refused before training, with the flag, the value and what would be right."""

from pathlib import Path

import numpy as np
import pytest
from absl import flags

import tf_lottery
from tests.experiments.refused_flags import BAD_INPUT
from tf_lottery.data import Epoch, epoch_order

# What main.py does with the answers, and what it asks of the devices of its process.
_OF_A_PROCESS = {
    "--pruning_rate=0": ("--pruning_rate=0.0", "between 0 and 1"),
    "--pruning_rate=half": ("flag --pruning_rate=half", "use a number, such as 0.2, or auto"),
    "--batch_size=1238": ("--batch_size=1238", "1237"),
    "--tpu=grpc://127.0.0.1:1": ("--tpu=grpc://127.0.0.1:1", "no TPU can be reached"),
    "--distribution=multi_worker": ("--distribution=multi_worker", "TF_CONFIG"),
    "--num_virtual_devices=7": ("--batch_size=60", "7 replicas", "such as 63"),
    "--no_such_flag=1": ("no_such_flag",),
    "banana": ("Error: banana: flags begin with --",),
}


@pytest.mark.parametrize("argument", BAD_INPUT)
def test_refused_before_anything_is_written(argument, command, tmp_path, capsys):
    # Of these errors main.py prints the message alone, as the test below tells.
    with pytest.raises((ValueError, flags.Error)) as refusal:
        command(argument, workdir=tmp_path)
    for part in BAD_INPUT[argument]:
        assert part in str(refusal.value)
    assert "training from" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("argument", _OF_A_PROCESS)
def test_refused_by_the_program(argument, start_main, tmp_path):
    process = start_main(argument, workdir=tmp_path)
    assert process.wait() == 1, process.output
    for part in _OF_A_PROCESS[argument]:
        assert part in process.output
    assert "Traceback" not in process.output
    assert "training from" not in process.output
    assert list(tmp_path.iterdir()) == []


def test_workdir_that_cannot_be_written(command, run_tiny, tmp_path):
    (tmp_path / "file").write_text("mine")
    for workdir in (tmp_path / "file" / "runs", Path("/proc/runs")):
        for run in (command, run_tiny):
            with pytest.raises(ValueError, match="hoose a writable folder with --wor") as refused:
                run(workdir=workdir)
            assert str(refused.value).startswith(f"cannot write {workdir}/tiny/replicate_1: ")
    assert (tmp_path / "file").read_text() == "mine"


def test_export_dir_that_cannot_be_written(run_tiny, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("all my work")
    (tmp_path / "file").write_text("mine")
    for name, reason in {"notes": "thesis.txt", "file": "is a file", "file/ticket": ""}.items():
        with pytest.raises(ValueError, match=f"--export_dir={tmp_path / name} .*{reason}"):
            run_tiny(tmp_path / "runs", export_dir=str(tmp_path / name))
        assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("inside", ["", "tiny", "tiny/replicate_1"])
def test_export_dir_among_the_runs(inside, run_tiny, tmp_path):
    with pytest.raises(ValueError, match="--export_dir"):
        run_tiny(tmp_path / "runs", export_dir=str(tmp_path / "runs" / inside))
    assert not (tmp_path / "runs").exists()


def test_labels_that_do_not_fit_the_classes():
    images, labels = np.zeros((4, 2, 2), np.uint8), np.array([0, 1, 2, 1])
    with pytest.raises(ValueError, match=r"label 2 .* 2 classes are 0 to 1"):
        tf_lottery.from_arrays((images, labels), (images, labels), classes=2)


def test_images_that_do_not_fit_the_model(run_tiny, tmp_path):
    images, labels = np.zeros((4, 6, 6), np.uint8), np.array([0, 1, 1, 0])
    data = tf_lottery.from_arrays((images, labels), (images, labels))
    with pytest.raises(ValueError, match=r"conv6.*\(6, 6, 1\).*at least 8"):
        run_tiny(tmp_path, data, model="conv6", batch_size=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_diverging_at_once(start_main, tmp_path):
    process = start_main("--optimizer=sgd", "--learning_rate=1e20", workdir=tmp_path)
    assert process.wait() == 1
    assert "the loss is not finite at step 2 of level 0" in process.output
    assert "lower --learning_rate" in process.output
    assert "Traceback" not in process.output
    assert not (tmp_path / "tiny" / "replicate_1" / "level_0" / "level.json").exists()


def test_a_deviation_that_is_too_large_is_named(run_tiny, tmp_path):
    wide = {"initializer": "normal", "init_stddev": 1e9, "optimizer": "sgd", "rewind_step": "0it"}
    with pytest.raises(
        tf_lottery.TrainingDivergedError,
        match=r"of level 0\. Try a smaller --init_stddev than 1e\+09, or a lower --learning_rate\.",
    ):
        run_tiny(tmp_path, **wide, train_steps="5it", evaluate_every="5it", levels=0)


@pytest.mark.slow
def test_diverging_at_a_later_level_keeps_the_finished_ones(run_tiny, snapshot, tmp_path):
    """At a huge learning rate all is well until the one example of class 1 comes along."""
    images, labels = np.zeros((64, 4), np.float32), np.zeros(64, np.int32)
    images[:, 0], images[63], labels[63] = 1, 2, 1
    steps, batch = 8, 2

    def comes_along(seed, level):
        return 63 in epoch_order(Epoch(seed, level, 0), 64)[: steps * batch - batch]

    seed = next(seed for seed in range(99) if comes_along(seed, 1) and not comes_along(seed, 0))
    values = {"data_seed": seed, "batch_size": batch, "train_steps": f"{steps - 1}it"}
    values |= {"optimizer": "sgd", "learning_rate": 1e15, "evaluate_every": "1it"}
    values |= {"rewind_step": "0it", "model": "lenet_20"}
    data = tf_lottery.from_arrays((images, labels), (images[:9], labels[:9]), classes=2)
    with pytest.raises(tf_lottery.TrainingDivergedError, match=r"step \d of level 1\. Finished"):
        run_tiny(tmp_path, data, **values)
    run = tmp_path / "tiny" / "replicate_1"
    assert tf_lottery.load_ticket(run, 0)(images).shape == (64, 2)
    assert len((run / "summary.csv").read_text().splitlines()) == 2
    kept = {name: seen for name, seen in snapshot(run).items() if name.startswith("level_0")}
    with pytest.raises(tf_lottery.TrainingDivergedError, match="of level 1"):
        run_tiny(tmp_path, data, **values)
    assert {name: snapshot(run)[name] for name in kept} == kept
