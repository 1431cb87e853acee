"""Data in files: what --dataset names, wherever the files are."""

import os
from pathlib import Path

import pytest

from tf_lottery.config.data_files import absolute_dataset, data_files, dataset_name
from tf_lottery.config.dataset_names import check_dataset
from tf_lottery.config.experiment import config_from_values, is_same_value


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("npz:data.npz", "npz:data.npz"),
        ("npz:~/some where/da?ta.npz", "npz:da?ta.npz"),
        ("folder:/images/pets?test=0.25", "folder:pets?test=0.25"),
        (
            "csv:../t.csv?label=a b&test=x/u.csv&drop=id,n",
            "csv:t.csv?label=a b&test=u.csv&drop=id,n",
        ),
        ("csv:/t.csv?label=y&test=0.5", "csv:t.csv?label=y&test=0.5"),
        ("my_set", "my_set"),
        ("my_set:1.0.0", "my_set"),
        ("mnist_corrupted/fog:1.*.*", "mnist_corrupted/fog"),
        ("huggingface:mnist", "huggingface:mnist"),
    ],
)
def test_the_name_is_the_same_wherever_the_files_are(given, name):
    assert dataset_name(given) == name
    assert dataset_name(absolute_dataset(given)) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("npz:a.npz", "npz:~/else where/b.npz", True),
        ("npz:a.npz", "folder:a.npz", False),
        ("folder:/pets", "folder:cats?test=0.20", True),
        ("folder:/pets", "folder:/pets?test=0.3", False),
        ("csv:a.csv?label=y&drop=id,n", "csv:b.csv?drop=n,id&label=y", True),
        ("csv:a.csv?label=y", "csv:a.csv?label=z", False),
        ("csv:a.csv?label=y&test=b.csv", "csv:c.csv?label=y&test=d.csv", True),
        ("my_set:1.0.0", "my_set", True),
        ("my_set", "npz:my_set", False),
    ],
)
def test_names_of_files_make_no_other_run_but_how_they_are_read_does(one, other, same):
    assert is_same_value("dataset", one, other) == same


def test_paths_are_read_where_the_flag_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_from_values({"dataset": "csv:t.csv?label=y&test=sub/u.csv"})
    monkeypatch.chdir("/")
    files = data_files(config.data.dataset)
    assert (files.path, files.file_of("test")) == (tmp_path / "t.csv", tmp_path / "sub" / "u.csv")
    assert config.identity()["dataset"] == "csv:t.csv?label=y&test=u.csv"
    assert config.name == "csv_t_lenet_300_100"


def test_a_version_is_no_other_run_but_runs_that_have_it_in_their_name_go_on(tmp_path):
    flags = {"dataset": "my_set:1.0.0", "workdir": str(tmp_path)}
    assert config_from_values(flags).name == "my_set_lenet_300_100"
    assert config_from_values(flags).identity()["dataset"] == "my_set"
    (tmp_path / "my_set_1.0.0_lenet_300_100").mkdir()
    assert config_from_values(flags).name == "my_set_1.0.0_lenet_300_100"
    assert config_from_values({**flags, "dataset": "my_set"}).name == "my_set_lenet_300_100"


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (
            "npz:missing.npz",
            "no file /.*missing.npz; where the data .* renamed, say so with --dataset=npz:PATH",
        ),
        ("folder:missing", "there is no folder /.*missing; "),
        ("folder:file.csv", "/.*file.csv is no folder; name the one"),
        ("npz:.", "is a folder; name the file"),
        ("npz:file.csv?label=y", "label is no option of npz; it has none"),
        ("csv:file.csv?lable=y", "lable is no option of csv; its options are label: the column"),
        ("csv:file.csv?label=y&label=z", "label is given twice, as y and as z; give it once"),
        ("csv:file.csv?label=y&test=missing.csv", "there is no file /.*missing.csv"),
    ],
)
def test_what_can_be_told_at_a_glance_is(dataset, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file.csv").touch()
    kind = dataset.partition(":")[0]
    with pytest.raises(ValueError, match=rf"^--dataset={kind}:.*{said}"):
        check_dataset(absolute_dataset(dataset), None)


@pytest.mark.parametrize("name", ["folder:{}", "csv:{}?label=y"])
def test_a_file_that_is_written_anew_is_another_state(name, tmp_path):
    file = tmp_path / "train" / "a.png"
    file.parent.mkdir()
    file.write_bytes(b"1")
    files = data_files(name.format(tmp_path))
    before = files.state()
    assert files.state() == before
    file.write_bytes(b"2")
    os.utime(file, ns=(0, 0))
    assert files.state() != before
