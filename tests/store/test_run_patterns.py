import re
from pathlib import Path

import pytest

from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.replicates import replicate_folders
from tf_lottery.store.run_patterns import named_runs


@pytest.fixture
def workdir(tmp_path):
    """Runs of a sweep with two replicates, and a folder that holds none."""
    for step in (0, 100, 20):
        for replicate in (1, 2):
            folder = tmp_path / f"study_rewind_step_{step}it" / f"replicate_{replicate}"
            folder.mkdir(parents=True)
            (folder / "config.json").touch()
    (tmp_path / "study_notes").mkdir()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_pattern_names_the_runs_that_it_fits_in_natural_order(workdir):
    found = named_runs(f"{workdir}/study_*")
    assert names(found) == [f"study_rewind_step_{step}it" for step in (0, 20, 100)]
    assert found[0].parent == workdir


def test_a_pattern_may_name_replicates(workdir):
    found = named_runs(f"{workdir}/study_rewind_step_?it/replicate_[12]")
    assert names(found) == ["replicate_1", "replicate_2"]


def test_a_path_is_left_as_it_is(workdir):
    assert named_runs(str(workdir / "nothing")) == [workdir / "nothing"]


def test_several_runs_take_several_flags(workdir):
    one, other = (f"{workdir}/study_rewind_step_{step}it" for step in (0, 20))
    expected = (
        f"--run={one},{other}: give the flag once for each run, as --run={one} --run={other}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        named_runs(f"{one},{other}")


def test_a_folder_without_runs_is_refused_with_those_beside_it(workdir):
    listed = ", ".join(f"study_rewind_step_{step}it" for step in (0, 20, 100))
    for name in ("study_notes", "absent"):
        with pytest.raises(RunFolderError) as refused:
            replicate_folders(workdir / name)
        assert str(refused.value) == (
            f"--run={workdir / name} is neither a run folder, WORKDIR/NAME/replicate_R, nor one "
            f"that holds run folders. In {workdir} there are {listed}."
        )


def test_a_pattern_that_fits_nothing_is_refused_with_what_there_is(workdir):
    listed = ", ".join(f"study_rewind_step_{step}it" for step in (0, 20, 100))
    expected = f"--run={workdir}/other* fits no run. In {workdir} there are {listed}."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        named_runs(f"{workdir}/other*")
    with pytest.raises(ValueError, match=r"In .* there is none at all"):
        named_runs(f"{workdir}/study_notes/*")
    with pytest.raises(ValueError, match=r"There is no folder .*absent"):
        named_runs(f"{workdir}/absent/*")
