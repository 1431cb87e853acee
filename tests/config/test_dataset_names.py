import pytest

from tf_lottery.config.dataset_names import check_dataset


@pytest.mark.parametrize(
    "name",
    ["digits", "mnist", "MNIST", "mnist_corrupted/fog", "cifar10:3.0.2", "huggingface:mnist"],
)
def test_what_may_be_found_is_left_to_tensorflow_datasets(name, tmp_path):
    check_dataset(name, str(tmp_path))
    check_dataset(name, "gs://bucket/tfds")
    assert not list(tmp_path.iterdir())


def test_a_prepared_copy_of_a_set_without_code_may_be_read(tmp_path):
    (tmp_path / "spirals" / "1.0.0").mkdir(parents=True)
    check_dataset("spirals", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("", None),
        ("no such set", None),
        ("zzzz", None),
        ("cifar", "cifar10 or cifar100"),
        ("fashion-mnist", "fashion_mnist"),
        ("digit", "digits"),
        ("mnits/fog", "mnist"),
    ],
)
def test_unknown_sets_are_refused_with_what_may_have_been_meant(name, meant, tmp_path):
    with pytest.raises(ValueError, match=r"^--dataset=.* is not known\.") as error:
        check_dataset(name, str(tmp_path))
    assert str(error.value).startswith(f"--dataset={name} is")
    if meant is None:
        assert "Did you mean" not in str(error.value)
    else:
        assert f"Did you mean {meant}" in str(error.value)
    assert "Choose digits or" in str(error.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pets", "folder:pets"),
        ("images:pets", "folder:pets"),
        ("file:pets/a.npz", "npz:pets/a.npz"),
        ("pets/b.csv", r"csv:pets/b.csv\?label=COLUMN"),
    ],
)
def test_files_without_their_kind_are_told_how_they_are_given(name, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    for file in ("a.npz", "b.csv"):
        (tmp_path / "pets" / file).touch()
    said = rf"^--dataset={name} is not known. Did you mean --dataset={meant}\? Choose digits or"
    with pytest.raises(ValueError, match=said):
        check_dataset(name, None)


def test_a_mistyped_folder_is_not_made(tmp_path):
    folder = tmp_path / "tdfs"
    with pytest.raises(ValueError, match=rf"^--data_dir={folder} is no folder: name the folder "):
        check_dataset("mnist", str(folder))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=rf"^--data_dir={tmp_path / 'file'} is no folder"):
        check_dataset("mnist", str(tmp_path / "file"))
    assert not folder.exists()
    check_dataset("digits", str(folder))  # It has no use for it.


def test_of_the_folder_of_a_set_the_one_above_is_meant(tmp_path):
    copy = tmp_path / "mnist" / "3.0.1"
    copy.mkdir(parents=True)
    (copy / "dataset_info.json").write_text("{}")
    with pytest.raises(ValueError, match=rf"^--data_dir=.*itself: .*--data_dir={tmp_path}\.$"):
        check_dataset("mnist", str(tmp_path / "mnist"))
