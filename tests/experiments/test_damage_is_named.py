"""Every kind of damage of a finished run is named by the command that meets it first."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import tf_lottery
from tests.edited_config import edit_config, edit_json
from tf_lottery.experiments.commands import RunExperiments
from tf_lottery.report.listing import print_runs
from tf_lottery.report.run_records import read_run
from tf_lottery.report.verification import verify_runs
from tf_lottery.store import damage as damage_module
from tf_lottery.store.seal import checksum, seal
from tf_lottery.store.sealed_table import write_sealed_csv

_TABLE, _EXPORT = "landscape/magnitudes.csv", "export/level_2"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def link_to_nowhere(path: Path) -> None:
    remove(path)
    path.symlink_to(path.parent / "gone")


def edit_numbers(path: Path) -> None:
    path.write_text(path.read_text().replace("0", "1"))


def add_a_row(path: Path) -> None:
    text = path.read_text()
    path.write_text(text + text.splitlines(keepends=True)[-1])


def set_seed(path: Path) -> None:
    path.write_text(path.read_text().replace("--split_seed=0", "--split_seed=7"))


_DAMAGES = [
    *(("level_1/masks.npz", how) for how in (truncate, flip, remove, empty)),
    *(("level_1/weights.data-00000-of-00001", how) for how in (truncate, flip, remove)),
    *(("level_0/weights.index", how) for how in (truncate, flip, remove)),
    *(("level_2/metrics.csv", how) for how in (truncate, edit_numbers, remove)),
    *(("level_1/level.json", how) for how in (truncate, edit_json, empty, link_to_nowhere)),
    *(("rewind/tensors.data-00000-of-00001", how) for how in (truncate, flip, remove)),
    ("rewind/tensors.index", remove),
    *(("rewind/seal.json", how) for how in (edit_json, remove)),
    *(("flags.cfg", how) for how in (truncate, set_seed, add_a_row, empty, link_to_nowhere)),
    *(("config.json", how) for how in (truncate, edit_json, empty, remove, link_to_nowhere)),
    *(("summary.csv", how) for how in (truncate, edit_numbers)),
    *((_TABLE, how) for how in (truncate, edit_numbers, add_a_row)),
    (f"{_TABLE}.sha256", flip),
    *((f"{_EXPORT}/export.csv", how) for how in (edit_numbers, remove)),
    (f"{_EXPORT}/ticket.tflite", flip),
]
# What is missing as a whole; what is named is the folder or the file itself.
_LOSSES = ["rewind", "level_1", "level_1/level.json", "flags.cfg"]


@pytest.fixture
def whole_run(copied_run) -> Path:
    """A finished run with a table of an analysis and an export."""
    write_sealed_csv(copied_run / _TABLE, ["level", "kept"], [{"level": 1, "kept": 0.80}])
    export = copied_run / _EXPORT
    export.mkdir(parents=True)
    (export / "export.csv").write_text("format,bytes\ntflite,1000\n")
    (export / "ticket.tflite").write_bytes(b"ticket")
    seal(export, ["export.csv", "ticket.tflite"], {}, "export.json")
    return copied_run


@pytest.fixture
def same_command(flags_of_tiny, tmp_path, capsys) -> Callable[[], str]:
    """Returns a function that starts the run's command again; gives what it printed, or raised."""
    config = tf_lottery.config_from_values({**flags_of_tiny, "workdir": str(tmp_path)})

    def start() -> str:
        try:
            tf_lottery.run_command(RunExperiments((config,)))
        except ValueError as error:
            return str(error)
        return capsys.readouterr().out

    return start


def _listed(workdir: Path) -> tuple[bool, str]:
    file = io.StringIO()
    return print_runs(workdir, Console(file=file)), file.getvalue()


def _verified(workdir: Path) -> tuple[bool, str]:
    file = io.StringIO()
    return verify_runs(workdir, console=Console(file=file)), file.getvalue()


