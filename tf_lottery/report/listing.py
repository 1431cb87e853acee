"""The table of all runs in a folder."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import MISSING, format_accuracy, format_density, format_points
from tf_lottery.report.run_state import RunState, find_branches, find_runs, read_run_state

_TEXT_HEADERS = ("run", "state")
_NUMBER_HEADERS = ("level", "epoch", "density", "test\naccuracy", "vs.\ndense\n(points)")
# In a file, unlike on a terminal, lines may be as long as they need to be.
_WIDTH_IN_FILES = 100_000


def runs_table(states: Sequence[RunState], workdir: str | Path) -> Table:
    """Lays out runs as a table.

    Args:
      states: the runs, each followed by its branches, in the order in which they are shown.
      workdir: the folder that the runs' paths are shown relative to.

    Returns:
      The table: 80 columns wide at most with paths of up to 28 characters.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0)
    for header in (*_TEXT_HEADERS, *_NUMBER_HEADERS):
        justify = "left" if header in _TEXT_HEADERS else "right"
        # "fold" breaks a text that is too wide where the default would cut it short.
        table.add_column(header, justify=justify, vertical="bottom", overflow="fold")
    paths = {state.path for state in states}
    for state in states:
        branch = state.path.parent.parent in paths
        label = f"  {state.path.name}" if branch else _relative(state.path, workdir)
        table.add_row(Text(_printable(label)), state.state, *_cells(state))
    return table


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
    folder = Path(workdir).expanduser()
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
        print_line(console, f"There are no runs in --workdir={workdir}.")
        return False
    table = runs_table(states, folder)
    if not console.is_terminal:
        options = console.options.update(max_width=_WIDTH_IN_FILES)
        table.width = console.measure(table, options=options).maximum
    console.print(table, crop=False)
    for state in states:
        for problem in state.problems:
            print_line(console, f"\n{_relative(state.path, folder)} is broken: {problem}")
    return any(state.problem is not None for state in states)


def _cells(state: RunState) -> tuple[str, ...]:
    return (
        _of_total(state.level, state.levels),
        MISSING if state.epoch is None else _of_total(f"{state.epoch:.1f}", _short(state.epochs)),
        MISSING if state.density is None else format_density(state.density),
        format_accuracy(state.test_accuracy),
        _points_to_dense(state),
    )


def _of_total(part: int | str | None, total: int | str | None) -> str:
    return MISSING if part is None else f"{part}/{'?' if total is None else total}"


def _short(epochs: float | None) -> str | None:
    return None if epochs is None else f"{epochs:.1f}".removesuffix(".0")


def _points_to_dense(state: RunState) -> str:
    if state.branch is None and state.complete_levels[-1:] == (0,):
        return MISSING
    return format_points(state.test_accuracy, state.dense_accuracy)


def _relative(path: Path, workdir: str | Path) -> str:
    folder = Path(workdir).expanduser()
    return path.name if path == folder else str(path.relative_to(folder))


def print_line(console: Console, text: str) -> None:
    """Prints a text, in which names may be any bytes, without breaking its lines."""
    lines = map(_printable, text.splitlines())
    console.print("\n".join(lines), highlight=False, markup=False, emoji=False, soft_wrap=True)


def _printable(text: str) -> str:
    """Returns a text, in which names may be any bytes, as one line that any stream takes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
