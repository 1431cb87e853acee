"""Where the runs of a folder stand, from what they have left on the disk."""

import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tf_lottery.config.branches import is_fine_tuned
from tf_lottery.store.atomic import is_leftover, read_text
from tf_lottery.store.checkpoint import SLOT_NAME
from tf_lottery.store.damage import Damage, inspect_run
from tf_lottery.store.errors import DamagedFileError, problem_text
from tf_lottery.store.levels import LEVEL_NAME
from tf_lottery.store.lock import is_held
from tf_lottery.store.run_details import Divergence
from tf_lottery.store.run_folder import BRANCHES_FOLDER, RunFolder
from tf_lottery.store.search_folder import holds_a_search
from tf_lottery.store.search_remedy import SEARCH_SEAL
from tf_lottery.store.stopping import known_end

_RUN_NAME = re.compile(r"replicate_[0-9]+")
_NUMBER = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class RunState:
    """Where a run, or a branch of one, stands. None is what is not known, or not there yet.

    Attributes:
      path: the run folder.
      state: "running" while a process works in it; else "done" with every level complete,
        "stopped" before that, and "broken" if a file is missing, cannot be read or is not as it
        was written.
      problems: what is broken; each names its file.
      branch: name of the control, for a branch.
      level: the level in training, or else the last complete one.
      levels: the last level that is to be trained.
      epoch: epochs after which the latest checkpoint of the level in training was saved.
      epochs: those at which training of that level ends.
      density: fraction of prunable weights that remain at the last complete level.
      test_accuracy: fraction, of the last complete level.
      dense_accuracy: test accuracy of the run's level 0, if that is the dense network; of a branch,
        that of its run.
      complete_levels: in order.
      asked_levels: those that are to be trained, in order; None of a branch that an earlier version
        has made without noting them.
      ended: why the search ended before the last level that was planned, as the end of a sentence.
      diverged: where training diverged, if the run was stopped by that.
    """

    path: Path
    state: Literal["done", "running", "stopped", "broken"]
    problems: tuple[str, ...] = ()
    branch: str | None = None
    level: int | None = None
    levels: int | None = None
    epoch: float | None = None
    epochs: float | None = None
    density: float | None = None
    test_accuracy: float | None = None
    dense_accuracy: float | None = None
    complete_levels: tuple[int, ...] = ()
    asked_levels: tuple[int, ...] | None = None
    ended: str | None = None
    diverged: Divergence | None = None


def read_run_state(path: Path) -> RunState:
    """Reads where a run stands; changes nothing and never fails.

    Seals, small files and the sizes of large ones are checked, what is in large ones is not.

    Args:
      path: the folder of a run or a branch.

    Returns:
      The state; "broken" if something in the folder is missing, damaged or may not be read.
    """
    path = Path(path)
    try:
        # Before the levels: a run that completes its last one meanwhile is not called stopped.
        held = is_held(path)
        if (path / "config.json").exists():
            run = RunFolder.read(path)
            damages = _problems(inspect_run(run).damages)
            try:
                state = _read_state(run, held)
            except (OSError, ValueError) as error:
                state = RunState(path, "broken")
                damages = list(dict.fromkeys([problem_text(error), *damages]))
            if damages:
                state = replace(state, state="broken", problems=tuple(damages), diverged=None)
            return state
        if held:
            return RunState(path, "running")
        raise DamagedFileError(path / "config.json", "is missing")
    except (OSError, ValueError) as error:
        return RunState(path, "broken", (problem_text(error),))


def find_runs(folder: Path) -> list[Path]:
    """Finds the run folders in and below a folder, damaged ones among them.

    A run that several symbolic links lead to is found once.

    Args:
      folder: where to look, the --workdir of the runs for example.

    Returns:
      Paths that begin with `folder`, without branches; replicate_2 before replicate_10.
    """
    return _find(
        folder, lambda place: bool(_RUN_NAME.fullmatch(place.name)) and _holds_a_run(place)
    )


def find_searches(folder: Path) -> list[Path]:
    """Finds the folders of searches of the library in and below a folder, damaged ones among them.

    Args:
      folder: where to look.

    Returns:
      Paths that begin with `folder`.
    """
    return _find(folder, holds_a_search)


def _find(folder: Path, is_sought: Callable[[Path], bool]) -> list[Path]:
    found, seen, pending = [], set(), deque([Path(folder)])
    while pending:
        place = pending.popleft()
        with suppress(OSError):
            status = place.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if is_sought(place):
                found.append(place)
                continue
            for entry in filter(Path.is_dir, place.iterdir()):
                # Links last, so that what is also there without one is found without one.
                (pending.append if entry.is_symlink() else pending.appendleft)(entry)
    return _in_natural_order(found)


def find_branches(run: Path) -> list[Path]:
    """Finds the branches of a run, damaged ones among them.

    Args:
      run: a run folder, which may be damaged.

    Returns:
      The folders, in the order of their names.
    """
    with suppress(OSError):
        folders = filter(Path.is_dir, (run / BRANCHES_FOLDER).iterdir())
        return _in_natural_order(
            folder for folder in folders if not is_leftover(folder.name) and _holds_a_run(folder)
        )
    return []


