"""The table of all runs in a folder."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tf_lottery.config.arguments import expanded
from tf_lottery.report.console import default_console, print_line, printable
from tf_lottery.report.formats import MISSING, format_accuracy, format_density, format_points
from tf_lottery.report.run_state import RunState, find_branches, find_runs, read_run_state
from tf_lottery.report.table import Column, natural_width, show_table, table_of

_Column = Column[RunState]
_RECORDED = (
    "Density and accuracy of a broken run are those that were recorded when its last level was "
    "finished, whose files may be the ones that are damaged."
)


def runs_table(states: Sequence[RunState], workdir: str | Path) -> Table:
    """Lays out runs as a table.

    Args:
      states: the runs, each followed by its branches, in the order in which they are shown.
      workdir: the folder that the runs' paths are shown relative to.

    Returns:
      The table: 80 columns wide at most with paths of up to 28 characters. In the column of levels
      runs have the level that they are at and the last one, as "2/11"; branches have how many of
      the levels that were asked for are finished, as "1 of 3".
    """
    paths = {state.path for state in states}

    def label(state: RunState) -> str:
        is_branch = state.path.parent.parent in paths
        return f"  {state.path.name}" if is_branch else _relative(state.path, workdir)

    columns = [
        _Column("run", lambda state: printable(label(state)), holds_names=True),
        _Column("state", lambda state: state.state, holds_names=True),
        _Column("level", _level),
        _Column("epoch", _epoch),
        _Column(
            "density",
            lambda state: MISSING if state.density is None else format_density(state.density),
        ),
        _Column("test\naccuracy", lambda state: format_accuracy(state.test_accuracy)),
        _Column("vs.\ndense\n(points)", _points_to_dense),
    ]
    return table_of(columns, states, gap=0)


def print_runs(workdir: str | Path, console: Console | None = None) -> bool:
    """Prints where the runs in a folder stand, then what is wrong with the broken ones.

    Args:
      workdir: the folder that holds the runs.
      console: where to print; standard output by default.

    Returns:
      Whether a run is broken.

    Raises:
      ValueError: the folder does not exist or may not be read; names the flag.
    """
    console = console or default_console()
    folder = expanded("--workdir", workdir)
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise ValueError(
            f"--workdir={workdir} cannot be listed ({error.strerror}); give the folder that holds "
            "the runs."
        ) from None
    states = [
        read_run_state(path) for run in find_runs(folder) for path in (run, *find_branches(run))
    ]
    if not states:
        print_line(f"--workdir={workdir}: there are no runs in it.", console)
        return False
    table = runs_table(states, folder)
    if not console.is_terminal:
        # In a file, unlike on a terminal, lines may be as long as they need to be.
        table.width = natural_width(table, console)
    show_table(table, console)
    if any(state.epoch is not None and state.density is not None for state in states):
        print_line("\nDensity and accuracy are those of the last finished level.", console)
    if any(state.problems and state.density is not None for state in states):
        print_line(f"\n{_RECORDED}", console)
    for state in states:
        if state.ended is not None:
            print_line(f"\n{_relative(state.path, folder)} {state.ended}.", console)
    for state in states:
        if state.diverged is not None:
            print_line(f"\n{_relative(state.path, folder)} {state.diverged}.", console)
    for state in states:
        for problem in state.problems:
            print_line(f"\n{_relative(state.path, folder)} is broken: {problem}", console)
    return any(state.problems for state in states)


def _of_total(part: int | str | None, total: int | str | None) -> str:
    return MISSING if part is None else f"{part}/{'?' if total is None else total}"


def _level(state: RunState) -> str:
    """The level of the last; of a branch, which may start from any, how many of those asked for."""
    if state.branch is None:
        return _of_total(state.level, state.levels)
    asked = state.asked_levels
    done = [level for level in state.complete_levels if asked is None or level in asked]
    return f"{len(done)} of {'?' if asked is None else len(asked)}"


def _epoch(state: RunState) -> str:
    if state.epoch is None:
        return MISSING
    epochs = None if state.epochs is None else f"{state.epochs:.1f}".removesuffix(".0")
    return _of_total(f"{state.epoch:.1f}", epochs)


def _points_to_dense(state: RunState) -> str:
    if state.branch is None and state.complete_levels[-1:] == (0,):
        return MISSING
    return format_points(state.test_accuracy, state.dense_accuracy)


def _relative(path: Path, workdir: str | Path) -> str:
    folder = expanded("--workdir", workdir)
    return path.name if path == folder else str(path.relative_to(folder))
