"""Says of runs and searches what is damaged in them, what is lost, and how to get it back."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from tf_lottery.config.arguments import expanded
from tf_lottery.report.console import default_console, print_line
from tf_lottery.report.run_records import run_paths
from tf_lottery.report.run_state import find_branches, find_runs, find_searches
from tf_lottery.store.damage import Damage, Findings, inspect_run, inspect_search
from tf_lottery.store.errors import DamagedFileError, RunFolderError
from tf_lottery.store.lock import is_held
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.search_folder import SearchFolder


def verify_runs(workdir: Path, runs: Sequence[Path] = (), console: Console | None = None) -> bool:
    """Reads all files of runs, their branches, and searches; prints what is damaged.

    Args:
      workdir: whose runs and searches are verified, if none is named.
      runs: folders of runs or searches, or folders that hold some.
      console: where to print; standard output by default.

    Returns:
      Whether something is damaged.

    Raises:
      ValueError: a folder does not exist, or holds no run and no search; names the flag.
    """
    console = console or default_console()
    if not runs and not workdir.is_dir():
        raise ValueError(f"--workdir={workdir} is no folder; give the folder that holds the runs.")
    found, searches = _runs_and_searches(workdir, runs)
    if not found and not searches:
        print_line(f"--workdir={workdir}: there are no runs in it.", console)
        return False
    paths = [path for run in found for path in (run, *find_branches(run))]
    damaged = [path for path in paths if _verify(path, _findings(path), console, _command(path))]
    damaged += [path for path in searches if _verify(path, _findings_of_search(path), console)]
    count = _count_text(len(paths), len(searches))
    if damaged:
        which = ", ".join(map(str, damaged))
        print_line(f"\n{len(damaged)} of {count}: damaged, see above: {which}", console)
    else:
        print_line(f"\n{count}: no damage.", console)
    return bool(damaged)


def _runs_and_searches(workdir: Path, named: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    if not named:
        return find_runs(workdir), find_searches(workdir)
    searches = {folder: find_searches(expanded("--run", folder).absolute()) for folder in named}
    # A folder of searches alone has no run, which is no mistake.
    others = [folder for folder in named if not searches[folder] or find_runs(folder)]
    found = dict.fromkeys(path for paths in searches.values() for path in paths)
    return run_paths(others) if others else [], list(found)


def _count_text(runs: int, searches: int) -> str:
    of_runs = f"{runs} run folder" + ("" if runs == 1 else "s, branches among them")
    of_searches = f"{searches} search folder" + ("" if searches == 1 else "s")
    if not searches:
        return of_runs
    return f"{of_runs}, and {of_searches}" if runs else of_searches


def _command(path: Path) -> str | None:
    with suppress(OSError, RunFolderError):
        return RunFolder.read(path).command
    return None


def _verify(path: Path, findings: Findings, console: Console, command: str | None = None) -> bool:
    remark = ", while a process works in it" if is_held(path) else ""
    if not findings.damages:
        print_line(f"{path}: whole{remark}{_unsealed(path, findings)}", console)
        return False
    print_line(f"{path}: DAMAGED{remark}{_unsealed(path, findings)}", console)
    for damage in findings.damages:
        print_line(f"  {damage.error.path} {damage.error.problem}.", console)
        print_line(f"    Lost: {damage.lost}.", console)
        print_line(f"    To get it back: {damage.error.remedy}", console)
    if command:
        print_line(f"  The run's command: {command}", console)
    return True


def _findings(path: Path) -> Findings:
    lost = "what the run is: its flags and its data"
    try:
        return inspect_run(RunFolder.read(path), wholly=True)
    except DamagedFileError as error:
        return Findings([Damage(error, lost)])
    except RunFolderError as error:
        # It has no config.json, or not one of a run.
        file = path / "config.json"
        damage = DamagedFileError(file, "is missing")
        if file.exists():
            problem = str(error).removeprefix(f"{file.absolute()} ").rstrip(".")
            damage = DamagedFileError(file, problem, "Restore it from a backup, if it is of a run.")
        return Findings([Damage(damage, lost)])
    except OSError as error:
        return _unreadable(path, error)


def _findings_of_search(path: Path) -> Findings:
    try:
        return inspect_search(SearchFolder(path))
    except OSError as error:
        return _unreadable(path, error)


def _unreadable(path: Path, error: OSError) -> Findings:
    problem = f"cannot be read ({error.strerror})"
    remedy = "Ask for the right to read it."
    return Findings([Damage(DamagedFileError(path, problem, remedy), "not known")])


def _unsealed(path: Path, findings: Findings) -> str:
    if not findings.unsealed:
        return ""
    names = ", ".join(str(file.relative_to(path)) for file in findings.unsealed)
    return f"; not sealed, as an older version of tf_lottery wrote it: {names}"
