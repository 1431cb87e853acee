"""One rule of matching: whatever judges the same run folders says the same of their levels."""

import csv
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from absl import flags

import tf_lottery
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags
from tf_lottery.config.matching import matching_rule
from tf_lottery.config.number_ranges import parse_ranges

TINY = (
    *("--name=tiny", "--model=lenet_20_10", "--levels=2", "--pruning_rate=0.2"),
    *("--train_steps=45it", "--evaluate_every=10it", "--rewind_step=7it", "--jit_compile=off"),
)


@pytest.fixture(scope="module")
def finished_copy(finished_run, tmp_path_factory) -> Path:
    """A run folder that every command may work in, as none does twice what is done."""
    copy = tmp_path_factory.mktemp("copy") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, copy)
    return copy


@pytest.fixture
def output_of(capsys) -> Callable[..., str]:
    """Returns a function that does what flags say, and gives what is printed as one line."""

    def output(*arguments: str) -> str:
        values = flags.FlagValues()
        define_flags(values)
        jobs = ("--jobs=1",) if "--replicates=1-2" in arguments else ()
        values(["main.py", *arguments, *jobs])
        capsys.readouterr()
        tf_lottery.run_command(command_from_flags(values))
        return capsys.readouterr().out

    return output


class Page(HTMLParser):
    """The text of a page, pieces of which are apart by |."""

    def __init__(self, path: Path):
        super().__init__()
        self.pieces: list[str] = []
        self.feed(path.read_text())
        self.text = "|".join(self.pieces)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.pieces.append(" ".join(data.split()))


def levels_in_sentences(output: str, rule: str) -> set[int]:
    """The levels that the sentences below a table name, which state the rule too."""
    text = " ".join(output.split())
    assert rule in text
    if "No pruned level matches the dense network" in text:
        return set()
    (listed,) = re.findall(r"Matching levels: ([-\d, ]+)\.", text)
    (sparsest,) = re.findall(r"Sparsest level that matches .*?: level (\d+),", text)
    found = set(parse_ranges(listed, "levels"))
    assert max(found) == int(sparsest)
    return found


def levels_of_ticket(row: dict[str, str], tolerance: str) -> set[int]:
    assert row["tolerance"] == tolerance
    assert row["matching_levels"].rpartition("-")[2] == row["level"]
    return set(parse_ranges(row["matching_levels"], "levels")) if row["level"] else set()


@pytest.mark.parametrize(
    "which",
    [
        *("default", "above the second"),
        *(pytest.param(which, marks=pytest.mark.slow) for which in ("below the first", "none")),
        pytest.param("all", marks=pytest.mark.slow),
    ],
)
def test_tables_reports_and_analyses_agree_on_the_levels_that_match(
    finished_copy, output_of, tmp_path, which
):
    with (finished_copy / "summary.csv").open() as file:
        accuracies = [float(row["test_accuracy"]) for row in csv.DictReader(file)]
    lacking = [100 * (accuracies[0] - accuracy) for accuracy in accuracies]
    points = {
        "default": 0.5,
        "none": 0.0,
        "all": 100.0,
        "below the first": max(lacking[1] + 0.01, 0.0),
        "above the second": max(lacking[2] - 0.01, 0.0),
    }[which]
    expected = {level for level in (1, 2) if lacking[level] <= points}
    given = [] if which == "default" else [f"--matching_tolerance={points!r}"]
    rule, mean_rule = (matching_rule(points / 100, means=means) for means in (False, True))
    runs = f"--run={finished_copy}"

    table = output_of(*TINY, f"--workdir={finished_copy.parents[1]}", *given)
    assert levels_in_sentences(table, rule) == expected

    # Which gives back the levels, bit for bit.
    branch = output_of("--experiment=branch", runs, "--branch=retrain", "--levels=1-2", *given)
    assert levels_in_sentences(branch, rule) == expected

    levels = output_of("--experiment=successive_levels", runs, "--points=3", *given)
    cells = [line.split() for line in levels.splitlines()]
    judged = {int(row[0]): row[4] for row in cells if len(row) == 7 and row[0] in ("1", "2")}
    assert judged == {level: "yes" if level in expected else "no" for level in (1, 2)}
    assert rule in " ".join(levels.split())

    folder = tmp_path / "report"
    output_of("--experiment=report", runs, f"--report_dir={folder}", *given)
    with (folder / "tickets.csv").open() as file:
        of_run, of_branch = csv.DictReader(file)
    assert levels_of_ticket(of_run, repr(points / 100)) == expected
    assert levels_of_ticket(of_branch, repr(points / 100)) == expected
    text = Page(folder / "index.html").text
    assert rule in text
    assert mean_rule not in text
    sparsest = f"(level {max(expected, default=None)})"
    assert ("No pruned level matches" if not expected else sparsest) in text
    for level in (1, 2):
        row = rf"\|{level}\|[\d.]+%\|[\d,]+\|[^|]+\|[\d.]+%\|-\|[-+][\d.]+\|-\|{judged[level]}\|"
        assert len(re.findall(row, text)) == 2, "of the run, and of the branch"


@pytest.mark.slow
def test_an_older_command_of_a_report_means_what_it_meant(
    finished_run, output_of, pictures, tmp_path
):
    runs = f"--run={finished_run}"
    for flag in ("tolerance", "matching_tolerance"):
        folder = f"--report_dir={tmp_path / flag}"
        output_of("--experiment=report", runs, folder, f"--{flag}=1.5")
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / flag).iterdir()}
        for flag in ("tolerance", "matching_tolerance")
    )
    assert one == other
    with (tmp_path / "tolerance" / "tickets.csv").open() as file:
        assert [row["tolerance"] for row in csv.DictReader(file)] == ["0.015"]


@pytest.mark.slow
def test_a_command_that_follows_from_another_has_its_tolerance(output_of, tmp_path):
    dense = (*TINY, "--experiment=train", "--train_steps=8it", "--replicates=1-2")
    for given, ending in (((), ""), (("--matching_tolerance=2",), " --matching_tolerance=2")):
        lines = output_of(*dense, f"--workdir={tmp_path}", *given).splitlines()
        assert lines[-1] == (
            f"For a report: main.py --experiment=report --run={tmp_path / 'tiny'}{ending}"
        )
