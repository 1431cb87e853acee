"""The tasks that commands are made of."""

from pathlib import Path

import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.experiments.commands import RunBranches, RunExperiments
from tf_lottery.experiments.jobs.cores import (
    jobs_at_once,
    shared_threads,
    threads_of,
    why_not_a_core_each,
)
from tf_lottery.experiments.jobs.outcome import Outcome
from tf_lottery.experiments.jobs.tasks import (
    Task,
    tasks_of_branches,
    tasks_of_experiments,
)
from tf_lottery.store.run_folder import RunFolder


def configs(tmp_path, replicates, **flags):
    return tuple(
        tf_lottery.config_from_values({"workdir": str(tmp_path), "replicate": number, **flags})
        for number in replicates
    )


def test_a_task_for_each_run_and_for_each_control_of_each(tmp_path):
    command = RunExperiments(configs(tmp_path, [1, 2], name="n"), ("a", "b"), (1, 2))
    tasks = tasks_of_experiments(command)
    titles = ["replicate_1", "replicate_2"]
    titles += [f"replicate_{number} {control}" for number in (1, 2) for control in "ab"]
    assert [task.title for task in tasks] == titles
    assert [task.after for task in tasks] == [(), (), (0,), (0,), (1,), (1,)]
    assert tasks[0].command == RunExperiments(command.configs[:1])
    assert tasks[2].command == RunBranches(
        (tmp_path / "n" / "replicate_1",), None, ("a",), (1, 2), {}
    )
    assert len({task.folder for task in tasks}) == 6


def test_runs_of_a_sweep_are_told_apart(tmp_path):
    one, other = configs(tmp_path, [1], name="x") + configs(tmp_path, [1], name="y")
    titles = [task.title for task in tasks_of_experiments(RunExperiments((one, other)))]
    assert titles == ["x/replicate_1", "y/replicate_1"]


def test_a_branch_may_begin_when_its_levels_are_there(finished_run):
    task = Task("control", None, finished_run / "b", finished_run, (0,), (finished_run, (1, 2)))
    assert task.may_begin([None])
    later = Task("control", None, finished_run / "b", finished_run, (0,), (finished_run, (1, 3)))
    assert not later.may_begin([None]) and later.may_begin([Outcome()])
    failed, runs = (
        [Outcome(ArithmeticError("diverged"))],
        [Task("run", None, finished_run, finished_run)],
    )
    assert later.cannot(failed, runs) and not task.cannot(failed, runs)
    assert not Task("x", None, Path("x"), Path("nowhere"), (0,), (Path("nowhere"), (1,))).may_begin(
        [None]
    )


def test_branches_of_several_runs(finished_run):
    command = RunBranches((finished_run,), None, ("random_mask", "retrain"), (1,), {"data_seed": 7})
    tasks = tasks_of_branches(command, [finished_run])
    assert [task.title for task in tasks] == ["random_mask-data_seed_7", "retrain-data_seed_7"]
    assert [task.folder.parent for task in tasks] == [finished_run / "branches"] * 2


def test_who_takes_a_dense_network_has_its_threads(tmp_path, copied_run):
    edit_config(copied_run, details={"threads": 7})
    taking = configs(tmp_path, [1], name="taking", dense_from=str(copied_run))
    (task,) = tasks_of_experiments(RunExperiments(taking))
    assert (threads_of(task, None, 2), threads_of(task, 3, 2)) == (7, 3)


@pytest.mark.parametrize(("cores", "tasks", "threads"), [(8, 3, 2), (2, 5, 1), (4, 1, 4)])
def test_tasks_share_the_cores_however_many_are_done_at_once(cores, tasks, threads, monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    monkeypatch.setattr("tf_lottery.experiments.jobs.cores.gpus", lambda: 0)
    some = [Task(str(number), None, Path("x"), Path("x")) for number in range(tasks)]
    later = Task("later", None, Path("x"), Path("x"), (0,))
    assert shared_threads([*some, later]) == threads
    assert jobs_at_once(None, some, threads) == min(cores // threads, tasks)
    assert jobs_at_once(1, some, threads) == 1 and jobs_at_once(99, some, threads) == tasks
    monkeypatch.setattr("tf_lottery.experiments.jobs.cores.gpus", lambda: 2)
    assert jobs_at_once(None, some, threads) == min(2, tasks)


def test_of_fewer_tasks_at_once_than_cores_the_reason_is_told(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.setattr("tf_lottery.experiments.jobs.cores.gpus", lambda: 0)
    said = ": each computes with 4 threads, and there are 8 cores"
    assert why_not_a_core_each(2, 3, 4) == said
    assert why_not_a_core_each(2, 2, 4) == why_not_a_core_each(8, 9, 1) == ""
    monkeypatch.setattr("tf_lottery.experiments.jobs.cores.gpus", lambda: 2)
    assert why_not_a_core_each(2, 3, 4) == ""


def test_a_run_goes_on_with_the_threads_that_it_was_begun_with(finished_run):
    task = Task("run", None, finished_run, finished_run)
    begun = RunFolder.read(finished_run).details.threads
    assert threads_of(task, None, begun + 5) == begun
    assert threads_of(task, 3, begun + 5) == 3
    assert threads_of(Task("new", None, Path("new"), Path("new")), None, 5) == 5
