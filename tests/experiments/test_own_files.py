"""Runs on data of one's own, named by flags: what is made of them later finds the data."""

import shutil

import numpy as np
import pytest

import tf_lottery
from tests.command_line import run_command_of
from tests.edited_config import edit_config
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder

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


def test_later_commands_find_the_data_and_where_they_have_moved(npz_run, command, tmp_path, capsys):
    assert RunFolder.read(npz_run).identity.dataset == "npz:data.npz"
    branch = ["--experiment=branch", f"--run={npz_run}", "--branch=random_mask"]
    run_command_of(*branch)
    assert (npz_run / "branches" / "random_mask" / "level_1" / "level.json").exists()
    assert AnalyzedRun(npz_run).experiment.dataset.test.images.shape == (8, 4, 4, 1)
    shutil.move(tmp_path / "mine" / "data.npz", tmp_path / "data.npz")
    with pytest.raises(
        ValueError, match=r"no file /.*mine/data.npz; where .* moved, give --dataset=npz:PATH"
    ):
        run_command_of(*branch, "--branch=retrain")
    moved = f"--dataset=npz:{tmp_path}/data.npz"
    run_command_of(*branch, "--branch=retrain", moved)
    run_command_of("--experiment=magnitudes", f"--run={npz_run}", moved)
    # Continuing from another folder, where the file lies now.
    given = [f"--{name}={value}" for name, value in {**SHORT, "levels": 2}.items()]
    command(*given, moved, workdir=tmp_path)
    assert (npz_run / "level_2" / "level.json").exists()


def test_another_file_of_that_name_is_noticed(npz_run, run_on, tmp_path):
    for name in ("data.npz", "other.npz"):
        write_npz(tmp_path / name, seed=1)
    with pytest.raises(
        RunFolderMismatchError, match=r"not those .* check whether /.*/data.npz has"
    ):
        run_on(tmp_path, f"npz:{tmp_path}/data.npz", levels=2)
    with pytest.raises(RunFolderMismatchError, match=r"holds another experiment"):
        run_on(tmp_path, f"npz:{tmp_path}/other.npz")


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
        r".*export_tickets\(": ["--experiment=export", f"--run={copied_run}"],
    }
    for call, arguments in asked.items():
        with pytest.raises(RunFolderMismatchError, match=said + call):
            run_command_of(*arguments)
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


@pytest.mark.slow
def test_images_of_different_sizes_are_streamed_by_runs_and_what_follows(run_on, tmp_path):
    import tensorflow as tf

    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(24):
            size = (*random.integers(9, 20, 2), 3)
            pixels = random.integers(0, 120, size).astype(np.uint8) + 99 * (name == "dog")
            encoded = tf.io.encode_jpeg(pixels.astype(np.uint8)).numpy()
            (tmp_path / "pets" / name / f"{number}.jpg").write_bytes(encoded)
    run = run_on(tmp_path, f"folder:{tmp_path}/pets", image_size=8)
    assert RunFolder.read(run).details.class_names == ("cat", "dog")
    assert RunFolder.read(run).details.input_shape == (8, 8, 3)
    tf_lottery.run_branch(run, "random_mask", [1])
    analyzed = AnalyzedRun(run).experiment.dataset
    assert (len(analyzed.train), len(analyzed.validation), len(analyzed.test)) == (30, 8, 10)
    with pytest.raises(ValueError, match=r"differ in size, such as cat/0.jpg .* --image_size"):
        run_on(tmp_path / "other", f"folder:{tmp_path}/pets")
    assert not (tmp_path / "other").exists()
