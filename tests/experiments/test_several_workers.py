"""Experiments on two workers: main.py in two processes that talk over the loopback address."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.free_addresses import free_addresses
from tf_lottery.masking.masks import Mask
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors

VALUES = {"train_steps": "60it", "evaluate_every": "5it", "levels": 1}
FLAGS = tuple(f"--{name}={value}" for name, value in VALUES.items())


@pytest.fixture
def start_workers(start_main):
    """Returns a function that starts two workers, with flags for both and for the second alone.

    With `lost=(index, moment)` a worker is killed when the chief has come to that moment.
    """

    def start(*flags: str, workdirs, second: tuple[str, ...] = (), lost=None, script=None):
        cluster = {"worker": free_addresses(2)}

        def start_one(index: int, *own_flags: str, **signals):
            task = {"type": "worker", "index": index}
            return start_main(
                *flags,
                *own_flags,
                workdir=workdirs[index],
                script=script,
                environment={"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})},
                **signals,
            )

        follower = start_one(1, *second)
        if lost is None:
            return start_one(0), follower
        index, moment = lost
        receiver = follower if index else None
        chief = start_one(0, signal_at=(moment, signal.SIGKILL), signal_to=receiver)
        return chief, follower

    return start


@pytest.fixture
def workdirs(tmp_path):
    """Where chief and follower would write; only the first may be used."""
    folders = tmp_path / "chief", tmp_path / "follower"
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.fixture(scope="module")
def run_of_one(run_tiny, tmp_path_factory):
    """The run folder of one worker."""
    return run_tiny(tmp_path_factory.mktemp("one"), **VALUES)


def run_folder(workdirs):
    return workdirs[0] / "tiny" / "replicate_1"


def test_two_workers_come_to_what_one_does(start_workers, workdirs, run_tiny, tmp_path):
    short = {**VALUES, "train_steps": "24it", "evaluate_every": "12it"}
    run_of_one = run_tiny(tmp_path / "one", **short)
    ticket = tmp_path / "ticket"
    flags = (f"--{name}={value}" for name, value in short.items())
    chief, follower = start_workers(*flags, f"--export_dir={ticket}", "--report", workdirs=workdirs)
    assert chief.wait() == 0, chief.output
    assert follower.wait() == 0, follower.output
    assert (ticket / "saved_model.pb").exists()
    assert "Run folder" in chief.output
    assert (workdirs[0] / "tiny" / "report" / "index.html").exists()
    assert "Level" not in follower.output
    assert "Report" not in follower.output
    assert list(workdirs[1].iterdir()) == []
    run = run_folder(workdirs)
    for level in range(2):
        one = Mask.load(run_of_one / f"level_{level}" / "masks.npz")
        two = Mask.load(run / f"level_{level}" / "masks.npz")
        assert two.remaining == one.remaining
        assert two.overlap(one) > 0.99
        trained = load_tensors(run / f"level_{level}" / "weights")
        assert all((trained[name][~array] == 0).all() for name, array in two.items())
    expected = load_tensors(run_of_one / "level_0" / "weights")
    for name, array in load_tensors(run / "level_0" / "weights").items():
        np.testing.assert_allclose(array, expected[name], atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_a_killed_worker_ends_all_and_the_same_commands_continue(
    start_workers, workdirs, tmp_path, outcome_of
):
    reference = tmp_path / "reference", tmp_path / "unused"
    for process in start_workers(*FLAGS, workdirs=reference):
        assert process.wait() == 0, process.output
    for lost, moment in ((1, "level_0/checkpoint/step_5"), (0, "level_1/checkpoint/step_10")):
        workers = start_workers(*FLAGS, workdirs=workdirs, lost=(lost, moment))
        assert workers[lost].wait() == -signal.SIGKILL, workers[lost].output
        survivor = workers[1 - lost]
        assert survivor.wait() != 0
        if lost == 1:
            assert "another worker has ended" in survivor.output
            assert "Traceback" not in survivor.output
    for process in start_workers(*FLAGS, workdirs=workdirs):
        assert process.wait() == 0, process.output
    assert outcome_of(run_folder(workdirs)) == outcome_of(run_folder(reference))


def test_workers_with_different_flags_are_told(start_workers, workdirs):
    workers = start_workers(*FLAGS, workdirs=workdirs, second=("--learning_rate=0.01",))
    for process in workers:
        assert process.wait() == 1
        assert "other flags, data or versions" in process.output
    assert "  --learning_rate: the chief has 0.0012, this worker 0.01\n" in workers[1].output
    assert list(workdirs[0].iterdir()) == []


def test_an_error_of_the_chief_reaches_all(start_workers, workdirs):
    run_folder(workdirs).mkdir(parents=True)
    (run_folder(workdirs) / "mine.txt").write_text("mine")
    chief, follower = start_workers(*FLAGS, workdirs=workdirs)
    assert (chief.wait(), follower.wait()) == (1, 1)
    assert "is not a run folder and not empty" in chief.output
    assert "the chief has stopped" in follower.output
    assert "is not a run folder and not empty" in follower.output


@pytest.mark.parametrize(
    ("tf_config", "wrong"),
    {
        "{": "cannot be read",
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}': (
            "task index 2 is not one of 0 to 1 of the workers"
        ),
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}': (
            "task type 'chief' is not one of worker"
        ),
        '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}': (
            "not a list of 'host:port'"
        ),
        '{"cluster": {"worker": ["a:1", "b:c"]}, "task": {"type": "worker", "index": 0}}': (
            "not a list of 'host:port'"
        ),
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}': (
            "an address occurs twice"
        ),
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}': (
            "only chief and worker train together"
        ),
    }.items(),
    ids=["broken", "index", "type", "address", "port", "twice", "ps"],
)
def test_a_tf_config_that_does_not_fit(start_main, tmp_path, tf_config, wrong):
    process = start_main(workdir=tmp_path, environment={"TF_CONFIG": tf_config})
    assert process.wait() == 1
    assert "TF_CONFIG" in process.output
    assert wrong in process.output
    assert "Traceback" not in process.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_workers_train_a_ticket_of_another_run(start_workers, workdirs, run_of_one):
    given = (
        *("--experiment=train", "--train_steps=10it", "--evaluate_every=5it", "--rewind_step=0it"),
        *("--dataset=digits", f"--ticket={run_of_one}", "--ticket_level=1"),
    )
    for _ in range(2):
        for process in start_workers(*given, workdirs=workdirs):
            assert process.wait() == 0, process.output
    mask = Mask.load(run_folder(workdirs) / "level_0" / "masks.npz")
    assert mask == Mask.load(run_of_one / "level_1" / "masks.npz")
    trained = load_tensors(run_folder(workdirs) / "level_0" / "weights")
    assert all((trained[name][~array] == 0).all() for name, array in mask.items())


@pytest.mark.slow
def test_two_workers_train_networks_of_different_shapes_one_after_the_other(
    start_workers, workdirs
):
    given = ("--experiment=train", "--train_steps=6it", "--evaluate_every=6it", "--rewind_step=0it")
    sweep = "--sweep=model:lenet_20_10,lenet_30_10"
    chief, follower = start_workers(*given, sweep, workdirs=workdirs)
    assert (follower.wait(), chief.wait()) == (0, 0), f"{follower.output}\n{chief.output}"
    runs = [workdirs[0] / f"tiny_model_lenet_{units}_10" for units in (20, 30)]
    assert all((run / "replicate_1" / "level_0" / "level.json").exists() for run in runs)


_WITH_ITS_THREADS = """
import sys
from tf_lottery.cli.program import main
from tf_lottery.training.threads import threads_in_use

