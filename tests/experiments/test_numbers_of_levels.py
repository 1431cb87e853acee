"""Densities by layer and multiply-adds: in the run folder, in TensorBoard and in reports."""

import csv
import json
import shutil

import pytest
import tensorflow as tf

import tf_lottery
from tests.report.runs_on_disk import write_run
from tf_lottery.report.report import compare_runs
from tf_lottery.report.summary_table import print_summary
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary

KERNELS = {"dense_1/kernel": 64 * 20, "dense_2/kernel": 20 * 10, "output/kernel": 10 * 10}


def rows_of(run):
    with (run / "densities.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_kernel_of_each_level(finished_run):
    rows = rows_of(finished_run)
    assert [(row["level"], row["kernel"]) for row in rows] == [
        (str(level), kernel) for level in range(3) for kernel in KERNELS
    ]
    for level in range(3):
        mask = tf_lottery.Mask.load(finished_run / f"level_{level}" / "masks.npz")
        for row in rows[3 * level : 3 * level + 3]:
            kernel = row["kernel"]
            assert int(row["weights"]) == KERNELS[kernel]
            # Without positions, each weight is used once.
            assert int(row["remaining"]) == int(row["multiply_adds"]) == mask[kernel].sum()
            assert float(row["density"]) == mask[kernel].mean()


def test_tensorboard_has_them_by_level(finished_run):
    (file,) = (finished_run / "tensorboard" / "levels").iterdir()
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    for row in rows_of(finished_run):
        tag = f"density_of_kernels/{row['kernel']}"
        assert found[tag, int(row["level"])] == pytest.approx(float(row["density"]))
    assert [found["multiply_adds", level] for level in range(3)] == [1580, 1264, 1011]


@pytest.mark.slow
def test_units_that_are_taken_out_take_what_leads_from_them_along(run_tiny, tmp_path):
    run = run_tiny(tmp_path, structure="units", pruning_rate=0.5, levels=1)
    record = RunFolder.read(run).level(1).record()
    mask = tf_lottery.Mask.load(run / "level_1" / "masks.npz")
    first, second = (int(mask[name].any(0).sum()) for name in ("dense_1/kernel", "dense_2/kernel"))
    assert record["multiply_adds"] == {
        "dense_1/kernel": 64 * first,
        "dense_2/kernel": first * second,
        "output/kernel": second * 10,
    }
    assert sum(record["multiply_adds"].values()) < mask.remaining


def test_tables_and_reports_show_them(finished_run, tmp_path, capsys):
    records = [RunFolder.read(finished_run).level(level).record() for level in range(3)]
    print_summary([LevelSummary.from_record(record) for record in records])
    table = capsys.readouterr().out
    sentence = (
        "Per example, the dense network does 1.58 k multiply-adds, level 2 with its weights 1.01 k."
    )
    assert sentence in " ".join(table.split())
    page = compare_runs([finished_run], tmp_path / "report").page.read_text()
    assert "<td>1.58 k</td>" in page and "those of the weights that remain" in page
    with (tmp_path / "report" / "report.csv").open() as file:
        assert [row["multiply_adds"] for row in csv.DictReader(file)] == ["1580", "1264", "1011"]


def test_a_folder_without_them_shows_nothing(tmp_path, capsys):
    run = write_run(tmp_path / "old" / "replicate_1", [0.9, 0.8, 0.7])
    page = compare_runs([run], tmp_path / "report").page.read_text()
    assert "those of the weights that remain" not in page
    record = RunFolder.read(run).level(0).record()
    print_summary([LevelSummary.from_record(record)])
    assert "multiply" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_an_earlier_version_began_goes_on(half_run, run_tiny, tmp_path):
    shutil.rmtree(half_run / "tensorboard" / "levels")
    for level in (0, 1):
        _without_counts(half_run / f"level_{level}" / "level.json")
    run_tiny(tmp_path)
    rows = rows_of(half_run)
    assert [row["multiply_adds"] for row in rows[:6]] == [""] * 6
    assert all(row["density"] for row in rows) and rows[6]["multiply_adds"]


def _without_counts(path):
    from tf_lottery.store.seal import checksum

    content = json.loads(path.read_text())
    del content["record"]["multiply_adds"]
    body = {name: value for name, value in content.items() if name != "sha256"}
    path.write_text(json.dumps({**body, "sha256": checksum(body)}))
