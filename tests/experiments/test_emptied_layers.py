"""The program says which layers a level has left without weights."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import tf_lottery
from tf_lottery.report.report import compare_runs
from tf_lottery.store.empty_layers import CONSEQUENCE

# Of 1,280, 200 and 100 weights 79 and 4 remain. Judged before training by SNIP, all layers compete.
EMPTYING = {
    "score": "snip",
    "prune_from": "rewind_step",
    "rewind_step": "0it",
    "pruning_rate": 0.95,
    "train_steps": "12it",
}


@pytest.fixture(scope="module")
def emptied_run(run_tiny, tmp_path_factory) -> Path:
    """A run whose last level lacks layers; branches may be added."""
    return run_tiny(tmp_path_factory.mktemp("emptied"), **EMPTYING)


@pytest.fixture
def printed(capsys) -> Callable[[], list[str]]:
    """Returns a function that gives the lines that were printed since it was asked before."""
    return lambda: [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def layers_without_weights(run: Path) -> dict[int, list[str]]:
    """By level, as the masks have it; the kernel is all that is pruned of a layer."""
    found = {}
    for level in sorted(int(path.name.removeprefix("level_")) for path in run.glob("level_*")):
        mask = tf_lottery.Mask.load(run / f"level_{level}" / "masks.npz")
        found[level] = [
            name.removesuffix("/kernel") for name, array in mask.items() if not array.any()
        ]
    return {level: names for level, names in found.items() if names}


def noted(lines: list[str]) -> dict[int, list[str]]:
    """What was said as levels were pruned."""
    found = [re.fullmatch(r"level (\d+): no weight remains in (.*)", line) for line in lines]
    return {int(match[1]): match[2].split(", ") for match in found if match}


def footnotes(lines: list[str]) -> dict[int, list[str]]:
    """What was said below the table, of levels that are marked in it."""
    found = [re.fullmatch(r"\* level (\d+): no weight remains in (.*)\.", line) for line in lines]
    marked = [int(match[1]) for line in lines if (match := re.match(r" *\*(\d+) +[\d.]+% ", line))]
    noted = {int(match[1]): match[2].split(", ") for match in found if match}
    assert sorted(noted) == marked
    assert (CONSEQUENCE in " ".join(lines)) == bool(noted)
    return noted


@pytest.mark.slow
def test_a_run_says_so_as_it_prunes_and_below_its_table(run_tiny, emptied_run, tmp_path, printed):
    expected = layers_without_weights(emptied_run)
    assert list(expected) == [2]
    assert 0 < len(expected[2]) < 3
    run_tiny(tmp_path, **EMPTYING)
    lines = printed()
    assert noted(lines) == footnotes(lines) == expected
    (note,) = (index for index, line in enumerate(lines) if line.startswith("level 2: no weight"))
    assert lines[note + 1].startswith("level 2/2  density")

    # Once finished, it is only shown again.
    run_tiny(tmp_path, **EMPTYING)
    lines = printed()
    assert noted(lines) == {}
    assert footnotes(lines) == expected


def test_summaries_have_the_layers_and_files_their_columns(emptied_run):
    values = json.loads((emptied_run / "config.json").read_text())["identity"]
    config = tf_lottery.config_from_values(
        {**values, "name": "tiny", "workdir": str(emptied_run.parents[1])}
    )
    summaries = tf_lottery.run_experiment(config)
    expected = layers_without_weights(emptied_run)
    assert {row.level: list(row.empty_layers) for row in summaries if row.empty_layers} == expected
    header = (emptied_run / "summary.csv").read_text().splitlines()[0]
    assert header.endswith("early_stop_test_accuracy,seconds")
    record = json.loads((emptied_run / "level_2" / "level.json").read_text())["record"]
    assert "empty_layers" not in record


@pytest.mark.parametrize(
    "branch",
    [
        "random_mask",
        *(
            pytest.param(branch, marks=pytest.mark.slow)
            for branch in ("before_training", "random_mask_uniform")
        ),
    ],
)
def test_a_branch_says_so_too(emptied_run, printed, branch):
    tf_lottery.run_branch(emptied_run, branch, [1, 2])
    lines = printed()
    expected = layers_without_weights(emptied_run / "branches" / branch)
    assert expected
    if branch == "random_mask":
        assert expected == layers_without_weights(emptied_run)
    assert noted(lines) == footnotes(lines) == expected


def test_a_report_says_so_of_the_run(emptied_run, tmp_path):
    page = compare_runs([emptied_run], tmp_path / "report").page.read_text()
    ((level, layers),) = layers_without_weights(emptied_run).items()
    assert f"no weight remains in {', '.join(layers)} at level {level}." in page


@pytest.mark.slow
def test_nothing_is_said_where_all_layers_have_weights(half_run, run_tiny, tmp_path, printed):
    run_tiny(tmp_path)
    assert list(half_run.glob("level_2/masks.npz"))
    assert layers_without_weights(half_run) == {}
    lines = printed()
    assert noted(lines) == footnotes(lines) == {}


@pytest.mark.slow
def test_nothing_is_said_where_few_weights_are_spread_over_all_layers(run_tiny, tmp_path, printed):
    layerwise = {"pruning_scope": "layerwise", "pruning_rate": 0.85, "levels": 1}
    run = run_tiny(tmp_path, **{**EMPTYING, **layerwise})
    tf_lottery.run_branch(run, "random_mask", [1])
    assert layers_without_weights(run) == {}
    lines = printed()
    assert noted(lines) == footnotes(lines) == {}
    assert "no weight remains" not in compare_runs([run], tmp_path / "report").page.read_text()
