"""The package as it is installed: the wheel, the command `tf-lottery`, and what an import loads."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import tf_lottery
from tests.report.reported_runs import write_replicate

ROOT = Path(__file__).parent.parent
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel, built without network from a copy: building writes beside the sources."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("tf_lottery", "configs"):
        shutil.copytree(ROOT / folder, source / folder, ignore=ignored)
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", target)
    built = run(*PIP, "wheel", *options, source, cwd=source)
    assert built.returncode == 0, built.stderr
    (path,) = target.iterdir()
    return path


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory) -> Path:
    """A folder into which the wheel is installed, and its commands into bin/."""
    folder = tmp_path_factory.mktemp("site")
    installed = run(
        *PIP, "install", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder
    )
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.fixture
def program(site: Path, tmp_path: Path):
    """Runs the installed command in a folder of its own."""

    def run_program(*arguments: str) -> subprocess.CompletedProcess:
        command = site / "bin" / "tf-lottery"
        return run(command, *arguments, cwd=tmp_path, PYTHONPATH=str(site), PYTHONSAFEPATH="1")

    return run_program


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"tf_lottery-{tf_lottery.__version__}.dist-info/{name}").decode()


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        (Path(inside) / path.relative_to(ROOT / folder)).as_posix()
        for folder, inside in {"tf_lottery": "tf_lottery", "configs": "tf_lottery/configs"}.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert {"tf_lottery/report/page.html.j2", "tf_lottery/configs/digits_lenet.cfg"} < files
    assert {"tf_lottery/py.typed", "tf_lottery/__main__.py"} < files
    assert names == files


def test_the_wheel_says_what_it_is_and_needs(wheel: Path):
    told = message_from_string(metadata(wheel, "METADATA"))
    assert (told["Name"], told["Version"]) == ("tf_lottery", tf_lottery.__version__)
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == "<3.14,>=3.11"
    all_needed = told.get_all("Requires-Dist")
    needed = {re.match(r"[\w-]+", line)[0] for line in all_needed if "extra ==" not in line}
    extras = ["gpu", "torch", "onnx", "slurm", "dask", "wandb", "mlflow", "docs", "notebooks"]
    assert told.get_all("Provides-Extra") == extras
    not_in_tests = re.compile(r"extra == .(gpu|wandb|mlflow)\b")
    in_tests = (ROOT / "requirements-test.txt").read_text()
    for line in all_needed:
        if "extra ==" in line and not not_in_tests.search(line):
            name, bounds = re.match(r"([\w-]+)([^;]+)", line).groups()
            ranges = ",".join(sorted(bounds.strip().split(","), reverse=True))
            assert f"{name}{ranges}\n" in in_tests
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    assert needed == {re.match(r"[\w-]+", line)[0] for line in lines}
    assert "tf-lottery = tf_lottery.cli:main" in metadata(wheel, "entry_points.txt")


def test_the_lowest_versions_are_those_of_the_ranges():
    """So that a run with requirements-lowest.txt is one of the oldest that may be installed."""
    ranges, lowest = (
        dict(re.findall(rf"^([\w-]+){sign}([\d.]+)", (ROOT / name).read_text(), re.MULTILINE))
        for name, sign in (("requirements.txt", ">="), ("requirements-lowest.txt", "=="))
    )
    assert len(ranges) > 15
    assert ranges.keys() == lowest.keys()
    for name, least in ranges.items():
        assert f"{lowest[name]}.".startswith(f"{least}."), name


def test_the_command_shows_the_flags_of_main(program):
    shown, of_main = program("--help").stdout, run(sys.executable, "main.py", "--help", cwd=ROOT)
    flags_shown = re.findall(r"^  --\S+.*$", shown, re.MULTILINE)
    assert len(flags_shown) > 50
    assert flags_shown == re.findall(r"^  --\S+.*$", of_main.stdout, re.MULTILINE)


def test_the_flag_files_that_are_shipped_are_found_in_any_folder(program, tmp_path: Path):
    listed = program("configs").stdout
    names = re.findall(r"^\S+\.cfg$", listed, re.MULTILINE)
    assert names == sorted(
        (path.relative_to(ROOT / "configs").as_posix() for path in ROOT.glob("configs/**/*.cfg")),
        key=lambda name: ("/" in name, name),
    )
    assert max(map(len, listed.splitlines())) <= 80
    for name in ("paper/lth_lenet_mnist.cfg", "configs/digits_lenet.cfg"):
        result = program(f"--flagfile={name}", "--levels=-1")
        assert result.stderr == "Error: --levels=-1 is out of range: use 0 to 10000.\n"
    assert "--flagfile=paper/none.cfg cannot be" in program("--flagfile=paper/none.cfg").stderr
    # One of that name where it is run goes first.
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "lth_lenet_mnist.cfg").write_text("--epochs=3\n")
    assert (
        "--epochs=3 is line 1 of paper" in program("--flagfile", "paper/lth_lenet_mnist.cfg").stderr
    )


@pytest.mark.slow
def test_the_package_runs_as_a_module(site, tmp_path: Path):
    command = (sys.executable, "-m", "tf_lottery", "--flagfile=digits_lenet.cfg", "--levels=1")
    result = run(*command, "--train_steps=20it", cwd=tmp_path, PYTHONPATH=str(site))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "runs" / "digits_lenet" / "replicate_1" / "level_1").is_dir()


@pytest.mark.slow
def test_the_command_reads_flag_files_in_the_folder_where_it_is_run(program, tmp_path: Path):
    (tmp_path / "mine.cfg").write_text("--experiment=list\n--workdir=nowhere\n")
    result = program("--flagfile=mine.cfg")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: --workdir=nowhere cannot be listed")
    (tmp_path / "nowhere").mkdir()
    result = program("--flagfile=mine.cfg")
    assert (result.returncode, result.stderr) == (0, "")
    assert "nowhere" in result.stdout


@pytest.mark.slow
def test_the_command_refuses_what_main_refuses(program):
    result = program("--levels=-1")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "Error: --levels=-1 is out of range: use 0 to 10000.\n"
    result = program("list")
    assert result.returncode == 1
    assert "Error: list: flags begin with --" in result.stderr


@pytest.mark.slow
def test_the_command_writes_a_report_with_the_template_of_the_wheel(program, tmp_path: Path):
    write_replicate(tmp_path / "runs" / "study" / "replicate_1", [0.9, 0.8])
    result = program("--experiment=report", "--run=runs/study")
    assert (result.returncode, result.stderr) == (0, "")
    page = tmp_path / "runs" / "study" / "report" / "index.html"
    assert result.stdout == f"Report: {page}\n"
    assert page.read_text().rstrip().endswith("</html>")


def test_an_import_loads_neither_tensorflow_nor_keras(site: Path, tmp_path: Path):
    code = (
        "import sys, tf_lottery; tf_lottery.ExperimentConfig(); "
        "heavy = {'tensorflow', 'tf_keras', 'keras', 'numpy', 'pandas'} & set(sys.modules); "
        "print(tf_lottery.__file__, sorted(heavy), dir(tf_lottery) == tf_lottery.__all__)"
    )
    result = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(site))
    assert result.stdout == f"{site / 'tf_lottery' / '__init__.py'} [] True\n", result.stderr


def test_every_public_name_resolves_to_what_is_defined_under_it():
    for name in tf_lottery.__all__:
        value = getattr(tf_lottery, name)
        assert value.__name__ == name
        assert value.__module__.startswith("tf_lottery.")
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_this_name'"):
        _ = tf_lottery.nothing_of_this_name
