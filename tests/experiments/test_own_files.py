"""Runs on data of one's own, named by flags: what is made of them later finds the data."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

import tf_lottery
from tests.command_line import run_command_of
from tests.edited_config import edit_config
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.loop import train

SHORT = {
    "levels": 1,
    "train_steps": "6it",
    "evaluate_every": "6it",
    "rewind_step": "0it",
    "batch_size": 8,
    "validation_examples": 8,
}


def write_npz(path, seed=0, step=1):
    random = np.random.default_rng(seed)
    labels = np.arange(48) % 3 * step
    images = random.integers(0, 99, (48, 4, 4)).astype(np.uint8) + 40 * labels[:, None, None]
    images = images.astype(np.uint8)
    np.savez(path, x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:])


@pytest.fixture
def run_on(flags_of_tiny):
    """Returns a function that runs a short experiment on files; gives its run folder."""

    def run(workdir, dataset, **flags):
        values = {**flags_of_tiny, "workdir": str(workdir), **SHORT, "dataset": dataset, **flags}
        config = tf_lottery.config_from_values(values)
        tf_lottery.run_experiment(config)
        return config.run_path

    return run


@pytest.fixture
def npz_run(run_on, tmp_path, monkeypatch):
    """A run on a file that was named by a relative path; the current folder is another one now."""
    (tmp_path / "mine").mkdir()
    write_npz(tmp_path / "mine" / "data.npz")
    monkeypatch.chdir(tmp_path / "mine")
    run = run_on(tmp_path, "npz:data.npz")
    monkeypatch.chdir("/")
    return run


@pytest.mark.slow
def test_later_commands_find_the_data_and_where_they_have_moved(npz_run, tmp_path):
    assert RunFolder.read(npz_run).identity.dataset == "npz:data.npz"
    assert AnalyzedRun(npz_run).experiment.dataset.test.images.shape == (8, 4, 4, 1)
    shutil.move(tmp_path / "mine" / "data.npz", tmp_path / "data.npz")
    with pytest.raises(
        ValueError,
        match=r"no file /.*mine/data.npz; where .* been renamed, say so with --dataset=npz:PATH",
    ):
        run_command_of("--experiment=branch", f"--run={npz_run}", "--branch=retrain")
    moved = f"--dataset=npz:{tmp_path}/data.npz"
    run_command_of("--experiment=magnitudes", f"--run={npz_run}", moved)
    assert (npz_run / "landscape" / "magnitudes.csv").exists()


@pytest.mark.slow
def test_what_is_trained_later_finds_the_data_and_where_they_have_moved(npz_run, command, tmp_path):
    branch = ["--experiment=branch", f"--run={npz_run}"]
    run_command_of(*branch, "--branch=random_mask")
    assert (npz_run / "branches" / "random_mask" / "level_1" / "level.json").exists()
    shutil.move(tmp_path / "mine" / "data.npz", tmp_path / "data.npz")
    moved = f"--dataset=npz:{tmp_path}/data.npz"
    run_command_of(*branch, "--branch=retrain", moved)
    # Continuing from another folder, where the file lies now.
    given = [f"--{name}={value}" for name, value in {**SHORT, "levels": 2}.items()]
    command(*given, moved, workdir=tmp_path)
    assert (npz_run / "level_2" / "level.json").exists()


def test_another_file_is_noticed_whatever_it_is_called(npz_run, run_on, command, tmp_path):
    for name in ("data.npz", "other.npz"):
        write_npz(tmp_path / name, seed=1)
    with pytest.raises(
        RunFolderMismatchError, match=r"not those .* check whether /.*/data.npz has"
    ):
        run_on(tmp_path, f"npz:{tmp_path}/data.npz", levels=2)
    # Also where nothing is left to train, or to measure.
    run_command_of("--experiment=magnitudes", f"--run={npz_run}")
    run_command_of("--experiment=branch", f"--run={npz_run}", "--branch=random_mask")
    other, said = f"--dataset=npz:{tmp_path}/other.npz", "not those .*give those, which were in npz"
    given = [f"--{name}={value}" for name, value in SHORT.items()]
    with pytest.raises(RunFolderMismatchError, match=said):
        command(*given, other, workdir=tmp_path)
    for later in (["magnitudes"], ["branch", "--branch=random_mask"], ["export"]):
        with pytest.raises(RunFolderMismatchError, match=said):
            run_command_of(f"--experiment={later[0]}", *later[1:], f"--run={npz_run}", other)
    with pytest.raises(ValueError, match=r"was made with --dataset=npz:data.npz; leave the flag"):
        run_command_of("--experiment=report", f"--run={npz_run}", other)
    with pytest.raises(RunFolderMismatchError, match=r"holds another experiment:\n  --dataset"):
        command(*given, f"--dataset=folder:{tmp_path}/mine", workdir=tmp_path)


def test_data_that_were_renamed_are_the_same(npz_run, command, tmp_path, capsys):
    file = shutil.move(tmp_path / "mine" / "data.npz", tmp_path / "new name.npz")
    renamed = f"--dataset=npz:{file}"
    given = [f"--{name}={value}" for name, value in {**SHORT, "levels": 2}.items()]
    for _ in range(2):
        command(*given, renamed, workdir=tmp_path)
    assert RunFolder.read(npz_run).complete_levels() == [0, 1, 2]
    assert RunFolder.read(npz_run).identity.dataset == "npz:data.npz"
    for later in (["branch", "--branch=random_mask"], ["magnitudes"]):
        run_command_of(f"--experiment={later[0]}", *later[1:], f"--run={npz_run}", renamed)
    assert (npz_run / "branches" / "random_mask" / "level_2" / "level.json").exists()
    run_command_of("--experiment=report", f"--run={npz_run}")
    assert "Different data sets" not in (npz_run.parent / "report" / "index.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_copies_that_analyses_train_find_renamed_files(npz_run, tmp_path, jobs):
    file = shutil.move(tmp_path / "mine" / "data.npz", tmp_path / "renamed.npz")
    run_command_of(
        *("--experiment=instability", f"--run={npz_run}", f"--dataset=npz:{file}", "--copies=2"),
        *("--levels=1", "--baselines=", "--points=3", f"--jobs={jobs}"),
    )
    assert len(list((npz_run / "branches").iterdir())) == 2
    assert list((npz_run / "landscape").glob("instability__*.csv"))


@pytest.mark.slow
def test_classes_that_were_renamed_are_told(run_on, tmp_path, capsys):
    pets = tmp_path / "pets"
    for name, colour in (("cat", 9), ("dog", 200)):
        (pets / name).mkdir(parents=True)
        for number in range(12):
            Image.new("L", (4, 4), colour + number).save(pets / name / f"{number}.png")
    flags = {"levels": 0, "validation_examples": 0}
    run = run_on(tmp_path, f"folder:{pets}", **flags)
    (pets / "dog").rename(pets / "hound")
    renamed = r"class 1 is called hound now, and was dog; the examples are the same, and .* keeps"
    tf_lottery.run_branch(run, "retrain", [0])
    assert re.search(renamed, " ".join(capsys.readouterr().out.split()))
    branch = RunFolder.read(run / "branches" / "retrain")
    assert branch.details.class_names == ("cat", "dog")
    # In another order they are other data.
    (pets / "cat").rename(pets / "lion")
    with pytest.raises(RunFolderMismatchError, match=r"not those .* \(class 0 is called hound now"):
        tf_lottery.run_branch(run, "retrain", [0], dataset=f"folder:{pets}")


@pytest.mark.slow
def test_a_file_that_changes_between_two_runs_of_one_process_is_read_again(run_on, tmp_path):
    path = tmp_path / "data.npz"
    fingerprints = []
    for seed in (0, 1):
        write_npz(path, seed)
        run = run_on(tmp_path / str(seed), f"npz:{path}", levels=0)
        fingerprints.append(RunFolder.read(run).details.data_sha256)
    assert fingerprints[0] != fingerprints[1]


@pytest.mark.slow
def test_a_class_without_training_examples_is_said(run_on, tmp_path, capsys):
    write_npz(tmp_path / "data.npz", step=2)
    run_on(tmp_path, f"npz:{tmp_path}/data.npz", levels=0)
    said = "data.npz: there is no training example of the classes 1, 3; the network has an output"
    assert said in capsys.readouterr().out


def test_runs_on_arrays_of_a_script_say_what_to_do(copied_run, command, tmp_path):
    edit_config(copied_run, details={"data_name": "pets"})
    said = r"was begun in Python with data of your own \(pets\), .*Go on in Python.*: tf_lottery"
    with pytest.raises(RunFolderMismatchError, match=said + r"\.run_experiment\(config, data\)"):
        command("--levels=3", workdir=tmp_path)
    asked = {
        r"\.run_branch\(": ["--experiment=branch", f"--run={copied_run}", "--branch=random_mask"],
        r".*run_analysis\(": ["--experiment=magnitudes", f"--run={copied_run}"],
        r"\.export\(.*test_data=\(x_test, y_test\)\), where x_test has": [
            "--experiment=export",
            f"--run={copied_run}",
        ],
    }
    for call, arguments in asked.items():
        with pytest.raises(RunFolderMismatchError, match=said + call):
            run_command_of(*arguments)
    with pytest.raises(RunFolderMismatchError, match=said + r"\.run_analysis\(.* dataset=data\)"):
        tf_lottery.run_analysis(copied_run, "magnitudes")
    # What needs no data goes on.
    command(workdir=tmp_path)


def test_a_run_that_was_begun_with_a_version_of_its_data_goes_on_without(made_with):
    run = made_with(dataset="digits:1.0.0")
    identity = dict(RunFolder.read(run).identity)
    RunFolder.refuse(run, {**identity, "dataset": "digits"})
    assert RunFolder.read(run).identity.agrees("dataset", "digits:2.0.0")
    with pytest.raises(RunFolderMismatchError, match=r"has \"digits:1.0.0\", this .* \"iris"):
        RunFolder.refuse(run, {**identity, "dataset": "iris"})


@pytest.mark.slow
def test_a_prepared_set_is_found_without_its_code_and_its_version_makes_no_other_run(
    run_on, tmp_path, capsys
):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(4, 4, 1)),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
    )
    images = np.arange(24, dtype=np.uint8)[:, None, None, None] * np.full((4, 4, 1), 9, np.uint8)
    train = tf.data.Dataset.from_tensor_slices({"image": images, "label": np.arange(24) % 2})
    tfds.dataset_builders.store_as_tfds_dataset(
        name="my_set",
        version="1.0.0",
        features=features,
        split_datasets={"train": train.take(24), "test": train.take(6)},
        data_dir=str(tmp_path / "sets"),
    )
    flags = {"data_dir": str(tmp_path / "sets"), "validation_examples": 4}
    run = run_on(tmp_path, "my_set:1.0.0", **flags)
    assert RunFolder.read(run).identity.dataset == "my_set"
    assert run_on(tmp_path, "my_set", **flags, levels=2) == run
    assert RunFolder.read(run).complete_levels() == [0, 1, 2]
    run_command_of("--experiment=branch", f"--run={run}", "--branch=random_mask", "--levels=2")


def write_pets(folder, ending):
    """Images of different sizes in two classes."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            size = (*random.integers(9, 20, 2), 3)
            pixels = random.integers(0, 120, size).astype(np.uint8) + 99 * (name == "dog")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.{ending}")


