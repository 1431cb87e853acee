"""What `verify` says of the folder of a search in which something is not what it was."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tf_lottery.report.verification import verify_runs
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning


@pytest.fixture(scope="module")
def search_in(build_model, batches) -> Callable[[Path], IterativeMagnitudePruning]:
    """Returns a function that goes through a search of one level in a folder."""

    def make(folder: Path) -> IterativeMagnitudePruning:
        search = IterativeMagnitudePruning(build_model(), 1, folder=folder)
        search.fit(batches, epochs=1, verbose=0)
        return search

    return make


@pytest.fixture(scope="module")
def finished_search(search_in, tmp_path_factory) -> Path:
    """The folder of a finished search; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "search"
    search_in(folder)
    return folder


@pytest.fixture
def finished(finished_search, tmp_path) -> Path:
    """A copy of it that may be changed."""
    return shutil.copytree(finished_search, tmp_path / "search")


def gone(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def a_file(path: Path) -> None:
    gone(path)
    path.write_text("mine")


def a_folder(path: Path) -> None:
    gone(path)
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    gone(path)
    path.symlink_to("gone")


def link_to_itself(path: Path) -> None:
    gone(path)
    path.symlink_to(path.name)


def moved_and_linked(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name(f"of_{path.name}")).name)


@pytest.mark.parametrize("level", ["level_0", "level_1"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (a_file, "is no folder"),
        (link_to_nothing, "is a link to nothing"),
        (link_to_itself, "is a link to nothing"),
    ],
)
def test_what_is_in_the_place_of_a_level_is_named(level, damage, said, finished, capsys):
    damage(finished / level)
    assert verify_runs(finished.parent, [finished])
    text = " ".join(capsys.readouterr().out.split())
    assert f"{finished / level} {said}. Lost: level {level[-1]}, if it was trained." in text
    assert "and start the same script again" in text


def test_a_level_that_lies_elsewhere_is_whole(finished, search_in):
    moved_and_linked(finished / "level_1")
    assert not verify_runs(finished.parent, [finished])
    assert search_in(finished).mask(1).density < 1


@pytest.mark.parametrize("damage", [gone, a_file, a_folder, link_to_nothing, link_to_itself])
@pytest.mark.parametrize(
    "name",
    [
        *(f"level_{level}/{file}" for level in (0, 1) for file in ("metrics.csv", "masks.npz")),
        "level_0/level.json",
        "level_1/weights.index",
        "rewind/seal.json",
        "rewind/tensors.index",
        "search.json",
    ],
)
def test_every_lost_or_replaced_file_is_named_with_the_way_back(name, damage, finished, capsys):
    damage(finished / name)
    assert verify_runs(finished.parent, [finished])
    text = capsys.readouterr().out
    # A level without its seal is not complete.
    assert str(finished / name).removesuffix("/level.json") in text
    assert "start the same script again" in " ".join(text.split())


def test_a_file_in_the_place_of_a_level_is_named_when_it_is_to_be_trained(finished, search_in):
    a_file(finished / "level_1")
    with pytest.raises(ValueError, match=f"{finished / 'level_1'} is a file, where a folder has"):
        search_in(finished)
    assert (finished / "level_1").read_text() == "mine"
