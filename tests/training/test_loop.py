"""The training loop: what is due when, and where it stops."""

import pytest

from tf_lottery.data import Epoch
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.training.loop import StepCallback, train


class Recorder:
    """Stands in for a training program: notes what it is asked to run."""

    def __init__(self, bad_step: int | None = None):
        self.runs: list[tuple[int, int, int]] = []
        self.steps = 0
        self.bad_step = bad_step

    def run(self, epoch: Epoch, first: int, last: int) -> None:
        self.runs.append((epoch.number, first, last))
        self.steps += last - first

    def first_bad_step(self) -> int | None:
        return self.bad_step if self.bad_step is not None and self.steps >= self.bad_step else None


def epoch_of(number: int) -> Epoch:
    return Epoch(data_seed=0, level=0, number=number)


def steps_of(recorder: Recorder, steps_per_epoch: int) -> list[int]:
    """The iterations that were run, in order, from epochs and positions."""
    return [
        epoch * steps_per_epoch + position
        for epoch, first, last in recorder.runs
        for position in range(first, last)
    ]


@pytest.mark.parametrize(("first", "last"), [(0, 23), (4, 23), (7, 8), (14, 21), (0, 1000)])
def test_every_step_is_run_once_in_its_epoch(first: int, last: int):
    program = Recorder()
    train(program, epoch_of, 7, first, last, [])
    assert steps_of(program, 7) == list(range(first, last))
    assert all(end <= 7 for _, _, end in program.runs)


def test_nothing_is_left_to_do():
    program = Recorder()
    train(program, epoch_of, 7, 23, 23, [StepCallback(1, lambda step: pytest.fail("called"))])
    assert program.runs == []


def test_callbacks_are_called_when_they_are_due():
    called: list[tuple[str, int, int]] = []
    program = Recorder()

    def note(name: str):
        return lambda step: called.append((name, step, program.steps))

    train(
        program,
        epoch_of,
        steps_per_epoch=10,
        first=2,
        last=17,
        callbacks=[
            StepCallback(5, note("five")),
            StepCallback(6, note("six"), final=False),
            StepCallback(100, note("end")),
        ],
    )
    # Each sees exactly the steps up to its own: 2 were done before.
    assert called == [
        ("five", 5, 3), ("six", 6, 4), ("five", 10, 8), ("six", 12, 10), ("five", 15, 13),
        ("five", 17, 15), ("end", 17, 15),
    ]  # fmt: skip


def test_callbacks_of_one_step_are_called_in_the_given_order():
    called: list[str] = []
    callbacks = [StepCallback(3, lambda step, name=name: called.append(name)) for name in "cab"]
    train(Recorder(), epoch_of, 10, 0, 6, callbacks)
    assert called == ["c", "a", "b"] * 2


def test_a_callback_that_is_due_at_the_last_step_is_called_once():
    called: list[int] = []
    train(Recorder(), epoch_of, 10, 0, 12, [StepCallback(4, called.append)])
    assert called == [4, 8, 12]


def test_progress_ends_at_the_last_step():
    reached: list[int] = []
    train(Recorder(), epoch_of, 10, 5, 25, [], on_progress=reached.append)
    assert reached == sorted(set(reached))
    assert reached[-1] == 25


def test_a_loss_that_is_not_finite_stops_training_before_callbacks():
    saved: list[int] = []
    program = Recorder(bad_step=14)
    with pytest.raises(TrainingDivergedError, match="step 14"):
        train(program, epoch_of, 10, 0, 30, [StepCallback(5, saved.append)])
    assert saved == [5, 10]
    assert program.steps <= 15