@pytest.mark.slow
def test_images_of_different_sizes_are_streamed_by_runs_and_what_follows(run_on, tmp_path):
    write_pets(tmp_path / "pets", "jpg")
    run = run_on(tmp_path, f"folder:{tmp_path}/pets", image_size=8)
    assert RunFolder.read(run).details.class_names == ("cat", "dog")
    assert RunFolder.read(run).details.input_shape == (8, 8, 3)
    tf_lottery.run_branch(run, "random_mask", [1])
    analyzed = AnalyzedRun(run).experiment.dataset
    assert (len(analyzed.train), len(analyzed.validation), len(analyzed.test)) == (30, 8, 10)
    with pytest.raises(ValueError, match=r"differ in size, such as cat/0.jpg .* --image_size"):
        run_on(tmp_path / "other", f"folder:{tmp_path}/pets")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_run_goes_on_when_a_streamed_image_is_restored_or_another_takes_its_place(
    run_on, outcome_of, tmp_path, monkeypatch
):
    write_pets(tmp_path / "pets", "png")
    pets = f"folder:{tmp_path}/pets"
    whole = outcome_of(run_on(tmp_path / "whole", pets, image_size=8))
    path = tmp_path / "pets" / "dog" / "7.png"
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 255

    def train_on_damaged(*arguments):
        path.write_bytes(damaged)
        return train(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("tf_lottery.experiments.running.level_training.train", train_on_damaged)
        said = r"^--dataset=folder:.*cannot be read: dog/7.png \(.*; restore them, .*--skip"
        with pytest.raises(ValueError, match=said):
            run_on(tmp_path / "restored", pets, image_size=8)
    shutil.copytree(tmp_path / "restored", tmp_path / "without")
    without = run_on(tmp_path / "without", pets, image_size=8, skip_unreadable=True)
    assert RunFolder.read(without).complete_levels() == [0, 1]
    with pytest.raises(ValueError, match=said):
        tf_lottery.run_branch(without, "random_mask", [1], skip_unreadable=False)
    tf_lottery.run_branch(without, "random_mask", [1], skip_unreadable=True)
    path.write_bytes(content)
    assert outcome_of(run_on(tmp_path / "restored", pets, image_size=8)) == whole