try:
    main()
finally:
    print("threads:", threads_in_use())
"""


@pytest.mark.slow
def test_all_go_on_with_the_number_of_threads_that_the_chief_has_recorded(
    start_workers, workdirs, flags_of_tiny, tmp_path
):
    script = tmp_path / "main.py"
    script.write_text(_WITH_ITS_THREADS)
    tiny = (f"--{name}={value}" for name, value in {**flags_of_tiny, **VALUES, "levels": 0}.items())
    given = (*tiny, f"--workdir={workdirs[0]}")
    elsewhere = (f"--workdir={workdirs[1]}",)
    for more in (("--threads=3",), ("--levels=1",)):
        workers = start_workers(*given, *more, second=elsewhere, workdirs=workdirs, script=script)
        for process in workers:
            assert process.wait() == 0, process.output
            assert "threads: 3" in process.output
    assert list(workdirs[1].iterdir()) == []


@pytest.mark.slow
def test_controls_are_refused_before_training_where_workers_share_no_workdir(
    start_workers, workdirs
):
    for process in start_workers(*FLAGS, "--controls=random_mask", workdirs=workdirs):
        assert process.wait() == 1
        assert "--controls=random_mask: every worker reads" in process.output
        assert f"--workdir={workdirs[1]}; give" in process.output
        assert "Traceback" not in process.output
    assert [list(folder.iterdir()) for folder in workdirs] == [[], []]


@pytest.mark.slow
def test_what_an_analysis_trains_all_train_and_the_chief_measures(
    start_workers, workdirs, run_of_one, tmp_path
):
    shared = tmp_path / "chief", tmp_path / "chief"
    run = run_folder(shared)
    shutil.copytree(run_of_one, run)
    script = Path(__file__).parents[2] / "main.py"

    def analyze(*flags: str):
        chief, follower = start_workers(*flags, workdirs=shared, script=script)
        assert (chief.wait(), follower.wait()) == (0, 0), f"{follower.output}\n{chief.output}"
        return chief.output, follower.output

    asked = ("--experiment=instability", f"--run={run}", "--levels=1", "--baselines=", "--points=3")
    first, again = analyze(*asked), analyze(*asked)
    branches = [RunFolder.read(run / "branches" / f"retrain-data_seed_{n}") for n in (1001, 1002)]
    assert [branch.details.replicas for branch in branches] == [2, 2]
    assert "Instability: " in first[0] and "Instability: " in again[0]
    assert "goes on with 1:" not in first[0]
    assert "barrier" not in first[1]
    assert again[1] == "Of the 2 workers, the chief alone does this.\n"