def test_a_whole_run_has_no_damage(whole_run, same_command, tmp_path):
    # What a process was writing when it was killed is none.
    (whole_run / f"{_TABLE}.tmp-0123456789ab.csv").write_text("level,ke")
    assert _listed(tmp_path)[0] is False
    assert read_run(whole_run).problems == ()
    broken, text = _verified(tmp_path)
    assert not broken
    assert f"{whole_run}: whole\n" in text
    shown = same_command()
    assert "levels 0 to 2 are complete already" in shown
    assert "Note" not in shown


@pytest.mark.parametrize(("name", "how"), _DAMAGES)
def test_damage_is_named_by_whichever_command_comes_first(
    name, how, whole_run, same_command, tmp_path
):
    path = whole_run / name
    how(path)
    named = _named(path)
    broken, text = _listed(tmp_path)
    assert broken
    assert named in text
    assert any(named in problem for problem in read_run(whole_run).problems)
    broken, text = _verified(tmp_path)
    assert broken
    assert named in text
    assert "To get it back: " in text
    assert named in same_command()


@pytest.mark.parametrize("name", _LOSSES)
def test_what_is_missing_is_named(name, whole_run, tmp_path):
    remove(whole_run / name)
    named = str(whole_run / ("level_1" if name.startswith("level_1") else name))
    for broken, text in (_listed(tmp_path), _verified(tmp_path)):
        assert broken
        assert named in text
    assert any(named in problem for problem in read_run(whole_run).problems)


def test_the_last_level_that_is_deleted_is_named_and_trained_anew(
    whole_run, same_command, tmp_path
):
    remove(whole_run / "level_2")
    named = f"{whole_run / 'level_2'} is missing, but summary.csv has its results"
    for broken, text in (_listed(tmp_path), _verified(tmp_path)):
        assert broken
        assert named in " ".join(text.split())
    assert f"Note: {named}" in same_command()
    assert not _verified(tmp_path)[0]
    assert "Note" not in same_command()


def test_a_level_in_the_place_of_another_is_named(whole_run, same_command, tmp_path):
    remove(whole_run / "level_2")
    shutil.copytree(whole_run / "level_1", whole_run / "level_2")
    named = f"{whole_run / 'level_2' / 'level.json'} is that of level 1"
    for broken, text in (_listed(tmp_path), _verified(tmp_path)):
        assert broken
        assert named in " ".join(text.split())
    assert named in same_command()


@pytest.mark.slow
def test_a_level_of_a_branch_that_is_deleted_is_named_and_trained_anew(
    copied_run, capsys, tmp_path
):
    arguments = (copied_run, "random_mask", [1, 2])
    tf_lottery.run_branch(*arguments)
    last, aside = copied_run / "branches" / "random_mask" / "level_2", tmp_path / "aside"
    assert not _verified(tmp_path)[0]
    last.rename(aside)
    broken, text = _verified(tmp_path)
    assert broken
    assert f"{last} is missing, but summary.csv has its results" in " ".join(text.split())
    last.symlink_to("gone")
    assert f"{last} is a link to nothing" in _verified(tmp_path)[1]
    with pytest.raises(ValueError, match="level_2 is a link to nothing"):
        tf_lottery.run_branch(*arguments)
    last.unlink()
    aside.rename(last)
    path = copied_run / "branches" / "random_mask" / "level_1"
    weights = (path / "weights.data-00000-of-00001").read_bytes()
    remove(path)
    for notes in (1, 0):
        capsys.readouterr()
        tf_lottery.run_branch(*arguments)
        note = f"Note: {path} is missing, but summary.csv has its results. It is made anew."
        assert capsys.readouterr().out.count(note) == notes
        assert (path / "weights.data-00000-of-00001").read_bytes() == weights


