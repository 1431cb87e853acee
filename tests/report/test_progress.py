import io
import re
import threading
import time

import pytest
from rich.console import Console

from tests.report.clocks import Clock
from tf_lottery.report.progress.levels import ProgressReporter
from tf_lottery.report.progress.time_left import TimeLeft


@pytest.fixture
def clock():
    return Clock()


def log_reporter(clock, steps=(100, 80, 80)):
    file = io.StringIO()
    return ProgressReporter(steps, Console(file=file, width=40), clock), file


def test_training_of_less_than_a_tenth_of_an_epoch_is_told_in_steps(clock):
    file = io.StringIO()
    reporter = ProgressReporter([4, 4], Console(file=file, width=200), clock)
    reporter.start_level(0, 1.0, 0, 4, steps_per_epoch=100)
    clock.pass_seconds(20)
    reporter.update(0, {})
    assert "epoch" not in file.getvalue()
    assert "step 0/4" in file.getvalue()


def test_training_of_half_an_epoch_is_told_in_tenths(clock):
    file = io.StringIO()
    reporter = ProgressReporter([50, 50], Console(file=file, width=200), clock)
    reporter.start_level(0, 1.0, 0, 50, steps_per_epoch=100)
    clock.pass_seconds(20)
    reporter.update(0, {})
    assert "epoch 0.0/0.5" in file.getvalue()


def lines(file):
    return file.getvalue().splitlines()


def test_time_left_counts_all_later_levels_at_the_measured_rate(clock):
    left = TimeLeft([100, 80, 60], clock)
    left.start_level(0, 0, 100)
    left.reach(0)
    assert left.seconds() is None
    clock.pass_seconds(20)
    left.reach(20)
    assert left.steps() == 80 + 80 + 60
    assert left.seconds() == pytest.approx(220 * 1.0)


def test_time_left_forgets_the_start_up_after_the_second_report(clock):
    left = TimeLeft([100], clock)
    left.start_level(0, 0, 100)
    clock.pass_seconds(50)
    left.reach(10)
    clock.pass_seconds(5)
    left.reach(20)
    assert left.seconds() == pytest.approx(80 * 0.5)
    clock.pass_seconds(20)
    left.reach(30)
    assert left.seconds() == pytest.approx(70 * 25 / 20)


def test_time_left_is_not_guessed_from_the_first_moments(clock):
    left = TimeLeft([1000], clock)
    left.start_level(0, 0, 1000)
    left.reach(0)
    clock.pass_seconds(1)
    left.reach(1)
    assert left.seconds() is None


def test_time_left_starts_anew_after_the_first_evaluation(clock):
    reporter, file = log_reporter(clock)
    reporter.start_level(0, 1.0, 0, 100, 10)
    reporter.advance(1)
    clock.pass_seconds(100)  # compiling
    reporter.update(10, {"train_loss_since_last_row": 0.5})
    assert "left" not in lines(file)[-1]
    clock.pass_seconds(10)
    reporter.update(20, {"train_loss_since_last_row": 0.5})
    # One second a step: 80 of level 0, and 80 of each level after it.
    assert lines(file)[-1].endswith("4 min 00 s left")


def test_time_left_does_not_count_what_is_compiled_after_the_row_before_training(clock):
    reporter, file = log_reporter(clock)
    reporter.start_level(0, 1.0, 0, 100, 10)
    clock.pass_seconds(20)
    reporter.update(0, {"test_accuracy": 0.1})
    clock.pass_seconds(100)  # compiling
    reporter.advance(1)
    assert "left" not in lines(file)[-1]
    clock.pass_seconds(10)
    reporter.advance(11)
    assert lines(file)[-1].endswith("4 min 09 s left")


def test_advancing_keeps_the_metrics_of_the_latest_evaluation(clock):
    reporter, file = log_reporter(clock)
    reporter.start_level(0, 1.0, 0, 100, 10)
    reporter.update(10, {"train_loss_since_last_row": 0.5})
    clock.pass_seconds(10)
    reporter.advance(20)
    assert "step 20/100  loss 0.5000" in lines(file)[-1]


def test_time_left_of_a_resumed_run_counts_only_what_it_trains(clock):
    left = TimeLeft([100, 100, 100, 100], clock)
    left.finish_level(0)
    left.finish_level(1)
    assert left.steps() == 200
    left.start_level(2, 70, 100)
    assert left.steps() == 130
    left.reach(70)
    assert left.seconds() is None
    clock.pass_seconds(40)
    left.reach(90)
    assert left.seconds() == pytest.approx(110 * 2.0)


