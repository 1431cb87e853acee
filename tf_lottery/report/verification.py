"""Says of run folders what is damaged in them, what is lost, and how to get it back."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tf_lottery.report.listing import print_line
from tf_lottery.report.run_records import run_paths
from tf_lottery.report.run_state import find_branches, find_runs
from tf_lottery.store.damage import Damage, Findings, inspect_run
from tf_lottery.store.errors import DamagedFileError, RunFolderError
from tf_lottery.store.lock import is_held
from tf_lottery.store.run_folder import RunFolder


def verify_runs(workdir: Path, runs: Sequence[Path] = (), console: Console | None = None) -> bool:
    """Reads all files of run folders and of their branches, and prints what is damaged.

    Args:
      workdir: whose runs are verified, if none is named.
      runs: run folders, or folders that hold some.
      console: where to print; standard output by default.

    Returns:
      Whether something is damaged.

    Raises:
      ValueError: a folder does not exist, or holds no run; names the flag.
    """
    console = console or Console()
    if not runs and not workdir.is_dir():
        raise ValueError(f"--workdir={workdir} is no folder; give the folder that holds the runs.")
    found = run_paths(runs) if runs else find_runs(workdir)
    if not found:
        print_line(console, f"There are no runs in --workdir={workdir}.")
        return False
    paths = [path for run in found for path in (run, *find_branches(run))]
    damaged = [path for path in paths if _verify(path, console)]
    count = f"{len(paths)} run folder" + ("" if len(paths) == 1 else "s, branches among them")
    if damaged:
        which = ", ".join(map(str, damaged))
        print_line(console, f"\n{len(damaged)} of {count}: damaged, see above: {which}")
    else:
        print_line(console, f"\n{count}: no damage.")
    return bool(damaged)


def _verify(path: Path, console: Console) -> bool:
    findings = _findings(path)
    remark = ", while a process works in it" if is_held(path) else ""
    if not findings.damages:
        print_line(console, f"{path}: whole{remark}{_unsealed(path, findings)}")
        return False
    print_line(console, f"{path}: DAMAGED{remark}{_unsealed(path, findings)}")
    for damage in findings.damages:
        print_line(console, f"  {damage.error.path} {damage.error.problem}.")
        print_line(console, f"    Lost: {damage.lost}.")
        print_line(console, f"    To get it back: {damage.error.remedy}")
    return True


def _findings(path: Path) -> Findings:
    lost = "what the run is: its flags and its data"
    try:
        return inspect_run(RunFolder.read(path), wholly=True)
    except DamagedFileError as error:
        return Findings([Damage(error, lost)])
    except RunFolderError as error:
        # It has no config.json, or not one of a run.
        file, problem = path / "config.json", f"cannot be used: {error}"
        missing = not file.exists()
        return Findings(
            [Damage(DamagedFileError(file, "is missing" if missing else problem), lost)]
        )
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        remedy = "Ask for the right to read it."
        return Findings([Damage(DamagedFileError(path, problem, remedy), "not known")])


def _unsealed(path: Path, findings: Findings) -> str:
    if not findings.unsealed:
        return ""
    names = ", ".join(str(file.relative_to(path)) for file in findings.unsealed)
    return f"; not sealed, as an older version of tf_lottery wrote it: {names}"