def test_a_branch_whose_seal_leads_nowhere_is_not_called_whole(copied_run, tmp_path):
    branch = copied_run / "branches" / "random_mask"
    shutil.copytree(copied_run, branch, ignore=shutil.ignore_patterns("branches", "rewind"))
    edit_config(branch, {"branch": "random_mask"}, {"branch_levels": [1, 2]})
    assert "random_mask: whole" in _verified(tmp_path)[1]
    link_to_nowhere(branch / "level_1" / "level.json")
    broken, text = _verified(tmp_path)
    assert broken
    assert f"{branch / 'level_1' / 'level.json'} is a link to nothing" in text


@pytest.mark.parametrize(("name", "what"), [("summary.png", "figure"), ("summary.csv", "table")])
def test_a_folder_in_the_place_of_a_result_is_named(name, what, whole_run, same_command, tmp_path):
    result = whole_run / name
    remove(result)
    result.mkdir()
    (result / "mine").touch()
    for broken, text in (_listed(tmp_path), _verified(tmp_path)):
        assert broken
        assert f"{result} is a folder and no {what}" in " ".join(text.split())
    refusal = same_command()
    assert refusal.startswith(f"{result} is a folder and no {what}. Move it away, or delete it")
    result.rename(tmp_path / "mine")
    assert (tmp_path / "mine" / "mine").exists()
    assert f"Run folder: {whole_run}" in same_command()
    assert result.is_file()


def test_a_folder_in_the_place_of_a_result_is_told_before_anything_is_trained(
    half_run, same_command, snapshot
):
    (half_run / "summary.png").mkdir()
    before = snapshot(half_run)
    assert f"{half_run / 'summary.png'} is a folder and no figure. Move it" in same_command()
    assert snapshot(half_run) == before


@pytest.mark.parametrize("place", ["branches", "branches/one", "landscape", "export"])
def test_what_is_no_folder_though_it_should_be_is_named(place, copied_run, tmp_path):
    (copied_run / place).parent.mkdir(exist_ok=True)
    (copied_run / place).write_text("of somebody else")
    for broken, text in (_listed(tmp_path), _verified(tmp_path)):
        assert broken
        assert f"{copied_run / place} is no folder" in text


def _named(path: Path) -> str:
    """What has to be in the text: a seal and its table stand for each other."""
    if path.name == "level.json" and path.is_symlink():
        return str(path.parent)
    return str(path.with_suffix("") if path.suffix == ".sha256" else path)


def test_the_damaged_config_is_not_written_anew(whole_run, same_command):
    link_to_nowhere(whole_run / "config.json")
    assert "config.json is missing" in same_command()
    assert (whole_run / "config.json").is_symlink()


@pytest.mark.parametrize("name", ["summary.csv", "flags.cfg"])
def test_what_the_same_command_repairs_it_says_and_repairs(name, whole_run, same_command, tmp_path):
    assert f"{name} is missing" not in same_command()
    remove(whole_run / name)
    shown = same_command()
    assert name == "summary.csv" or f"Note: {whole_run / name} is missing" in shown
    assert not _verified(tmp_path)[0]
    before = (whole_run / name).read_text()
    assert "Note" not in same_command()
    assert (whole_run / name).read_text() == before


def test_content_of_large_files_is_read_by_verify_alone(whole_run, monkeypatch, tmp_path):
    monkeypatch.setattr(damage_module, "_SMALL_BYTES", 100)
    flip(whole_run / "level_1" / "weights.data-00000-of-00001")
    assert not _listed(tmp_path)[0]
    broken, text = _verified(tmp_path)
    assert broken
    assert "Lost: the trained weights of level 1." in text


def test_folders_of_older_versions_are_whole_and_said_to_be_not_sealed(whole_run, tmp_path):
    content = json.loads((whole_run / "config.json").read_text())
    del content["flags_sha256"]
    kept = {key: content[key] for key in ("identity", "details")}
    content["sha256"] = checksum(kept)
    (whole_run / "config.json").write_text(json.dumps(content))
    (whole_run / f"{_TABLE}.sha256").unlink()
    (whole_run / _EXPORT / "export.json").unlink()
    assert not _listed(tmp_path)[0]
    broken, text = _verified(tmp_path)
    assert not broken
    assert f"not sealed, as an older version of tf_lottery wrote it: flags.cfg, {_TABLE}" in text
    set_seed(whole_run / "flags.cfg")
    broken, text = _verified(tmp_path)
    assert broken
    assert "--split_seed=7 is 0 in config.json" in text