def _holds_a_run(path: Path) -> bool:
    if os.path.lexists(path / SEARCH_SEAL):
        return False  # A search may be kept in a folder of any name.
    try:
        return (path / "config.json").exists() or any(
            LEVEL_NAME.fullmatch(entry.name) and entry.is_dir() for entry in path.iterdir()
        )
    except OSError:
        return True  # Its user may not look into it, and should see that it is there.


def _in_natural_order(paths: Iterable[Path]) -> list[Path]:
    def numbers_as_numbers(path: Path) -> tuple[Any, str]:
        pieces = [_NUMBER.split(name) for name in path.parts]
        key = [[int(text) if at % 2 else text for at, text in enumerate(name)] for name in pieces]
        return key, str(path)

    return sorted(paths, key=numbers_as_numbers)


def _problems(damages: Iterable[Damage]) -> list[str]:
    """What is wrong, in sentences; a remedy that is for several files is given once."""
    by_remedy: dict[str, list[str]] = {}
    for damage in damages:
        error = damage.error
        by_remedy.setdefault(error.remedy, []).append(f"{error.path} {error.problem}")
    return [f"{'; '.join(dict.fromkeys(found))}. {remedy}" for remedy, found in by_remedy.items()]


def _read_state(run: RunFolder, held: bool) -> RunState:
    complete = run.complete_levels()
    records = [run.level(level).record() for level in complete]
    latest = records[-1] if records else {}
    asked = _asked_levels(run, complete)
    planned = complete if asked is None else asked
    missing = [level for level in planned if level not in complete]
    steps = {level: _latest_step(run, level) for level in missing}
    begun = [level for level in missing if steps[level] is not None]
    in_training = begun[:1] or (missing[:1] if held or not complete else [])
    trained = in_training[0] if in_training else None
    state = "running" if held else "stopped" if missing or not planned else "done"
    details = run.known_details
    return RunState(
        path=run.path,
        state=state,
        branch=run.kind_of_branch,
        level=complete[-1] if trained is None and complete else trained,
        levels=max(planned, default=None),
        epoch=None if trained is None else _in_epochs(run, steps[trained]),
        epochs=None if trained is None else _in_epochs(run, _last_step(run, trained)),
        density=latest.get("density"),
        test_accuracy=latest.get("test_accuracy"),
        dense_accuracy=_dense_accuracy(run),
        complete_levels=tuple(complete),
        asked_levels=None if asked is None else tuple(asked),
        ended=_ended(run),
        diverged=details.diverged if details is not None and state == "stopped" else None,
    )


def _ended(run: RunFolder) -> str | None:
    end = known_end(run)
    return None if end is None else str(end)


def _asked_levels(run: RunFolder, complete: list[int]) -> list[int] | None:
    details = run.known_details
    if run.kind_of_branch is not None:
        asked = None if details is None else details.branch_levels
        return None if asked is None else sorted(asked)
    # The details know what a target density takes, and say 0 after --experiment=train.
    known = 0 if details is None else details.levels
    last = known or run.identity.levels
    if last is None:
        return []
    trains_only = not known and _trains_dense_network_only(run, complete)
    return [0] if trains_only else list(range(last + 1))


def _trains_dense_network_only(run: RunFolder, complete: list[int]) -> bool:
    """Returns whether the run was begun with --experiment=train and was not pruned since."""
    if any(complete) or run.level(1).path.exists():
        return False
    with suppress(DamagedFileError):
        return "--experiment=train" in read_text(run.path / "flags.cfg").splitlines()
    return False


def _latest_step(run: RunFolder, level: int) -> int | None:
    """Returns the iteration of a level's latest checkpoint."""
    with suppress(FileNotFoundError, NotADirectoryError):
        slots = (run.level(level).path / "checkpoint").iterdir()
        steps = filter(None, (SLOT_NAME.fullmatch(slot.name) for slot in slots))
        return max((int(name[1]) for name in steps), default=None)
    return None


def _last_step(run: RunFolder, level: int) -> int | None:
    """Returns the iteration at which a level's training ends."""
    details = run.known_details
    if details is None:
        return None
    end = details.train_steps
    if level == 0 or not is_fine_tuned(run.identity.retraining, run.kind_of_branch):
        return end
    # It begins where dense training ended and is as long as training after a rewind.
    return end + end - details.rewind_step


def _in_epochs(run: RunFolder, steps: int | None) -> float | None:
    details = run.known_details
    per_epoch = None if details is None else details.steps_per_epoch
    return steps / per_epoch if steps is not None and per_epoch else None


def _dense_accuracy(run: RunFolder) -> float | None:
    with suppress(OSError, ValueError):
        home = run if run.kind_of_branch is None else RunFolder.read(run.home)
        if home.level(0).is_complete():
            record = home.level(0).record()
            # Level 0 may be the ticket of another run.
            return record.get("test_accuracy") if record.get("density", 1) == 1 else None
    return None
