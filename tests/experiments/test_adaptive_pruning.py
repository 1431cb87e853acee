"""Experiments with --pruning_rate=auto: recorded rates, where they end, and going on."""

import csv
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from absl import flags

import tf_lottery
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags
from tf_lottery.config.flags import read_flag_file
from tf_lottery.data import Epoch, epoch_order, load_dataset
from tf_lottery.experiments.running import evidence as judging
from tf_lottery.report.run_state import read_run_state
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors

SIZE = 64 * 20 + 20 * 10 + 10 * 10
RISE, LEAST, DENSITY, EXAMPLES = 0.2, 0.1, 0.2, 250
AUTO = {
    "pruning_rate": "auto",
    "auto_loss_rise": RISE,
    "auto_least_rate": LEAST,
    "target_density": DENSITY,
    "score_examples": EXAMPLES,
    "train_steps": "300it",
    "evaluate_every": "300it",
}


@pytest.fixture(scope="module")
def auto_run(run_tiny, tmp_path_factory) -> Path:
    """A finished run whose pruning rates were chosen; not to be changed."""
    return run_tiny(tmp_path_factory.mktemp("auto"), **AUTO)


def records_of(run: Path) -> list[dict]:
    folder = RunFolder.read(run)
    return [folder.level(level).record() for level in folder.complete_levels()]


def mask_of(run: Path, level: int) -> tf_lottery.Mask:
    return tf_lottery.Mask.load(run / f"level_{level}" / "masks.npz")


@cache
def dense_network(run: Path) -> keras.Model:
    """A network of the run, to be given the weights of any level."""
    return tf_lottery.strip(tf_lottery.load_ticket(run, 0))


def loss_of(run: Path, level: int, mask: tf_lottery.Mask) -> float:
    """The loss of a level's network under a mask, of the scoring examples, in NumPy."""
    model, weights = dense_network(run), load_tensors(run / f"level_{level}" / "weights")
    for variable in model.trainable_variables:
        name = variable.name.removesuffix(":0")
        variable.assign(weights[name] * mask.get(name, np.ones(())).astype(np.float32))
    data = load_dataset("digits", validation_examples=200, split_seed=0).train
    rows = epoch_order(Epoch(1, 0, judging._SCORING_EPOCH), len(data))[:EXAMPLES]
    losses = []
    for batch in np.array_split(rows, 3):
        logits = model(data.images[batch].astype(np.float32)).numpy().astype(float)
        right = logits[np.arange(len(batch)), data.labels[batch]]
        losses.append(np.mean(np.log(np.exp(logits).sum(axis=1)) - right))
    return float(np.mean(losses))


@pytest.mark.slow
def test_it_ends_at_the_density_in_fewer_levels_than_the_papers_rate_takes(auto_run):
    records = records_of(auto_run)
    assert mask_of(auto_run, len(records) - 1).remaining == round(DENSITY * SIZE)
    assert 1 < len(records) - 1 < 8
    densities = [record["density"] for record in records]
    assert all(later < before for before, later in pairwise(densities))


