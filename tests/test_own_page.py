"""What docs/own.md shows: its files and commands, in an empty folder."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import command_of
from tests.documents import DOCUMENTS, ROOT
from tf_lottery.experiments.commands import RunExperiments
from tf_lottery.masking.masks import Mask
from tf_lottery.store.run_folder import RunFolder

PAGE = DOCUMENTS["docs/own.md"]
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [shlex.split(line) for line in re.findall(r"^\$ tf-lottery (.*)$", PAGE, re.MULTILINE)]
RUNS = ["shapes", "digits_npz", "wine", "pretrained"]


def test_all_files_and_commands_of_the_page_are_found():
    assert len(FILES) == PAGE.count("```python") == 4
    commands = [command_of(*arguments) for arguments in COMMANDS]
    assert all(isinstance(command, RunExperiments) for command in commands)
    assert [command.configs[0].name for command in commands] == RUNS
    assert [command.report for command in commands] == [True, True, True, False]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of the page, after what makes data was run."""
    folder = tmp_path_factory.mktemp("own")
    for name, code in FILES.items():
        (folder / name).write_text(code)
        if name.startswith("make_"):
            subprocess.run([sys.executable, name], cwd=folder, check=True)
    return folder


def run(arguments, folder):
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(3), ids=RUNS[:3])
def test_one_command_gives_a_ticket_its_controls_its_report_and_its_export(folder, number):
    done = run([*COMMANDS[number], "--jobs=1"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    name = RUNS[number]
    path = folder / "runs" / name / "replicate_1"
    levels = command_of(*COMMANDS[number]).configs[0].pruning.levels
    assert RunFolder.read(path).complete_levels() == list(range(levels + 1))
    for branch in command_of(*COMMANDS[number]).controls:
        assert levels in RunFolder.read(path / "branches" / branch).complete_levels()
        assert (
            branch.replace("_", " ") in (folder / "runs" / name / "report/index.html").read_text()
        )
    assert (path / "export" / f"level_{levels}_saved_model" / "saved_model.pb").exists()
    assert Mask.load(path / f"level_{levels}" / "masks.npz").density < 0.07
    # The tables show what a level leaves, and the classes.
    shown = PAGE.split(f"--name={name} ")[1].split("```")[0]
    for row in re.findall(r"^    \d+ +[\d.]+% +[\d,]+", shown, re.MULTILINE):
        assert row in done.stdout
    for line in re.findall(r"; (the classes are .*)$", shown, re.MULTILINE):
        assert line in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_of_ones_own_goes_on_from_any_folder(folder, tmp_path):
    path = folder / "runs" / "shapes" / "replicate_1"
    if not (path / "level_5" / "level.json").exists():
        run([*COMMANDS[0], "--jobs=1"], folder)
    for more in (
        ["--experiment=branch", "--branch=retrain", "--levels=5"],
        ["--experiment=magnitudes", "--levels=1"],
        ["--experiment=export", "--formats=saved_model", "--nomeasure"],
        ["--experiment=report"],
    ):
        done = run([*more, f"--run={path}"], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    card = (path / "export" / "level_5" / "README.md").read_text()
    assert "A network for the dataset folder:images of" in card
    assert "The outputs stand for the classes cross, disc, ring, stripes, in this order." in card
    done = run(COMMANDS[3], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "weights, but for output; its pixels are standardised" in done.stdout
    details = RunFolder.read(folder / "runs" / "pretrained" / "replicate_1").details
    assert Path(details.network_file) == folder / "my_network.py"