@pytest.mark.parametrize(
    "folders",
    [("level_1",), pytest.param(("rewind", "level_0"), marks=pytest.mark.slow)],
)
def test_what_verify_advises_brings_the_run_back(
    folders, whole_run, finished_run, run_tiny, outcome_of, tmp_path
):
    name = "masks.npz" if folders == ("level_1",) else "tensors.index"
    flip(whole_run / folders[0] / name)
    text = _verified(tmp_path)[1]
    for folder in folders:
        assert str(whole_run / folder) in text
        remove(whole_run / folder)
    run_tiny(tmp_path)
    assert not _verified(tmp_path)[0]
    before, after = outcome_of(finished_run), outcome_of(whole_run)
    kept = [file for file in before if file.startswith(("level_", "rewind"))]
    assert {file: after[file] for file in kept} == {file: before[file] for file in kept}


@pytest.mark.parametrize("name", ["level_1", "level_2", "level_5"])
@pytest.mark.parametrize("how", [link_to_nowhere, empty])
def test_what_is_in_the_place_of_a_level_is_named_before_anything_is_trained(
    name, how, copied_run, run_tiny, tmp_path
):
    path = copied_run / name
    if path.exists():
        remove(path)
    if how is empty:
        path.write_bytes(b"")
    else:
        path.symlink_to(copied_run / "gone")
    for broken, text in (_listed(tmp_path), _verified(tmp_path)):
        assert broken
        assert text.count(f"{path} ") == 1
    with pytest.raises(ValueError, match=f"{name} is (a link to nothing|no folder)"):
        run_tiny(tmp_path, levels=5)
    assert not (copied_run / "level_3").exists()


def test_a_table_that_is_deleted_is_named_until_it_is_measured_anew(copied_run, command, capsys):
    arguments = ("--experiment=magnitudes", f"--run={copied_run}")
    workdir, table = copied_run.parents[1], copied_run / "landscape" / "magnitudes.csv"
    command(*arguments, workdir=workdir)
    before = table.read_bytes()
    table.unlink()
    broken, text = _verified(workdir)
    assert broken
    assert f"{table} is missing" in text
    for notes in (1, 0):
        capsys.readouterr()
        command(*arguments, workdir=workdir)
        shown = capsys.readouterr().out
        assert shown.count(f"Note: {table} is missing. Restore it") == notes
        assert table.read_bytes() == before
    assert not _verified(workdir)[0]


@pytest.mark.parametrize("sealed", [True, False])
def test_of_a_table_that_is_a_folder_no_other_is_to_be_deleted(
    sealed, whole_run, same_command, command, tmp_path
):
    table = whole_run / _TABLE
    remove(table)
    table.mkdir()
    if not sealed:
        (whole_run / f"{_TABLE}.sha256").unlink()
    broken, text = _verified(tmp_path)
    assert broken
    advised = [text, same_command()]
    with pytest.raises(ValueError, match="is a folder and no table") as refusal:
        command("--experiment=magnitudes", f"--run={whole_run}", workdir=tmp_path)
    for words in (*advised, str(refusal.value)):
        assert f"{table} is a folder and no table" in words
        assert f"delete the folder {table} and start" in " ".join(words.split())
        assert f"{table.parent} " not in words
    remove(table)
    command("--experiment=magnitudes", f"--run={whole_run}", workdir=tmp_path)
    assert not _verified(tmp_path)[0]


def test_a_folder_in_the_place_of_the_chosen_rates_is_refused(whole_run, same_command):
    table = whole_run / "landscape" / "adaptive_pruning.csv"
    table.mkdir()
    shown = same_command()
    assert f"{table} is a folder and no table" in shown
    assert f"delete the folder {table} and start" in shown
    assert "Note" not in shown