def test_rates_and_losses_are_recorded(auto_run):
    records = records_of(auto_run)
    assert "pruning_rate" not in records[0]
    for level, record in enumerate(records[1:], 1):
        before, after = mask_of(auto_run, level - 1), mask_of(auto_run, level)
        assert record["pruning_rate"] == pytest.approx(1 - after.remaining / before.remaining)
        assert record["loss_before_pruning"] == pytest.approx(
            loss_of(auto_run, level - 1, before), rel=1e-4
        )
        assert record["loss_after_pruning"] == pytest.approx(
            loss_of(auto_run, level - 1, after), rel=1e-4
        )
    with (auto_run / "landscape" / "adaptive_pruning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["level"]) for row in rows] == list(range(1, len(records)))
    assert [float(row["pruning_rate"]) for row in rows] == [
        record["pruning_rate"] for record in records[1:]
    ]


def test_every_level_prunes_as_much_as_the_loss_allows(auto_run):
    records = records_of(auto_run)
    for level, record in enumerate(records[1:], 1):
        rise = record["loss_after_pruning"] - record["loss_before_pruning"]
        least = record["pruning_rate"] <= LEAST + 0.01
        last = level == len(records) - 1
        assert rise <= RISE or least or last
        if last:
            continue
        # One and a half percent more of the weights would raise the loss too much.
        before, after = mask_of(auto_run, level - 1), mask_of(auto_run, level)
        weights = load_tensors(auto_run / f"level_{level - 1}" / "weights")
        magnitudes = np.concatenate([np.abs(weights[name][after[name]]) for name in after])
        threshold = np.sort(magnitudes)[round(0.015 * before.remaining)]
        further = tf_lottery.Mask(
            {name: array & (np.abs(weights[name]) >= threshold) for name, array in after.items()}
        )
        loss = loss_of(auto_run, level - 1, further)
        assert loss - record["loss_before_pruning"] > RISE


def test_a_finished_run_is_left_as_it_is(auto_run, run_tiny, snapshot, tmp_path, capsys):
    copy = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(auto_run, copy)
    before = {name: digest for name, (_, digest) in snapshot(copy).items()}
    capsys.readouterr()
    run_tiny(tmp_path, **AUTO)
    assert {name: digest for name, (_, digest) in snapshot(copy).items()} == before
    last = len(records_of(auto_run)) - 1
    assert f"levels 0 to {last} are complete already" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_was_interrupted_goes_on_to_the_same_bits(
    auto_run, run_tiny, outcome_of, tmp_path
):
    copy = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(auto_run, copy)
    for level in range(2, len(records_of(auto_run))):
        shutil.rmtree(copy / f"level_{level}")
    # Else it says that these levels were finished.
    (copy / "summary.csv").unlink()
    assert read_run_state(copy).state == "stopped"
    run_tiny(tmp_path, **AUTO)
    assert outcome_of(copy) == outcome_of(auto_run)


def test_its_last_level_is_known_at_the_end(auto_run):
    state = read_run_state(auto_run)
    assert (state.state, state.levels) == ("done", len(records_of(auto_run)) - 1)


@pytest.mark.slow
def test_its_flag_file_replays_it(auto_run, outcome_of, tmp_path):
    values = read_flag_file(auto_run / "flags.cfg") | {"workdir": str(tmp_path)}
    assert values["pruning_rate"] == "auto"
    tf_lottery.run_experiment(tf_lottery.config_from_values(values))
    assert outcome_of(tmp_path / "tiny" / "replicate_1") == outcome_of(auto_run)


@pytest.mark.parametrize(
    "branch",
    [
        pytest.param(branch, marks=pytest.mark.slow)
        for branch in ("random_mask", "one_shot", "before_training")
    ],
)
def test_branches_have_as_many_weights_as_the_level(auto_run, tmp_path, branch):
    copy = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(auto_run, copy)
    (summary,) = tf_lottery.run_branch(copy, branch, [2])
    assert summary.weights_remaining == mask_of(auto_run, 2).remaining


@pytest.mark.slow
def test_without_a_density_the_number_of_levels_ends_it(run_tiny, tmp_path):
    run = run_tiny(
        tmp_path,
        **{**AUTO, "target_density": None, "levels": 1, "train_steps": "20it"},
        output_pruning_rate=0.0,
    )
    assert len(records_of(run)) == 2
    assert mask_of(run, 1)["output/kernel"].all()
    assert not mask_of(run, 1)["dense_1/kernel"].all()


@pytest.mark.slow
def test_the_ticket_that_is_exported_is_the_last(run_tiny, tmp_path):
    run = run_tiny(tmp_path, **AUTO, export_dir=str(tmp_path / "ticket"))
    assert (tmp_path / "ticket" / "saved_model.pb").exists()
    assert mask_of(run, len(records_of(run)) - 1).density == pytest.approx(DENSITY, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pruning_rate=auto", "--auto_loss_rise=0"], "--auto_loss_rise=0.0 is out of range"),
        (["--pruning_rate=auto", "--auto_least_rate=1"], "--auto_least_rate=1.0"),
        (
            ["--pruning_rate=auto", "--auto_most_rate=0.01"],
            "--auto_most_rate=0.01 .*least_rate=0.05",
        ),
        (["--auto_loss_rise=0.3"], "--auto_loss_rise=0.3 .* it is for --pruning_rate=auto"),
        (["--pruning_rate=auto", "--pruning_rates=0.5"], "--pruning_rates=0.5 .*leave it out"),
        (["--pruning_rate=auto", "--prune_from=dense"], "--prune_from=dense .*use previous_level"),
        (["--pruning_rate=auto", "--structure=units"], "--structure=units .*use weights"),
        (["--pruning_rate=1.5"], "--pruning_rate=1.5 .*or auto"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(arguments, message):
    values = flags.FlagValues()
    define_flags(values)
    values(["main.py", *arguments])
    with pytest.raises(ValueError, match=message):
        command_from_flags(values)


def test_a_rate_that_is_no_number_is_refused():
    values = flags.FlagValues()
    define_flags(values)
    with pytest.raises(flags.IllegalFlagValueError, match="pruning_rate=most"):
        values(["main.py", "--pruning_rate=most"])


def test_fixed_and_chosen_rates_can_be_swept():
    values = flags.FlagValues()
    define_flags(values)
    values(["main.py", "--sweep=pruning_rate:0.2,auto", "--target_density=0.1"])
    configs = command_from_flags(values).configs
    assert [config.pruning.pruning_rate for config in configs] == [0.2, "auto"]


def test_a_density_that_dense_layers_exclude_is_refused_before_training(run_tiny, tmp_path):
    with pytest.raises(ValueError, match=r"target_density=0\.05"):
        run_tiny(tmp_path, **{**AUTO, "target_density": 0.05}, output_pruning_rate=0.0)
    assert not (tmp_path / "tiny").exists()
