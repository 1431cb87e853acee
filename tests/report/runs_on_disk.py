"""Run folders as an experiment leaves them, without the training."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.store import details as store_details
from tf_lottery.store.recorded import Recorded
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary
from tf_lottery.store.seal import seal
from tf_lottery.store.tensors import tensor_files
from tf_lottery.store.training_rules import RULES

DETAILS = store_details.DETAILS.to_json() | {
    "rules": RULES,
    "steps_per_epoch": 100,
    "train_steps": 3000,
}

_HOLD = (
    "import sys; from pathlib import Path\n"
    "from tf_lottery.store.lock import exclusive\n"
    "with exclusive(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.readline()\n"
)


def write_run(
    path: Path,
    accuracies: Sequence[float] | Mapping[int, float] = (),
    levels: int = 2,
    checkpoints: Mapping[int, Sequence[int]] | None = None,
    identity: Mapping | None = None,
    details: Mapping | None = None,
    flags_text: str = "--experiment=lottery\n",
) -> Path:
    """Makes a run folder in which no process works.

    Args:
      path: the folder.
      accuracies: test accuracy of each complete level; in a mapping, by level.
      levels: number of prunings.
      checkpoints: iterations of the checkpoints of levels in training, by level.
      identity: more of the experiment's flags.
      details: more than `DETAILS`.
      flags_text: the flag file.

    Returns:
      The folder.
    """
    if not isinstance(accuracies, Mapping):
        accuracies = dict(enumerate(accuracies))
    identity = {"levels": levels, "model": "lenet"} | dict(identity or {})
    with RunFolder.open(
        path, identity, details_of(DETAILS | dict(details or {})), flags_text
    ) as run:
        for level, accuracy in accuracies.items():
            _write_level(run, level, accuracy)
        for level, steps in (checkpoints or {}).items():
            for step in steps:
                (run.level(level).path / "checkpoint" / f"step_{step}").mkdir(parents=True)
            run.level(level).metrics_path.write_text("step,loss\n0,1.5\n")
    return path


def details_of(content: Mapping) -> RunDetails:
    """What a run folder remembers, from its form on the disk."""
    return RunDetails.from_json(Recorded(content, Path("config.json")))


def write_branch(run: Path, label: str, accuracies: Mapping[int, float], **options) -> Path:
    """Makes a branch of a run folder; the options are those of `write_run`."""
    options["identity"] = {"branch": "random_mask"} | dict(options.get("identity", {}))
    return write_run(run / "branches" / label, accuracies, **options)


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen]:
    """Lets another process work in a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def write_rewind(run: RunFolder) -> None:
    """Leaves a rewind state in a run folder, unless it is of a branch or has one."""
    if "branch" in run.identity or run.rewind.exists():
        return
    run.rewind.path.mkdir()
    files = tensor_files(run.rewind.path / "tensors")
    for file in files:
        file.write_bytes(b"0")
    seal(run.rewind.path, [file.name for file in files], {"step": 0})


def _write_level(run: RunFolder, number: int, accuracy: float) -> None:
    level = run.level(number)
    level.path.mkdir()
    for file in (level.masks_path, *tensor_files(level.weights_prefix), level.metrics_path):
        file.write_bytes(b"0")
    write_rewind(run)
    summary = LevelSummary(
        level=number,
        density=0.8**number,
        weights_remaining=round(1000 * 0.8**number),
        test_accuracy=accuracy,
        test_loss=0.25,
        early_stop_step=None,
        early_stop_test_accuracy=None,
        seconds=12.5,
    )
    level.complete(summary.numbers())