def test_time_left_includes_the_time_between_levels(clock):
    left = TimeLeft([10, 10, 10], clock)
    left.start_level(0, 0, 10)
    left.reach(0)
    clock.pass_seconds(10)
    left.reach(10)
    left.finish_level(0)
    clock.pass_seconds(5)
    left.start_level(1, 0, 10)
    left.reach(0)
    assert left.seconds() == pytest.approx(20 * 1.5)
    clock.pass_seconds(5)
    left.reach(10)
    assert left.seconds() == pytest.approx(10 * 1.0)
    left.finish_level(1)
    left.finish_level(2)
    assert left.seconds() == 0


def test_log_has_a_line_per_level_and_evaluations_every_ten_seconds(clock, make_summary):
    reporter, file = log_reporter(clock)
    with reporter:
        reporter.start_level(0, 1.0, 0, 100, 10)
        for step in range(5, 101, 5):
            clock.pass_seconds(1.5)
            reporter.update(step, {"train_loss_since_last_row": 0.5, "validation_accuracy": 0.9})
        reporter.finish_level(make_summary(0, 0.97, early_stop_test_accuracy=0.975, seconds=30))
    assert lines(file) == [
        "level 0/2  density   100%  training from step 0 to 100",
        "level 0/2  density   100%  epoch 3.5/10  step 35/100  loss 0.5000  val 90.00%"
        "  1 min 08 s left",
        "level 0/2  density   100%  epoch 7.0/10  step 70/100  loss 0.5000  val 90.00%  57 s left",
        "level 0/2  density   100%  test 97.00%, at early stop 97.50%  30 s  48 s left",
    ]


def test_missing_metrics_are_left_out_and_test_stands_in_for_validation(clock):
    reporter, file = log_reporter(clock)
    reporter.start_level(1, 0.8, 20, 100, 10)
    clock.pass_seconds(11)
    reporter.update(
        40,
        {
            "train_loss_since_last_row": None,
            "validation_accuracy": None,
            "test_accuracy": 0.8,
            "step": 40,
        },
    )
    assert lines(file)[-1] == ("level 1/2  density  80.0%  epoch 4.0/10  step 40/100  test 80.00%")


def test_levels_found_complete_share_a_line_before_what_follows(clock):
    reporter, file = log_reporter(clock)
    with reporter:
        reporter.skip_level(0)
        reporter.skip_level(1)
        reporter.note("resuming [level 2]")
        reporter.skip_level(2)
    assert lines(file) == [
        "levels 0 to 1 are complete already",
        "resuming [level 2]",
        "level 2 is complete already",
    ]


def terminal_reporter(width=80):
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, force_interactive=True)
    return ProgressReporter([100_000] * 3, console), file


def test_live_line_is_throttled():
    reporter, file = terminal_reporter()
    start = time.perf_counter()
    with reporter:
        reporter.start_level(0, 1.0, 0, 100_000, 100)
        for step in range(2000):
            reporter.update(step, {"train_loss_since_last_row": 0.5, "validation_accuracy": 0.9})
    seconds = time.perf_counter() - start
    assert file.getvalue().count("epoch") <= 8 * seconds + 2  # at start and end whenever that is


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_live_line_stops_and_shows_the_cursor_on_an_exception(error):
    reporter, file = terminal_reporter()
    threads = set(threading.enumerate())
    with pytest.raises(error), reporter:
        reporter.start_level(0, 1.0, 0, 100_000, 100)
        raise error
    text = file.getvalue()
    for thread in set(threading.enumerate()) - threads:
        thread.join(60)
        assert not thread.is_alive()
    assert file.getvalue() == text
    assert file.getvalue().rfind("\x1b[?25h") > file.getvalue().rfind("\x1b[?25l")


@pytest.mark.parametrize(
    ("width", "has_step", "has_density"), [(120, 1, 1), (80, 0, 1), (66, 0, 0)]
)
def test_live_line_fits_the_terminal(width, has_step, has_density):
    reporter, file = terminal_reporter(width)
    with reporter:
        reporter.start_level(1, 0.8, 0, 100_000, 100)
        reporter.update(12_345, {"train_loss_since_last_row": 0.5, "validation_accuracy": 0.9})
    last = next(line for line in reversed(file.getvalue().splitlines()) if "epoch" in line)
    text = re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", last.rsplit("\r", 1)[-1])
    assert len(text) <= width
    assert "epoch 123.5/1000" in text
    assert "val 90.00%" in text
    assert ("step 12,345/100,000" in text) == has_step
    assert ("density 80.0%" in text) == has_density


def test_finished_levels_stay_on_the_terminal(make_summary):
    reporter, file = terminal_reporter()
    with reporter:
        reporter.start_level(1, 0.8, 0, 100_000, 100)
        reporter.finish_level(make_summary(1, 0.97, seconds=62))
    assert "level 1/2  density  80.0%  test 97.00%  1 min 02 s\n" in file.getvalue()
