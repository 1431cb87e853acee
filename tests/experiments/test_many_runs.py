"""Replicates and sweeps: several experiments by one command."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tests.command_line import run_command_of
from tests.edited_config import edit_config
from tf_lottery.report.verification import verify_runs
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors
from tf_lottery.training.threads import threads_in_use
from tf_lottery.training.training_program import TrainingProgram

TINY = (
    *("--name=tiny", "--model=lenet_20_10", "--levels=2", "--pruning_rate=0.2"),
    *("--train_steps=45it", "--evaluate_every=10it", "--rewind_step=7it", "--jit_compile=off"),
)
COSINE = ("--optimizer=sgd", "--learning_rate=0.1", "--lr_schedule=cosine")
DENSE = ("--experiment=train", "--train_steps=12it")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Returns a function that does what flags say, in this process and in `tmp_path`."""

    def command(*arguments: str) -> None:
        run_command_of(*TINY, f"--workdir={tmp_path}", "--jobs=1", *arguments)

    return command


def folders_in(workdir: Path) -> list[str]:
    return sorted(str(path.relative_to(workdir)) for path in workdir.glob("*/*"))


def test_replicates_are_runs_of_their_own_and_a_missing_one_is_filled_in(
    run, run_tiny, snapshot, outcome_of, tmp_path, capsys
):
    run(*DENSE, "--replicates=1-2")
    output = capsys.readouterr().out
    assert folders_in(tmp_path) == ["tiny/replicate_1", "tiny/replicate_2"]
    one, two = (tmp_path / "tiny" / f"replicate_{number}" for number in (1, 2))
    alone = run_tiny(tmp_path / "alone", experiment="train", train_steps="12it")
    assert outcome_of(one) == outcome_of(alone)
    shutil.rmtree(tmp_path / "alone")
    assert outcome_of(two)["rewind/tensors.index"] != outcome_of(one)["rewind/tensors.index"]
    for line in (f"[1 of 2] {one}", f"[2 of 2] {two}"):
        assert line in output.splitlines()
    assert f"--experiment=report --run={tmp_path / 'tiny'}" in output

    before, outcome = snapshot(tmp_path), outcome_of(two)
    run(*DENSE, "--replicates=1-2")
    after = snapshot(tmp_path)
    assert {name: digest for name, (_, digest) in after.items()} == {
        name: digest for name, (_, digest) in before.items()
    }
    written = {name for name in after if after[name] != before[name]}
    assert all(Path(name).stem == "summary" for name in written)

    shutil.rmtree(two)
    run(*DENSE, "--replicates=1-2")
    assert outcome_of(two) == outcome
    kept = {name: seen for name, seen in snapshot(one).items() if "summary" not in name}
    assert kept == {name: before[f"tiny/replicate_1/{name}"] for name in kept}, (
        "the finished replicate was touched"
    )


