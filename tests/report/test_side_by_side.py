"""Progress of many things at once, into a file and on a terminal."""

import io

from rich.console import Console

from tf_lottery.report.progress.levels import ProgressReporter
from tf_lottery.report.progress.side_by_side import SideBySideProgress
from tf_lottery.report.progress.watching import watched_by, watcher


def written(console_file):
    return console_file.getvalue().splitlines()


def test_lines_in_a_file_say_what_they_are_about():
    file = io.StringIO()
    with SideBySideProgress(["one", "another"], Console(file=file, width=40)) as progress:
        progress.begin(0)
        progress.begin(1)
        progress.live(0, "level 1/2", 3.0)
        progress.line(1, "level 0/2  done")
        progress.finish(1, "A table [1].\n")
        progress.finish(0, "")
    assert written(file) == [
        "another  level 0/2  done",
        "[1 of 2] another",
        "A table [1].",
        "",
        "[2 of 2] one",
    ]


def test_a_terminal_shows_what_runs_and_how_long_it_takes():
    now = [0.0]
    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    progress = SideBySideProgress(["one", "another", "third"], console, lambda: now[0])
    progress.begin(0)
    progress.begin(1)
    progress.live(0, "level 1/2  step 5/9", 75.0)
    now[0] = 5.0
    lines = [str(line) for line in progress._lines().renderables]
    assert lines == [
        "one      1 min 10 s left  level 1/2  step 5/9",
        "another  starting",
        "0 done, 2 running, 1 waiting",
    ]
    progress.finish(1, "")
    progress.live(1, "too late", None)
    assert [str(line) for line in progress._lines().renderables][1:] == [
        "1 done, 1 running, 1 waiting"
    ]


class Watching:
    def __init__(self, interactive):
        self.interactive, self.said, self.shown = interactive, [], []

    def line(self, text):
        self.said.append(text)

    def live(self, text, seconds_left):
        self.shown.append((text, seconds_left))


def test_a_watcher_is_told_of_progress_in_place_of_the_console():
    for interactive in (False, True):
        one, file = Watching(interactive), io.StringIO()
        with watched_by(one), ProgressReporter([10, 10], Console(file=file)) as reporter:
            reporter.start_level(0, 1.0, 0, 10, 5)
            reporter.update(5, {"validation_accuracy": 0.5})
            reporter.note("a note")
        assert not file.getvalue() and watcher() is None
        assert one.said[-1] == "a note"
        assert any("training from step 0" in line for line in one.said) != interactive
        density = "density 100%" if interactive else "density   100%"
        assert one.shown[-1][0].startswith(f"level 0/1  {density}  epoch 1.0/2  val 50.00%")
