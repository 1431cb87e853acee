"""What XLA has compiled is used by later commands, if it is as it was written."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tf_lottery.experiments import compiled_programs
from tf_lottery.experiments.compiled_programs import (
    keep_compiled_programs,
    remove_unsealed,
    seal_programs,
)

VARIABLE = "TF_XLA_FLAGS"
LONG_AGO = (1e9, 1e9)


def program(folder, name, content=b"code"):
    path = folder / f"xla_compile_cache__{name}__XLA_CPU_JIT.pb"
    path.write_bytes(content)
    return path


def names(folder):
    return sorted(path.name.split("__")[1] for path in folder.glob("*.pb"))


def test_what_is_not_as_it_was_written_is_removed(tmp_path):
    for name in ("whole", "damaged"):
        program(tmp_path, name)
    seal_programs(tmp_path)
    program(tmp_path, "damaged", b"c")
    program(tmp_path, "of_a_process_that_runs")
    os.utime(program(tmp_path, "of_a_machine_that_went_down"), LONG_AGO)
    remove_unsealed(tmp_path)
    assert names(tmp_path) == ["of_a_process_that_runs", "whole"]
    assert len(list(tmp_path.glob("*.sha256"))) == 1


def test_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_programs, "_MOST", 2)
    for age, name in enumerate(("new", "newer", "old")[::-1]):
        os.utime(program(tmp_path, name), (2e9 + age, 2e9 + age))
    seal_programs(tmp_path)
    remove_unsealed(tmp_path)
    assert names(tmp_path) == ["new", "newer"]


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """What a new process chooses, with a folder for caches of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("atexit.register", lambda *_: None)
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.delenv(VARIABLE)

    def of():
        monkeypatch.delenv(VARIABLE, raising=False)
        keep_compiled_programs()
        return os.environ.get(VARIABLE)

    return of


@pytest.mark.skipif(sys.platform != "linux", reason="tested on Linux alone")
def test_the_folder_is_the_users_own(chosen, tmp_path):
    flags = chosen()
    (folder,) = (tmp_path / "tf_lottery" / "xla").iterdir()
    assert flags.startswith(f"--tf_xla_persistent_cache_directory={folder} ")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert chosen() is None
    folder.rmdir()
    folder.write_text("no folder")
    assert chosen() is None


@pytest.mark.skipif(sys.platform != "linux", reason="tested on Linux alone")
def test_each_build_of_tensorflow_has_its_folder(chosen, tmp_path, monkeypatch):
    flags = {chosen()}
    for build in ("tensorflow_cpu-2.21.0", "tensorflow_cpu-2.21.1", "tf_nightly-2.22.0"):
        site = tmp_path / build
        (site / f"{build}.dist-info").mkdir(parents=True)
        spec = SimpleNamespace(origin=str(site / "tensorflow" / "__init__.py"))
        monkeypatch.setattr(compiled_programs, "find_spec", lambda _, spec=spec: spec)
        flags.add(chosen())
    assert len(flags - {None}) == 4


def test_what_is_set_or_imported_already_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "--tf_xla_clustering_debug")
    keep_compiled_programs()
    assert os.environ[VARIABLE] == "--tf_xla_clustering_debug"
    monkeypatch.delenv(VARIABLE)
    keep_compiled_programs()
    assert VARIABLE not in os.environ
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="tested on Linux alone")
def test_the_same_bits_with_and_without_and_after_damage(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    def run(name, **variables):
        command = [sys.executable, "main.py", f"--workdir={tmp_path}", f"--name={name}"]
        command += ["--levels=1", "--train_steps=100it", "--rewind_step=10it"]
        subprocess.run(
            command,
            cwd=Path(__file__).parents[2],
            env=environment | variables,
            check=True,
            capture_output=True,
        )
        level = tmp_path / name / "replicate_1" / "level_1"
        return [
            (level / file).read_bytes() for file in ("weights.data-00000-of-00001", "masks.npz")
        ]

    without = run("without", **{VARIABLE: ""})
    assert not (tmp_path / "cache" / "tf_lottery").exists()
    assert run("first") == without
    (folder,) = (tmp_path / "cache" / "tf_lottery" / "xla").iterdir()
    kept = {path: path.read_bytes() for path in folder.glob("*.pb")}
    assert kept
    assert len(list(folder.glob("*.sha256"))) == len(kept)
    assert run("second") == without
    assert {path: path.read_bytes() for path in folder.glob("*.pb")} == kept
    for path, content in kept.items():
        path.write_bytes(content[:1000])
    assert run("damaged") == without
    assert {path.name for path in folder.glob("*.pb")} == {path.name for path in kept}
