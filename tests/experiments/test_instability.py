"""Instability analysis: what it trains, what it measures, and that it does neither twice."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tf_lottery
from tests.edited_config import add_flag, edit_config
from tf_lottery.config.analyses import ANALYSES
from tf_lottery.experiments.commands import Analyze
from tf_lottery.experiments.measuring.analysis import run_analysis, trainings_of_analysis
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.experiments.measuring.trained_copies import (
    Networks,
    copies_to_train,
    seed_of_copy,
    train_branch,
)
from tf_lottery.experiments.measuring.training import Training
from tf_lottery.store.csv_files import Row, read_csv
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_table import read_sealed_table
from tf_lottery.store.tensors import load_tensors

COLUMNS = (
    *("rewind_step", "learning_rate", "warmup_steps", "batch_size"),
    *("level", "density", "network", "copies", "test_accuracy", "l2"),
    *("test_error_barrier", "test_loss_barrier", "solutions"),
)
BRANCHES = {
    (0, "dense"): "rewound_dense",
    (2, "ticket"): "retrain",
    (2, "random_mask"): "random_mask",
    (2, "random_reinitialization"): "random_reinitialization",
}
SEEDS = (1001, 1002)
SETTINGS = "2_copies__5_points__union__estimated__test"


def analyze(run: Path, levels: Sequence[int] = (0, 2), **options) -> list[Row]:
    run_analysis(run, "instability", levels, points=5, **options)
    return read_csv(
        run / "landscape" / f"instability__{SETTINGS}.csv", COLUMNS, texts=["network", "solutions"]
    )


@pytest.fixture(scope="module")
def finished_analysis(finished_run, tmp_path_factory) -> Path:
    """The folder of a run whose levels 0 and 2 were analyzed; not to be changed."""
    run = tmp_path_factory.mktemp("instability") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, run)
    analyze(run)
    return run


@pytest.fixture(scope="module")
def short_analysis(finished_run, tmp_path_factory) -> Path:
    """The same of level 2 and one baseline, which trains half as many copies."""
    run = tmp_path_factory.mktemp("instability_of_level_2") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, run)
    analyze(run, [2], baselines="random_mask")
    return run


@pytest.fixture
def analyzed_run(finished_analysis, tmp_path) -> Path:
    """A copy of the whole analysis that may be changed."""
    return shutil.copytree(finished_analysis, tmp_path / "tiny" / "replicate_1")


@pytest.fixture
def briefly_analyzed_run(short_analysis, tmp_path) -> Path:
    """A copy of the short analysis that may be changed."""
    return shutil.copytree(short_analysis, tmp_path / "tiny" / "replicate_1")


@pytest.mark.parametrize(
    ("fixture", "networks"),
    [
        ("short_analysis", [(2, "ticket"), (2, "random_mask")]),
        pytest.param("finished_analysis", list(BRANCHES), marks=pytest.mark.slow),
    ],
    ids=["one baseline", "all"],
)
def test_copies_of_tickets_and_of_both_baselines_are_compared(request, fixture, networks):
    run = request.getfixturevalue(fixture)
    rows = read_csv(
        run / "landscape" / f"instability__{SETTINGS}.csv", COLUMNS, texts=["network", "solutions"]
    )
    assert [(row["level"], row["network"]) for row in rows] == networks
    assert {row["rewind_step"] for row in rows} == {7}
    assert {row["copies"] for row in rows} == {2}
    masks_of = {}
    for row, network in zip(rows, networks, strict=True):
        branch = BRANCHES[network]
        folders = [
            run / "branches" / f"{branch}-data_seed_{seed}" / f"level_{row['level']}"
            for seed in SEEDS
        ]
        one, other = (load_tensors(folder / "weights") for folder in folders)
        masks = [tf_lottery.Mask.load(folder / "masks.npz") for folder in folders]
        assert masks[0] == masks[1], "the copies differ in more than the data order"
        masks_of[network] = masks[0]
        squares = sum(np.sum((one[name] - other[name]).astype(float) ** 2) for name in masks[0])
        assert row["l2"] == pytest.approx(np.sqrt(squares))
        assert row["l2"] > 0
        assert row["density"] == masks[0].density
        assert row["test_loss_barrier"] >= 0
    if "random_reinitialization" in (name for _, name in networks):
        assert masks_of[2, "random_reinitialization"] == masks_of[2, "ticket"]
    assert masks_of[2, "random_mask"] != masks_of[2, "ticket"]
    images = {path.name for path in (run / "landscape").glob("*.png")}
    assert images == {f"instability__{SETTINGS}.png", f"instability_accuracy__{SETTINGS}.png"}
    folders = [RunFolder.read(path) for path in (run / "branches").iterdir()]
    assert len(folders) == len(networks) * len(SEEDS)
    assert all(folder.details.for_analysis for folder in folders)


def test_what_is_there_is_neither_trained_nor_measured_again(
    briefly_analyzed_run, snapshot, capsys
):
    analyzed_run = briefly_analyzed_run
    path = analyzed_run / "landscape" / f"instability__{SETTINGS}.csv"
    before, branches = path.read_text(), snapshot(analyzed_run / "branches")
    rows = analyze(analyzed_run, [2], baselines="random_mask")
    assert path.read_text() == before
    assert snapshot(analyzed_run / "branches") == branches
    output = capsys.readouterr().out
    assert "training from" not in output
    assert f"{rows[1]['test_loss_barrier']:.4f}" in output
    assert "random mask" in output
    # Some of the networks alone.
    assert analyze(analyzed_run, [2], baselines="") == rows
    output = capsys.readouterr().out
    assert "ticket" in output
    assert "random mask" not in output


def test_copies_that_were_trained_anew_are_measured_anew(briefly_analyzed_run, moved_level, capsys):
    run = briefly_analyzed_run
    asked = {"levels": [2], "baselines": "random_mask"}
    before = analyze(run, **asked)
    moved_level(run / "branches" / "random_mask-data_seed_1001", 2)
    after = analyze(run, **asked)
    assert after[0] == before[0]
    for column in ("l2", "test_loss_barrier", "solutions"):
        assert after[1][column] != before[1][column]
    assert analyze(run, **asked) == after
    assert "training from" not in capsys.readouterr().out


@pytest.mark.slow
def test_copies_that_several_workers_have_trained_are_measured_on_one_device(copied_run, capsys):
    given = {"train_steps": "10it", "evaluate_every": "10it"}
    training = Training("retrain", (1,), {"data_seed": 1001, **given})
    trained = train_branch(AnalyzedRun(copied_run), training)
    add_flag(copied_run, "--distribution=multi_worker")
    edit_config(copied_run, details={"replicas": 2})
    capsys.readouterr()
    assert train_branch(AnalyzedRun(copied_run), training).path == trained.path
    said = capsys.readouterr().out
    assert "level 1 is complete already" in said
    assert "goes on with" not in said


@pytest.mark.slow
def test_copies_of_a_reinitialized_network_begin_with_the_same_new_weights(run_tiny, tmp_path):
    # Without learning, networks end where they begin.
    short = {"train_steps": "6it", "evaluate_every": "6it", "rewind_step": "2it", "levels": 1}
    run = run_tiny(tmp_path, learning_rate=1e-30, **short)
    reinitialized = Networks("random_reinitialization", (1,), 2)
    analyzed = AnalyzedRun(run)
    copies = [train_branch(analyzed, one) for one in copies_to_train(analyzed, 2, reinitialized)]
    names = [copy.path.name for copy in copies]
    assert names == [f"random_reinitialization-data_seed_{seed}" for seed in SEEDS]
    one, other, ticket = (
        load_tensors(folder / "level_1" / "weights") for folder in (*(c.path for c in copies), run)
    )
    mask = tf_lottery.Mask.load(run / "level_1" / "masks.npz")
    for name, array in mask.items():
        assert one[name].tobytes() == other[name].tobytes()
        assert np.all((one[name] != ticket[name]) == array)


def make_old(path: Path) -> list[str]:
    """Writes a file as an earlier version did, which had no reinitialized networks."""
    header, *lines = path.read_text().splitlines()
    numbers = {"dense": "0", "ticket": "0", "random_mask": "1"}
    place = header.split(",").index("network")
    old = [header.replace("network", "random_mask")]
    for cells in (line.split(",") for line in lines):
        if cells[place] in numbers:
            old.append(",".join([*cells[:place], numbers[cells[place]], *cells[place + 1 :]]))
    path.write_text("\n".join(old) + "\n")
    path.with_name(f"{path.name}.sha256").unlink()  # as a file without a seal
    return old


@pytest.mark.slow
def test_files_of_earlier_versions_are_read_and_continued(analyzed_run, capsys):
    path = analyzed_run / "landscape" / f"instability__{SETTINGS}.csv"
    expected = path.read_text()
    old = make_old(path)
    assert "random_mask" in old[0]
    branches = analyzed_run / "branches"
    for folder in branches.iterdir():
        if not folder.name.startswith("random_reinitialization"):
            shutil.rmtree(folder)
    run_analysis(analyzed_run, "instability", [0, 2], points=5, baselines="random_mask")
    assert path.read_text().splitlines() == old, "nothing new was measured"
    assert "random mask" in capsys.readouterr().out
    analyze(analyzed_run)
    assert path.read_text() == expected
    assert "training from" not in capsys.readouterr().out
    assert {folder.name.split("-")[0] for folder in branches.iterdir()} == {
        "random_reinitialization"
    }


@pytest.mark.parametrize("change", [("network", "netwerk"), ("ticket", "1"), ("ticket,", "")])
def test_a_damaged_file_is_named(briefly_analyzed_run, change):
    path = briefly_analyzed_run / "landscape" / f"instability__{SETTINGS}.csv"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(DamagedFileError, match=str(path)):
        analyze(briefly_analyzed_run)


@pytest.mark.slow
def test_what_was_measured_stays_when_other_networks_are_measured(copied_run):
    (row,) = analyze(copied_run, [1], baselines="")
    assert (row["level"], row["network"]) == (1, "ticket")
    branches = {path.name for path in (copied_run / "branches").iterdir()}
    assert branches == {f"retrain-data_seed_{seed}" for seed in SEEDS}
    for branch in branches:
        shutil.rmtree(copied_run / "branches" / branch)
    assert analyze(copied_run, [0, 1], baselines="")[1] == row
    branches = {path.name for path in (copied_run / "branches").iterdir()}
    assert branches == {f"rewound_dense-data_seed_{seed}" for seed in SEEDS}


def test_copies_are_trained_from_every_kept_state_that_is_asked_for(finished_run):
    options = {"rewind_step": "7it,0it", "baselines": ""}
    command = Analyze("instability", (finished_run,), None, (0, 2), options, {})
    trainings = trainings_of_analysis(command, finished_run)
    found = [(*one.branches, one.levels, one.changes) for one in trainings]
    kept = [{"rewind_step": "0it"}, {}]
    assert found == [
        (branch, levels, {**step, "data_seed": seed})
        for step in kept
        for branch, levels in (("rewound_dense", (0,)), ("retrain", (2,)))
        for seed in SEEDS
    ]


def test_a_state_that_was_not_kept_is_refused(finished_run):
    message = "--rewind_step=3it: .* keeps no state of iteration 3, but of 0, 7; .*keep_states=3it"
    for analysis in ("instability", "stability"):
        with pytest.raises(ValueError, match=message):
            run_analysis(finished_run, analysis, rewind_step="0it,3it")
    assert not (finished_run / "branches").exists()


@pytest.mark.slow
@pytest.mark.parametrize("analysis", ["instability", "stability"])
def test_copies_from_a_kept_state_are_those_of_a_run_rewound_to_it(run_tiny, tmp_path, analysis):
    keeping = run_tiny(tmp_path / "keeping", levels=1, keep_states="12it")
    rewound = run_tiny(tmp_path / "rewound", levels=1, rewind_step="12it")
    points = {"points": 3} if analysis == "instability" else {}
    run_analysis(keeping, analysis, rewind_step="7it,12it", **points)
    run_analysis(rewound, analysis, **points)
    ours, theirs = (
        read_sealed_table(next((run / "landscape").glob(f"{analysis}__*.csv")))
        for run in (keeping, rewound)
    )
    assert {row["rewind_step"] for row in ours} == {7, 12}
    # Those of different folders are different solutions, if of the same weights.
    for row in (*ours, *theirs):
        assert row.pop("solutions")
    assert [row for row in ours if row["rewind_step"] == 12] == theirs


@pytest.mark.slow
def test_the_settings_that_papers_vary_are_numbers_beside_the_results(run_tiny, tmp_path):
    settings = {"learning_rate": 0.002, "batch_size": 50, "warmup_steps": "0.5ep"}
    run = run_tiny(tmp_path, levels=0, rewind_step="20%", **settings)
    run_analysis(run, "instability", points=3, line_split="both")
    (path,) = (run / "landscape").glob("instability*.csv")
    columns = (*COLUMNS[:-1], "train_error_barrier", "train_loss_barrier", "solutions")
    (row,) = read_csv(path, columns, texts=["network", "solutions"])
    # 1237 training examples make 24 batches of 50; training has 45 steps.
    found = {name: row[name] for name in COLUMNS[:4]}
    expected = {"rewind_step": 9, "warmup_steps": 12, "learning_rate": 0.002, "batch_size": 50}
    assert found == expected
    assert row["train_loss_barrier"] != row["test_loss_barrier"]


def test_runs_that_do_not_rewind_their_weights_are_refused(made_with):
    run = made_with(retraining="rewind_learning_rate")
    with pytest.raises(ValueError, match="made with --retraining=rewind_learning_rate"):
        run_analysis(run, "instability")
    assert not (run / "branches").exists()


@pytest.mark.parametrize("options", [{"copies": 1}, {"stable_below": 0}])
def test_options_out_of_range_are_refused(options):
    (flag,) = options
    with pytest.raises(ValueError, match=f"--{flag}="):
        ANALYSES.find("instability").checked(options)


@pytest.mark.parametrize("data_seed", [0, 1, 2, 3, 700])
def test_copies_of_no_two_replicates_see_the_data_in_the_same_order(copied_run, data_seed):
    def seeds(data_seed: int) -> set[int]:
        run = AnalyzedRun(copied_run)
        config = replace(run.config, seeds=replace(run.config.seeds, data_seed=data_seed))
        return {seed_of_copy(SimpleNamespace(config=config, run=run.run), n) for n in range(1000)}

    own = seeds(data_seed)
    assert len(own) == 1000 and data_seed not in own
    assert not own & (seeds(data_seed + 1) | set(range(1001)))


def test_copies_that_an_earlier_version_has_trained_stay(copied_run):
    run = AnalyzedRun(copied_run)
    config = replace(run.config, seeds=replace(run.config.seeds, data_seed=2))
    measured = SimpleNamespace(config=config, run=run.run)
    assert [seed_of_copy(measured, copy) for copy in (0, 1, 2)] == [2001, 2002, 2003]
    for label in ("retrain-data_seed_1003", "random_mask-data_seed_10020-learning_rate_0.1"):
        (copied_run / "branches" / label).mkdir(parents=True)
    assert [seed_of_copy(measured, copy) for copy in (0, 1, 2)] == [2001, 1003, 2003]
    (copied_run / "branches" / "retrain-data_seed_2").mkdir()
    config = replace(run.config, seeds=replace(run.config.seeds, data_seed=0))
    of_zero = SimpleNamespace(config=config, run=run.run)
    assert [seed_of_copy(of_zero, copy) for copy in (0, 1, 2)] == [10**9 + 1, 2, 10**9 + 3]
