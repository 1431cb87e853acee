"""Tasks as jobs of a cluster: what is told of them, and how they end; without a cluster."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import tf_lottery
from tf_lottery.config.launching import Launcher
from tf_lottery.experiments.commands import Analyze, RunBranches, RunExperiments
from tf_lottery.experiments.jobs import remote, study
from tf_lottery.experiments.jobs.job_folder import job_folder
from tf_lottery.experiments.jobs.outcome import DIVERGED, INTERRUPTED, Outcome, TaskFailedError
from tf_lottery.experiments.jobs.remote import JobLostError, Remote, task_flags
from tf_lottery.experiments.jobs.tasks import Task, tasks_of_experiments
from tf_lottery.report.progress.side_by_side import SideBySideProgress


class Job:
    def __init__(self, arguments, name):
        self.arguments, self.name = arguments, f"job {name}"
        self.code, self.lost, self.cancelled = None, None, False
        self.folder, self.attempt = Path(arguments[2]), arguments[3]

    def status(self):
        if self.lost is not None:
            raise JobLostError(self.lost)
        return self.code

    def cancel(self, begun):
        self.cancelled = True

    def begin(self, process=7, host="far"):
        self.state = {"attempt": self.attempt, "host": host, "process": process}
        (self.folder / "state.json").write_text(json.dumps(self.state))

    def say(self, text):
        with (self.folder / "log.txt").open("a") as log:
            log.write(text)

    def end(self, code):
        (self.folder / "state.json").write_text(json.dumps({**self.state, "status": code}))
        self.code = code


class Queue:
    def __init__(self, room=None):
        self.room, self.jobs, self.closed = room, [], False

    def submit(self, arguments, name):
        self.jobs.append(Job(arguments, name))
        return self.jobs[-1]

    def close(self):
        self.closed = True


@pytest.fixture
def task(tmp_path):
    config = tf_lottery.config_from_values({"workdir": str(tmp_path), "name": "n"})
    return Task("one", RunExperiments((config,)), config.run_path, config.run_path)


@pytest.fixture
def followed(task):
    """An engine with one task that was submitted, and what is known of it."""
    now = SimpleNamespace(seconds=0.0)
    queue = Queue()
    engine = Remote(queue, None, lambda: now.seconds)
    with SideBySideProgress(["one"]) as progress:
        future = engine.begin(0, task, 2, progress)
        yield SimpleNamespace(engine=engine, future=future, job=queue.jobs[0], now=now, queue=queue)


@pytest.fixture
def there(monkeypatch):
    monkeypatch.setattr(remote, "is_there", lambda task: True)


def test_a_task_is_a_command_line(task, monkeypatch):
    assert task_flags(task.command, 3)[-2:] == ["--threads=3", "--jobs=1"]
    branch = RunBranches((Path("r"),), None, ("random_mask",), (1,), {"threads": 5})
    assert "--threads=3" in task_flags(branch, 3) and "--threads=5" not in task_flags(branch, 3)
    analysis = Analyze("curvature", (Path("r"),), None, None, {}, {})
    assert "--threads=3" in task_flags(analysis, 3)
    monkeypatch.setattr(remote, "imported_plugins", lambda: ("mine", "yours"))
    assert "--plugin=mine,yours" in task_flags(analysis, 3)
    with_own = Analyze("curvature", (Path("r"),), None, None, {}, {"plugin": "mine"})
    assert [f for f in task_flags(with_own, 3) if "plugin" in f] == ["--plugin=mine"]


def test_each_task_has_a_folder_of_its_own():
    run = Path("/w/n/replicate_1")
    branch = RunBranches((run,), None, ("b",), None, {})
    analysis = Analyze("curvature", (run,), None, None, {}, {})
    folders = [
        job_folder(Task("t", RunExperiments(()), run, run)).name,
        job_folder(Task("t", branch, run / "branches" / "b-x_1", run)).name,
        job_folder(Task("t", analysis, run / "landscape", run)).name,
    ]
    assert folders == ["replicate_1", "replicate_1-b-x_1", "replicate_1-curvature"]
    assert job_folder(Task("t", branch, run / "b", run)).parent == Path("/w/n/jobs")


def test_what_is_submitted_is_told_with_its_log(task, capsys):
    with SideBySideProgress(["one"]) as progress:
        Remote(Queue(), None).begin(0, task, 1, progress)
    log = job_folder(task) / "log.txt"
    assert capsys.readouterr().out == f"one  submitted: job replicate_1, log {log}\n"


def test_what_is_told_of_a_task(followed, there, capsys):
    followed.engine.look()
    followed.job.say("hello\n")
    followed.job.begin()
    followed.engine.look()
    followed.engine.look()
    followed.job.say("done\n")
    followed.job.end(0)
    followed.engine.look()
    assert followed.future.result(0) == Outcome(text="hello\ndone\n")
    assert capsys.readouterr().out.count("begins on far, as process 7") == 1


def test_one_that_is_begun_again_by_the_cluster_is_told(followed, capsys):
    followed.job.begin(7)
    followed.engine.look()
    followed.job.begin(8, "near")
    followed.engine.look()
    assert "begins again on near, as process 8" in capsys.readouterr().out


def test_what_an_earlier_attempt_has_said_is_not_told_again(task, there):
    folder = job_folder(task)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("earlier\n")
    (folder / "state.json").write_text('{"attempt": "x", "host": "old", "process": 1, "status": 0}')
    queue = Queue()
    engine = Remote(queue, None)
    with SideBySideProgress(["one"]) as progress:
        future = engine.begin(0, task, 1, progress)
        engine.look()
        assert not future.done()
        queue.jobs[0].begin()
        queue.jobs[0].say("now\n")
        queue.jobs[0].end(0)
        engine.look()
    assert future.result(0).text == "now\n"


def test_a_failing_task_is_told_by_its_last_lines_and_its_log(followed):
    followed.job.begin()
    followed.job.say("".join(f"line {number}\n" for number in range(50)) + "Error: wrong\n")
    followed.job.end(1)
    followed.engine.look()
    outcome = followed.future.result(0)
    assert isinstance(outcome.error, TaskFailedError)
    assert str(outcome.error) == (
        f"one has ended with exit code 1 on far. Its log: {followed.job.folder}/log.txt"
    )
    assert outcome.text.endswith("line 49\nError: wrong\n") and "line 30\n" not in outcome.text


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [(DIVERGED, ArithmeticError, "diverged"), (INTERRUPTED, TaskFailedError, "was stopped")],
)
def test_codes_of_tasks(followed, code, kind, words):
    followed.job.begin()
    followed.job.end(code)
    followed.engine.look()
    error = followed.future.result(0).error
    assert isinstance(error, kind) and words in str(error)


def test_a_killed_job_is_told(followed):
    followed.job.begin()
    followed.job.say("training\n")
    followed.job.lost = "its state is OUT_OF_MEMORY.\nmore"
    followed.engine.look()
    outcome = followed.future.result(0)
    assert "was ended on far: its state is OUT_OF_MEMORY. Its log:" in str(outcome.error)
    assert outcome.text == "training\n"


def test_a_process_that_was_killed_has_written_no_end(followed):
    followed.job.begin()
    followed.job.code = -9
    followed.engine.look()
    assert not followed.future.done()
    followed.now.seconds = 6
    followed.engine.look()
    assert "exit code -9 on far" in str(followed.future.result(0).error)


def test_results_that_are_seen_late_are_waited_for(followed, monkeypatch):
    followed.job.begin()
    followed.job.end(0)
    followed.engine.look()
    followed.now.seconds = 59
    followed.engine.look()
    assert not followed.future.done()
    monkeypatch.setattr(remote, "is_there", lambda task: True)
    followed.engine.look()
    assert followed.future.result(0).error is None


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_folder_that_is_not_shared_is_told(followed, is_begun):
    if is_begun:
        followed.job.begin()
        followed.job.end(0)
    followed.job.code = 0
    followed.engine.look()
    followed.now.seconds = 61
    followed.engine.look()
    assert "file system that all hosts share" in str(followed.future.result(0).error)


def test_stopped_tasks_are_told_and_waited_for(followed):
    followed.job.begin()
    followed.engine.look()
    followed.engine.stop({})
    assert followed.job.cancelled
    order = (followed.job.folder / "order.txt").read_text()
    assert order == f"stop {followed.job.attempt}\n"
    followed.engine.look()
    assert not followed.future.done()
    followed.job.say("Interrupted\n")
    followed.job.end(INTERRUPTED)
    followed.engine.look()
    assert followed.future.result(0) == Outcome(interrupted=True, text="Interrupted\n")


@pytest.mark.parametrize("is_lost", [True, False])
def test_stopped_tasks_are_not_waited_for_without_end(followed, is_lost):
    followed.engine.stop({})
    if is_lost:
        followed.job.lost = "cancelled"
    followed.now.seconds = 91
    followed.engine.look()
    assert followed.future.result(0).interrupted


def test_what_cannot_be_followed_is_told(followed):
    followed.job.status = lambda: 1 / 0
    followed.engine.look()
    error = followed.future.result(0).error
    assert "cannot be followed: ZeroDivisionError" in str(error)


def test_a_job_that_is_not_taken_lets_nothing_begin(task, monkeypatch):
    queue = Queue()

    def refuse(arguments, name):
        raise ConnectionError("sbatch: invalid partition")

    monkeypatch.setattr(queue, "submit", refuse)
    with SideBySideProgress(["one"]) as progress:
        outcome = Remote(queue, None).begin(0, task, 1, progress).result(0)
    assert isinstance(outcome.error, ConnectionError)
    assert not isinstance(outcome.error, TaskFailedError)


def test_how_many_are_submitted_at_once():
    assert Remote(Queue(), 3).count == 3
    assert Remote(Queue(room=2), None).count == 2
    assert Remote(Queue(room=0), None).count == 1
    assert Remote(Queue(), None).count > 10**6


def test_when_it_is_left_what_runs_is_taken_back(task):
    queue = Queue()
    with Remote(queue, None) as engine, SideBySideProgress(["one"]) as progress:
        engine.begin(0, task, 1, progress)
    assert queue.jobs[0].cancelled and queue.closed


class Ending(Queue):
    """Its jobs end at once, with codes by their names."""

    def __init__(self, **codes):
        super().__init__()
        self.codes = codes

    def open(self, folder):
        return self

    def submit(self, arguments, name):
        job = super().submit(arguments, name)
        job.begin()
        job.end(self.codes.get(name, 0))
        return job


def tasks_of(tmp_path, replicates, *controls):
    flags = {"workdir": str(tmp_path), "name": "n"}
    configs = tuple(
        tf_lottery.config_from_values({**flags, "replicate": number}) for number in replicates
    )
    return tasks_of_experiments(RunExperiments(configs, controls))


def do_all(tasks, queue, monkeypatch, is_done=lambda command: False, **options):
    shown = []
    monkeypatch.setattr(study, "_queue", lambda launcher: queue)
    monkeypatch.setattr(remote, "_SECONDS_BETWEEN_LOOKS", 0.01)
    launcher = Launcher("submitit", options)
    study.do_elsewhere(tasks, launcher, None, shown.append, is_done)
    return shown


def test_a_study_is_done_by_jobs(tmp_path, monkeypatch, there, capsys):
    queue = Ending()
    do_all(tasks_of(tmp_path, (1, 2), "random_mask"), queue, monkeypatch)
    names = [job.folder.name for job in queue.jobs]
    assert sorted(names[:2]) == ["replicate_1", "replicate_2"]
    assert sorted(names[2:]) == ["replicate_1-random_mask", "replicate_2-random_mask"]
    said = capsys.readouterr().out
    assert "4 to do by submitit\n" in said and "[4 of 4] replicate_" in said


def test_what_is_done_is_shown_here(tmp_path, monkeypatch, there):
    queue, tasks = Ending(), tasks_of(tmp_path, (1, 2), "random_mask")
    done = [tasks[0].command, tasks[2].command]
    shown = do_all(tasks, queue, monkeypatch, lambda command: command in done)
    assert shown == done
    names = [job.folder.name for job in queue.jobs]
    assert names == ["replicate_2", "replicate_2-random_mask"]
    queue.jobs.clear()
    assert len(do_all(tasks, queue, monkeypatch, lambda command: True)) == 4 and not queue.jobs


def test_tasks_that_fail_are_named_when_the_others_are_done(tmp_path, monkeypatch, there, capsys):
    queue, tasks = Ending(replicate_1=1), tasks_of(tmp_path, (1, 2), "random_mask")
    with pytest.raises(TaskFailedError, match=r"^replicate_1 failed; .* the same command cont"):
        do_all(tasks, queue, monkeypatch)
    assert len(queue.jobs) == 3
    assert "what they need has failed: replicate_1 random_mask" in capsys.readouterr().out


def test_more_threads_than_cores_are_told_of(tmp_path, monkeypatch, there, capsys):
    monkeypatch.setattr(study, "shared_threads", lambda tasks: 8)
    do_all(tasks_of(tmp_path, (1, 2)), Ending(), monkeypatch, cpus_per_task=2)
    assert "8 threads, as it would on this machine, and has 2 cores" in capsys.readouterr().out


def test_ctrl_c_takes_all_back(tmp_path, monkeypatch, capsys):
    class Pressed(Queue):
        def open(self, folder):
            return self

        def submit(self, arguments, name):
            if self.jobs:
                raise KeyboardInterrupt
            return super().submit(arguments, name)

    monkeypatch.setattr(remote, "_SECONDS_TO_STOP", 0.0)
    queue = Pressed()
    with pytest.raises(KeyboardInterrupt):
        do_all(tasks_of(tmp_path, (1, 2)), queue, monkeypatch)
    assert queue.jobs[0].cancelled
    assert "Stopped: replicate_1" in capsys.readouterr().out
