"""Tickets of run folders exported with the runs' own data."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tf_keras as keras

import tf_lottery
from tests.command_line import run_command_of as command
from tests.documents import ROOT
from tf_lottery.config.export import ExportConfig
from tf_lottery.data import load_dataset
from tf_lottery.experiments import example_data
from tf_lottery.experiments.example_data import representative_images, verification_examples
from tf_lottery.experiments.ticket_export import export_tickets
from tf_lottery.store.errors import DamagedFileError, RunFolderError
from tf_lottery.store.run_folder import RunFolder

FAST = ("--formats=keras", "--nomeasure")


def export(run: Path, *more: str) -> None:
    command("--experiment=export", f"--run={run}", *more)


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "export.csv").open(newline="") as file:
        return {row["format"]: row for row in csv.DictReader(file)}


def accuracy_of(run: Path, level: int) -> float:
    with (run / "summary.csv").open(newline="") as file:
        return float(list(csv.DictReader(file))[level]["test_accuracy"])


@pytest.mark.slow
def test_the_last_level_goes_into_the_run_folder_verified_on_its_test_data(
    copied_run, snapshot, capsys
):
    before = snapshot(copied_run)
    export(copied_run, *FAST)
    folder = copied_run / "export" / "level_2"
    (row,) = rows_of(folder).values()
    assert (row["format"], row["examples"]) == ("keras", "360")
    assert float(row["accuracy"]) == float(row["network_accuracy"]) == accuracy_of(copied_run, 2)
    assert float(row["dense_accuracy"]) == accuracy_of(copied_run, 0)
    loaded = keras.models.load_model(folder / "model.keras", compile=False)
    images = load_dataset("digits").test.images.astype(np.float32)
    expected = tf_lottery.load_ticket(copied_run, 2)(images)
    np.testing.assert_allclose(loaded(images), expected, rtol=1e-4, atol=1e-4)
    after = snapshot(copied_run)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("export/level_2/") for name in set(after) - set(before))
    output = capsys.readouterr().out
    assert f"export of level 2 of {copied_run}, verified with 360 of 360 test" in output
    assert "writing   1/1  keras\nverifying 1/1  all files\n" in output
    assert f"Export: {folder}\n" in output


@pytest.mark.slow
def test_main_exports_and_measures_and_the_run_goes_on(start_main, half_run, tmp_path):
    given = ("--experiment=export", f"--run={half_run}", "--levels=1", "--compact=off")
    given += ("--formats=saved_model,tflite",)
    # Of the flags of the run, the command is given none.
    elsewhere = {"workdir": tmp_path / "elsewhere", "script": ROOT / "main.py"}
    process = start_main(*given, **elsewhere)
    assert process.wait() == 0, process.output
    assert "Traceback" not in process.output
    rows = rows_of(half_run / "export" / "level_1")
    assert list(rows) == ["saved_model", "tflite"]
    for row in rows.values():
        assert row["skipped"] == ""
        assert float(row["ratio_batch_1_one_thread"]) > 0
        assert int(row["dense_bytes"]) > 0
    assert not (tmp_path / "elsewhere").exists()
    process = start_main(*given, **elsewhere)
    assert process.wait() == 1
    assert "Error: the run's own export folder " in process.output
    assert "give overwrite=True (--overwrite)" in process.output
    process = start_main(workdir=tmp_path)
    assert process.wait() == 0, process.output
    assert (half_run / "level_2" / "level.json").exists()
    assert rows_of(half_run / "export" / "level_1") == rows


@pytest.mark.slow
def test_all_replicates_and_branches_are_exported_each_into_its_folder(copied_run, run_tiny):
    run_tiny(copied_run.parents[1], replicate=2, levels=1)
    study = copied_run.parent
    export(study, *FAST)
    exports = [path.parent.relative_to(study) for path in study.rglob("export.csv")]
    assert sorted(map(str, exports)) == [
        "replicate_1/export/level_2",
        "replicate_2/export/level_1",
    ]
    with pytest.raises(
        ValueError, match=r"^the run's own export folder .*replicate_2.*holds an export of"
    ):
        export(study, *FAST, "--levels=1")
    assert not (copied_run / "export" / "level_1").exists(), "the first was written all the same"
    tf_lottery.run_branch(copied_run, "random_mask", [1])
    branch = copied_run / "branches" / "random_mask"
    export(branch, "--formats=keras", "--nomeasure", f"--export_dir={study}/shipped")
    (row,) = rows_of(study / "shipped").values()
    assert float(row["dense_accuracy"]) == accuracy_of(copied_run, 0)
    card = (study / "shipped" / "README.md").read_text()
    assert "--branch=random_mask" in card


@pytest.mark.slow
def test_exports_change_nothing_in_reports_and_lists(copied_run, tmp_path, capsys):
    outputs = {}
    for place in ("without", "with"):
        command("--experiment=list", f"--workdir={tmp_path}")
        command(
            "--experiment=report", f"--run={copied_run.parent}", f"--report_dir={tmp_path / place}"
        )
        outputs[place] = capsys.readouterr().out.replace(str(tmp_path / place), "")
        if place == "without":
            export(copied_run, *FAST)
            capsys.readouterr()
    assert outputs["with"] == outputs["without"]


@pytest.mark.slow
def test_integer_formats_are_calibrated_and_an_earlier_export_gives_way(copied_run):
    export(copied_run, *FAST)
    export(copied_run, "--formats=tflite_int8", "--nomeasure", "--overwrite", "--levels=2")
    folder = copied_run / "export" / "level_2"
    assert {path.name for path in folder.iterdir()} == {
        "model_int8.tflite",
        "export.csv",
        "export.json",
        "README.md",
    }
    (row,) = rows_of(folder).values()
    assert float(row["accuracy"]) == pytest.approx(accuracy_of(copied_run, 2), abs=0.05)


@pytest.mark.slow
def test_units_without_effect_are_removed_where_there_are_some(run_tiny, tmp_path):
    run = run_tiny(tmp_path, structure="units", pruning_rate=0.4)
    export(run, *FAST)
    folder = run / "export" / "level_2"
    assert (folder / "compaction.csv").exists()
    smaller = keras.models.load_model(folder / "model.keras", compile=False)
    assert smaller.count_params() < tf_lottery.strip(tf_lottery.load_ticket(run, 2)).count_params()
    (row,) = rows_of(folder).values()
    assert float(row["accuracy"]) == accuracy_of(run, 2)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--levels=3",), r"^--levels: level 3 is not finished in .*; finished are 0, 1, 2\."),
        (
            ("--formats=caffe,keras",),
            r"^--formats=caffe,keras: caffe is no format; choose from s",
        ),
        (("--formats=keras,",), r"^--formats=keras,: leave out the empty name; choose from s"),
        (("--formats=,",), r"^--formats=,: name at least one format; choose from s"),
        (("--learning_rate=0.5",), r"^--learning_rate=0.5: .*replicate_1 was made with"),
        (("--export_dir={run}",), r"^--export_dir=.* holds .*config\.json, .* no part of"),
        (("--export_dir={run}", "--overwrite"), r"^--export_dir=.* no part of an export"),
        (("--export_dir={run}/flags.cfg",), r"^--export_dir=.*flags\.cfg is a file"),
        (("--compact=on", "--formats=keras"), r"^compact=True \(--compact=on\): no unit of "),
    ],
)
def test_refused_before_anything_is_written(copied_run, snapshot, arguments, problem):
    before = snapshot(copied_run)
    with pytest.raises(ValueError, match=problem):
        export(copied_run, *(argument.format(run=copied_run) for argument in arguments))
    assert snapshot(copied_run) == before


def test_folders_of_other_things_stay(copied_run):
    foreign = copied_run / "export" / "level_2"
    foreign.mkdir(parents=True)
    (foreign / "notes.txt").write_text("all my work")
    for more in ((), ("--overwrite",)):
        with pytest.raises(ValueError, match=r"holds notes\.txt, which is no part of an export"):
            export(copied_run, *more)
    (foreign / "export.csv").touch()
    with pytest.raises(ValueError, match=r"holds notes\.txt, which is no part of an export"):
        export(copied_run, "--overwrite")
    assert (foreign / "notes.txt").read_text() == "all my work"


def test_a_folder_that_cannot_be_made_is_named_by_its_flag(copied_run):
    with pytest.raises(ValueError, match=r"^--export_dir=/proc/x cannot be written: No such file"):
        export(copied_run, "--export_dir=/proc/x", *FAST)


def test_one_folder_takes_one_ticket(copied_run):
    shutil.copytree(copied_run, copied_run.with_name("replicate_2"))
    with pytest.raises(ValueError, match=r"^--export_dir=out takes one ticket, but .* 2 runs"):
        export(copied_run.parent, "--export_dir=out")


def test_runs_without_a_level_or_with_a_damaged_one_are_refused(copied_run, tmp_path):
    with pytest.raises(RunFolderError, match="neither a run folder"):
        export(tmp_path)
    path = copied_run / "level_2" / "masks.npz"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DamagedFileError, match=str(path)):
        export(copied_run)
    for level in range(3):
        (copied_run / f"level_{level}" / "level.json").unlink()
    with pytest.raises(ValueError, match=r"^--levels: no level is finished in .* yet"):
        export(copied_run)
    assert not (copied_run / "export").exists()


@pytest.mark.slow
def test_runs_of_other_data_are_refused(run_tiny, tmp_path):
    images, labels = np.zeros((80, 4, 4), np.uint8), np.arange(80) % 2
    data = tf_lottery.from_arrays((images, labels), (images, labels))
    short = {"levels": 1, "train_steps": "9it", "batch_size": 9, "validation_examples": 0}
    run = run_tiny(tmp_path, data, **short)
    assert RunFolder.read(run).details.data_name == "arrays"
    with pytest.raises(ValueError, match=r"was begun in Python with data of your own .arrays."):
        export(run)
    assert not (run / "export").exists()


def run_streamed(workdir: Path) -> Path:
    """Runs an experiment on images of different sizes that are read from the disk."""
    small = {"model": "lenet_20_10", "image_size": 8, "batch_size": 4, "jit_compile": "off"}
    short = {"levels": 1, "train_steps": "2it", "evaluate_every": "1it", "rewind_step": "0it"}
    config = tf_lottery.config_from_values(
        {"dataset": "imagenet2012", "name": "tiny", "workdir": str(workdir), **small, **short}
        | {"validation_examples": 2}
    )
    tf_lottery.run_experiment(config)
    return config.run_path


@pytest.mark.slow
def test_streamed_images_verify_too_if_they_are_there(tmp_path):
    with tfds.testing.mock_data(num_examples=12):
        run = run_streamed(tmp_path)
        options = ExportConfig(formats="keras,tflite_int8", measure=False)
        (report,) = export_tickets([run], options=options)
    assert report.examples == 12
    assert report.accuracy == accuracy_of(run, 1)
    with pytest.raises(ValueError, match=r"^--dataset=imagenet2012"):
        export(run, f"--data_dir={tmp_path}", "--overwrite")
    assert (run / "export" / "level_1" / "model.keras").exists()


def test_no_more_examples_are_read_than_fit(monkeypatch):
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (90, 8, 8, 3)).astype(np.uint8), np.arange(90)
    data = tf_lottery.from_arrays((images, labels), (images, labels))
    assert np.array_equal(verification_examples(data)[0], images)
    assert np.array_equal(representative_images(data), images)
    monkeypatch.setattr(example_data, "_MOST_EXAMPLES", 30)
    assert list(verification_examples(data)[1][[0, 1, -1]]) == [0, 3, 89]
    monkeypatch.setattr(example_data, "_MOST_BYTES", 4 * 8 * 8 * 3 * 10 + 1)
    few, their_labels = verification_examples(data)
    assert np.array_equal(few, images[their_labels])
    assert len(their_labels) == 10
    monkeypatch.setattr(example_data, "_REPRESENTATIVE", 2)
    assert np.array_equal(representative_images(data), images[[0, 89]])


@pytest.mark.slow
def test_no_more_of_a_stream_is_read_than_is_wanted(monkeypatch):
    with tfds.testing.mock_data(num_examples=120):
        data = load_dataset("imagenet2012", image_size=8)
        images, labels = verification_examples(data)
        assert images.shape == (120, 8, 8, 3)
        monkeypatch.setattr(example_data, "_MOST_EXAMPLES", 70)
        first, first_labels = verification_examples(data)
        assert np.array_equal(first, images[:70])
        assert np.array_equal(first_labels, labels[:70])
        monkeypatch.setattr(example_data, "_REPRESENTATIVE", 60)
        assert representative_images(data).shape == (60, 8, 8, 3)
