"""The tutorial's Python runs and prints what is shown there; its commands are understood."""

import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from absl import flags

from tests.documents import DOCUMENTS
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import (
    Analyze,
    RunBranches,
    RunExperiments,
    WriteReport,
    command_from_flags,
)

TUTORIAL = DOCUMENTS["docs/tutorial.md"]
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TUTORIAL, re.DOTALL)
COMMANDS = re.findall(r"^tf-lottery (.*)$", TUTORIAL, re.MULTILINE)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[dict[str, Any], list[str], Path]:
    """The names that the blocks leave, what each prints, and the folder they ran in."""
    folder = tmp_path_factory.mktemp("tutorial")
    names: dict[str, Any] = {}
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for code, _ in BLOCKS:
            output = io.StringIO()
            with redirect_stdout(output):
                exec(code, names)
            printed.append(output.getvalue())
    return names, printed, folder


def measured(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d*", text)]


def without_measurements(text: str) -> list[str]:
    return re.sub(r"\d+\.\d*", "#", text).split()


def test_every_python_block_is_run():
    assert len(BLOCKS) == TUTORIAL.count("```python") >= 6


@pytest.mark.slow
def test_the_outputs_are_those_shown_but_for_rounding(run):
    for printed, (_, shown) in zip(run[1], BLOCKS, strict=True):
        if "barrier" not in shown:  # Barriers amplify what rounding does; see below.
            assert without_measurements(printed) == without_measurements(shown)
            assert measured(printed) == pytest.approx(measured(shown), abs=0.03, rel=0.03)


@pytest.mark.slow
def test_the_networks_compare_as_the_text_says(run):
    results = run[0]["history"].levels
    assert results[4].metrics["val_accuracy"] > results[0].metrics["val_accuracy"] - 0.01
    controls = dict(re.findall(r"^(.*?) +([\d.]+)%$", run[1][3], re.MULTILINE))
    accuracies = {label: float(percents) for label, percents in controls.items()}
    assert accuracies["random mask"] < accuracies["other weights"] < accuracies["ticket"] - 1


@pytest.mark.slow
def test_the_ticket_is_connected_to_the_level_before_it_alone(run):
    barriers = dict(re.findall(r"^(.*?) +barrier ([\d.]+)%", run[1][4], re.MULTILINE))
    assert float(barriers["level 4"]) < 3
    assert float(barriers["other weights"]) > 10


@pytest.mark.slow
def test_the_exported_ticket_is_where_the_tutorial_puts_it(run):
    assert (run[2] / "digit_ticket" / "saved_model.pb").exists()


def test_the_commands_are_understood():
    kinds = []
    for line in COMMANDS:
        values = flags.FlagValues()
        define_flags(values)
        values(["tf-lottery", *shlex.split(line)])
        kinds.append(type(command_from_flags(values)))
    assert kinds == [RunExperiments, RunBranches, Analyze, WriteReport]