@pytest.mark.slow
def test_a_sweep_is_the_runs_of_its_values(run, run_tiny, outcome_of, tmp_path):
    run(*DENSE, "--sweep=batch_size:60,61", "--sweep=init_seed:5", "--replicates=1,3")
    assert folders_in(tmp_path) == [
        f"tiny_batch_size_{size}_init_seed_5/replicate_{replicate}"
        for size in (60, 61)
        for replicate in (1, 3)
    ]
    for folder in folders_in(tmp_path):
        identity = json.loads((tmp_path / folder / "config.json").read_text())["identity"]
        found = f"tiny_batch_size_{identity['batch_size']}_init_seed_{identity['init_seed']}"
        assert f"{found}/replicate_{identity['replicate']}" == folder
    alone = run_tiny(
        tmp_path / "alone", experiment="train", train_steps="12it", batch_size=61, init_seed=5,
        replicate=3,
    )  # fmt: skip
    of_sweep = tmp_path / "tiny_batch_size_61_init_seed_5" / "replicate_3"
    assert outcome_of(of_sweep) == outcome_of(alone)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("rewind_step:0it,12it", r"--rewind_step=12it is iteration 12, but training ends at 12"),
        ("model:lenet_20_10,resnet_99", r"--model=resnet_99"),
        ("score:magnitude,beauty", r"--score=beauty is not a known score"),
        ("levels:1,200", r"levels=200: .*use at most"),
        ("target_density:0.5,1e-9", r"--target_density=1e-09: none of .*use a higher"),
        ("pruning_rate:0.2,1.5", r"--pruning_rate=1\.5 is out of range"),
        ("batch_size:60,1238", r"--batch_size=1238"),
    ],
)
def test_an_invalid_value_of_a_sweep_is_told_before_anything_is_trained(
    run, tmp_path, sweep, message
):
    with pytest.raises(ValueError, match=message):
        run("--train_steps=12it", f"--sweep={sweep}", "--replicates=1-2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_diverges_does_not_keep_the_others_from_running(run, tmp_path, capsys):
    bad, good = (tmp_path / f"tiny_learning_rate_{rate}/replicate_1" for rate in ("1e20", "0.01"))
    with pytest.raises(tf_lottery.TrainingDivergedError, match=f"^{bad} diverged; see above.$"):
        run(
            "--optimizer=sgd", "--levels=1", "--train_steps=12it", "--sweep=learning_rate:1e20,0.01"
        )
    output = capsys.readouterr().out
    lines = output.splitlines()
    assert lines.index(f"[1 of 2] {bad}") < lines.index(f"[2 of 2] {good}")
    assert "the loss is not finite at step 2 of level 0" in output
    assert "Traceback" not in output
    assert tf_lottery.load_ticket(good, 1) is not None
    assert not (bad / "level_0" / "level.json").exists()


def steps_of(monkeypatch) -> list[int]:
    """Counts the training steps that are run."""
    steps, original = [0], TrainingProgram.run

    def counted(self, epoch, first, last):
        steps[0] += last - first
        original(self, epoch, first, last)

    monkeypatch.setattr(TrainingProgram, "run", counted)
    return steps


def without_states(outcome: dict) -> dict:
    return {name: found for name, found in outcome.items() if not name.startswith("states/")}


@pytest.mark.slow
def test_runs_that_differ_in_pruning_alone_train_the_dense_network_once(
    run, run_tiny, outcome_of, tmp_path, monkeypatch
):
    short = {"levels": 1, "train_steps": "12it", "evaluate_every": "5it"}
    alone = {
        (step, rate): outcome_of(
            run_tiny(
                tmp_path / "alone" / f"{step}_{rate}", **short, rewind_step=step, pruning_rate=rate
            )
        )
        for step, rate in (("0it", 0.2), ("3it", 0.2), ("3it", 0.5), ("10it", 0.2))
    }
    shutil.rmtree(tmp_path / "alone")
    steps = steps_of(monkeypatch)
    given = [f"--{name}={value}" for name, value in short.items()]
    run(*given, "--sweep=rewind_step:3it,0it,10it", "--sweep=pruning_rate:0.2,0.5")
    # The dense network, and level 1 from each of three points with each of two rates.
    assert steps[0] == 12 + 2 * (9 + 12 + 2)
    for (step, rate), outcome in alone.items():
        found = tmp_path / f"tiny_rewind_step_{step}_pruning_rate_{rate}" / "replicate_1"
        assert without_states(outcome_of(found)) == outcome
        assert not verify_runs(tmp_path, [found])


@pytest.mark.slow
def test_who_takes_a_dense_network_differs_in_pruning_alone(run, tmp_path, capsys):
    short = ("--levels=1", "--train_steps=12it")
    run(*short, "--name=one", "--keep_states=3it", "--rewind_step=0it")
    one = tmp_path / "one" / "replicate_1"
    for change, said in (
        ("--learning_rate=0.5", "--learning_rate=[0-9.]+, and this run has --learning_rate=0.5"),
        ("--replicate=2", "--replicate=1, and this run has --replicate=2"),
    ):
        with pytest.raises(ValueError, match=f"^--dense_from={one}: it was made with.*{said}"):
            run(*short, "--name=two", f"--dense_from={one}", change)
    assert (one / "states" / "step_3").is_dir()
    with pytest.raises(ValueError, match="is not a run folder, WORKDIR/NAME/replicate_R; name one"):
        run(*short, "--name=two", f"--dense_from={tmp_path / 'one'}")
    edit_config(one, details={"threads": 77})
    capsys.readouterr()
    run(*short, "--name=trained", f"--dense_from={one}", "--rewind_step=3it")
    assert (
        f"Note: level 0 is not taken from {one}, which was trained with threads=77, and not "
        f"threads={threads_in_use()}; to take it, give --threads=77 and another --name."
        in (capsys.readouterr().out)
    )
    edit_config(one, details={"threads": threads_in_use()})
    capsys.readouterr()
    run(*short, "--name=two", f"--dense_from={one}", "--rewind_step=4it")
    said = f"not taken from {one}, which has kept no state of the rewind step, iteration 4."
    assert said in capsys.readouterr().out
    run(*short, "--name=three", "--rewind_step=4it")
    run(*short, "--name=four", f"--dense_from={one}", "--rewind_step=3it")
    (one / "states" / "step_3" / "tensors.index").write_bytes(b"")
    assert verify_runs(tmp_path, [one])
    with pytest.raises(ValueError, match="step_3"):
        run(*short, "--name=five", f"--dense_from={one}", "--rewind_step=3it")


def test_kept_states_are_taken_with_the_dense_network(run, tmp_path, capsys):
    short = ("--experiment=train", "--train_steps=12it", "--rewind_step=0it")
    one, two = (tmp_path / name / "replicate_1" for name in ("one", "two"))
    run(*short, "--name=one", "--keep_states=3it,5it")
    # As by an older version, whose rules were others after level 0 alone; pruned by a plug-in's
    # score, and diverged, after it.
    diverged = {"level": 1, "step": 3}
    code = {"python": "cpython-311", "sha256": "0"}
    edit_config(one, details={"rules": 3, "score_code": code, "diverged": diverged})
    capsys.readouterr()
    run(*short, "--name=two", f"--dense_from={one}", "--keep_states=0it,3it,4it")
    said = capsys.readouterr().out
    assert f"Note: --keep_states=4it: {one}, which level 0 is taken from, has kept no such" in said
    assert f"Level 0 is taken from {one}" in said
    assert RunFolder.read(two).kept_steps() == [0, 3]
    kept, taken = (load_tensors(path / "states" / "step_3" / "tensors") for path in (one, two))
    assert kept.keys() == taken.keys()
    assert all(np.array_equal(kept[name], taken[name]) for name in kept)
    assert not verify_runs(tmp_path, [two])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--keep_states=3", None),
        ("--keep_states=x", "--keep_states: 'x' is not a point in training"),
        (
            "--keep_states=0it,45it",
            "45it is iteration 45, and training ends at 45",
        ),
    ],
)
def test_states_to_keep_are_points_in_training(given, said, tmp_path, run):
    if said is None:
        command = [*DENSE, given]
        run(*command)
        return
    with pytest.raises(ValueError, match=said):
        run("--train_steps=45it", given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--controls=random_mask", "--control_levels=3"), "--control_levels=3: --controls=random"),
        (("--controls=perturbed", "--control_levels=2"), "levels 0 to 1 of a run with --levels=2"),
        (("--controls=one_shot", "--control_levels=0"), "starts from levels 1 to 2 of a run"),
        (("--controls=random_mask", "--control_levels=0"), "starts from levels 1 to 2 of a run"),
        (("--controls=random_mask_erk", "--structure=units"), "--controls=random_mask_erk moves"),
        (("--controls=fine_tune", "--prune_from=rewind_step"), "not trained with --prune_from="),
        (("--controls=one_shot", "--prune_from=dense"), "--controls=one_shot does what the run"),
        (("--controls=one_shot+random_mask",), "--controls=one_shot+random_mask: + puts the mask"),
        (("--controls=before_training", "--score=movement"), "prunes at the rewind step, where "),
        (
            ("--controls=fine_tune", *COSINE),
            "--lr_schedule=cosine ends at 0, where next to nothing",
        ),
        (
            ("--controls=fine_tune", *COSINE),
            "--branch=fine_tune with --fine_tune_learning_rate, such as 0.01",
        ),
        (
            ("--controls=random_mask,fine_tune", *COSINE, "--sweep=final_learning_rate:1e-3,1e-7"),
            "--lr_schedule=cosine ends at 1e-07",
        ),
        (
            ("--controls=perturbed", "--retraining=rewind_learning_rate"),
            "--controls=perturbed moves the rewind point",
        ),
        (("--controls=one_shot", "--sweep=levels:2,0"), "--controls=one_shot needs --levels=1 or"),
        (("--controls=perturbed", "--sweep=levels:0"), "--controls=perturbed needs --levels=1 or"),
        (("--controls=random_mask", "--sweep=levels:0"), "--controls=random_mask needs --levels=1"),
        (("--threads=100000",), "--threads=100000 is out of range: use 1 to 1024."),
    ],
)
def test_controls_that_cannot_be_run_are_told_before_training(given, said, run, tmp_path):
    with pytest.raises(ValueError, match=re.escape(said)):
        run(*given, "--levels=2", "--replicates=1-2")
    assert not list(tmp_path.iterdir())
