"""Any command that is killed at any moment ends, started again, as if it had not been killed.

How many kills there are is TF_LOTTERY_KILLS (14 if it is unset), and what they are drawn with is
TF_LOTTERY_KILL_SEED (1 if it is unset): the same seed draws the same kills again, and
`-k "kill_7_"` takes the seventh alone. For fifty:

    TF_LOTTERY_KILLS=50 TF_LOTTERY_KILL_SEED=2 pytest -m slow tests/experiments/test_many_kills.py
"""

import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_KILLS = int(os.environ.get("TF_LOTTERY_KILLS", "14"))
_SEED = int(os.environ.get("TF_LOTTERY_KILL_SEED", "1"))

_SEARCH = Path(__file__).parents[1] / "tickets" / "killed_search.py"
_LONG = ("--train_steps=120it", "--evaluate_every=5it")
_RUN = "tiny/replicate_1"
# More file operations than any of the commands has.
_NEVER = 10**6


@dataclass(frozen=True)
class Job:
    """A command that is killed.

    Attributes:
      arguments: of the command; PLACE stands for the folder that it works in.
      from_template: whether a finished run with a branch and an analysis is there before.
      checkpoints: whether training saves its state at each evaluation.
      script: in place of main.py.
      completed_by: a file with which it is complete, if it is refused from then on.
    """

    arguments: tuple[str, ...]
    from_template: bool = True
    checkpoints: bool = False
    script: Path | None = None
    completed_by: str | None = None


_OF_RUN = f"--run=PLACE/{_RUN}"
_JOBS = {
    "run": Job(_LONG, from_template=False),
    "checkpoint": Job(_LONG, from_template=False, checkpoints=True),
    "branch": Job(
        (
            *("--experiment=branch", _OF_RUN, "--branch=random_reinitialization,one_shot"),
            "--levels=1-2",
            # In this process, whose file operations are counted; `jobs/test_study.py` kills others.
            "--jobs=1",
            *_LONG,
        ),
        checkpoints=True,
    ),
    "analysis": Job(
        (
            *("--experiment=curvature", _OF_RUN, "--curvature_examples=20", "--eigenvalues=1"),
            "--levels=0-2",
        )
    ),
    "export": Job(
        ("--experiment=export", _OF_RUN, "--formats=keras,tflite,saved_model", "--nomeasure"),
        completed_by=f"{_RUN}/export/level_2/export.json",
    ),
    "report": Job(("--experiment=report", "--run=PLACE/tiny", "--report_dir=PLACE/report")),
    "search": Job(
        ("tf_keras", "Adam", "PLACE/search", "-1", "search"), from_template=False, script=_SEARCH
    ),
}

Outcome = tuple[dict[str, Any], dict[str, str]]


@dataclass(frozen=True)
class Uninterrupted:
    """What a command comes to that is not killed.

    Attributes:
      files: names of all of them.
      values: of the files, without what depends on time.
      bits: checksums of those files that are the same to the bit whenever they are written.
      seconds: that it took.
      operations: of files, that it did.
    """

    files: set[str]
    values: dict[str, Any]
    bits: dict[str, str]
    seconds: float
    operations: int


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """The folder that all commands work in, one after the other: their paths are the same."""
    return tmp_path_factory.mktemp("killed") / "place"


@pytest.fixture(scope="module")
def template(start_main, place, tmp_path_factory) -> Path:
    """A finished run with a branch and an analysis, for `place`."""
    place.mkdir()
    for more in (
        (),
        ("--experiment=branch", f"--run={place / _RUN}", "--branch=random_mask"),
        ("--experiment=magnitudes", f"--run={place / _RUN}"),
    ):
        process = start_main(*more, workdir=place)
        assert process.wait() == 0, process.output
    kept = tmp_path_factory.mktemp("template") / "place"
    place.rename(kept)
    return kept


@pytest.fixture(scope="module")
def start_job(start_main, place) -> Callable:
    """Returns a function that starts a job in `place`, as it is."""

    def start(job: Job, last_file_operation: int | None = None):
        arguments = (text.replace("PLACE", str(place)) for text in job.arguments)
        return start_main(
            *arguments,
            workdir=place,
            last_file_operation=last_file_operation,
            checkpoint_always=job.checkpoints,
            script=job.script,
        )

    return start


@pytest.fixture(scope="module")
def prepare(place, request) -> Callable[[Job], None]:
    """Returns a function that makes `place` as it is before a job."""

    def make(job: Job) -> None:
        shutil.rmtree(place, ignore_errors=True)
        if job.from_template:
            shutil.copytree(request.getfixturevalue("template"), place)
        else:
            request.getfixturevalue("template")
            place.mkdir()

    return make


@pytest.fixture(scope="module")
def outcome(place, outcome_of) -> Callable[[], Outcome]:
    """Returns a function that reads what is in `place`: values of files, and checksums."""

    def read() -> Outcome:
        values = outcome_of(place)
        for name in values:
            if name.endswith("level.json"):
                values[name] = _without_seconds(json.loads((place / name).read_text()))
            elif name.endswith(".csv") and values[name] == "is there":
                values[name] = (place / name).read_text()
        bits = {
            name: hashlib.sha256((place / name).read_bytes()).hexdigest()
            for name in values
            if (place / name).is_file()
        }
        return values, bits

    return read


def _without_seconds(level: dict[str, Any]) -> dict[str, Any]:
    record = {name: value for name, value in level["record"].items() if name != "seconds"}
    return {"record": record, "files": sorted(level["files"])}


@pytest.fixture(scope="module")
def uninterrupted(prepare, start_job, outcome) -> Callable[[str], Uninterrupted]:
    """Returns a function that tells what a job comes to; it is done twice, the first time."""
    known: dict[str, Uninterrupted] = {}

    def find(name: str) -> Uninterrupted:
        if name not in known:
            both = []
            for _ in range(2):
                prepare(_JOBS[name])
                started = time.monotonic()
                process = start_job(_JOBS[name], _NEVER)
                assert process.wait() == 0, process.output
                seconds = time.monotonic() - started
                both.append(outcome())
            (first, first_bits), (values, bits) = both
            assert first.keys() == values.keys()
            files = set(first)
            values = {file: value for file, value in values.items() if value == first[file]}
            bits = {file: text for file, text in bits.items() if text == first_bits[file]}
            operations = int(process.output.rpartition("file operations: ")[2])
            known[name] = Uninterrupted(files, values, bits, seconds, operations)
        return known[name]

    return find


def _kill(start_job: Callable, job: Job, whole: Uninterrupted, dice: random.Random) -> str:
    """Starts a job and kills it at a random moment; says when."""
    if dice.random() < 0.5:
        operation = dice.randint(1, whole.operations)
        process, when = start_job(job, operation), f"before file operation {operation}"
        code = process.wait()
    else:
        seconds = dice.uniform(0, whole.seconds)
        process, when = start_job(job), f"after {seconds:.3f} seconds"
        time.sleep(seconds)
        process.kill()
        code = process.wait()
    assert code == -signal.SIGKILL or code == 0, process.output
    return when if code else f"{when}, when it was over"


_NAMES = [(number, list(_JOBS)[number % len(_JOBS)]) for number in range(_KILLS)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("number", "name"), _NAMES, ids=[f"kill_{number}_{name}" for number, name in _NAMES]
)
def test_killed_and_started_again(
    number: int, name: str, prepare, start_job, outcome, place, uninterrupted
):
    job, whole = _JOBS[name], uninterrupted(name)
    dice = random.Random(f"{_SEED} {number}")
    prepare(job)
    moments = []
    for _ in range(dice.choice((1, 1, 2))):
        if job.completed_by is None or not (place / job.completed_by).exists():
            moments.append(_kill(start_job, job, whole, dice))
    print(f"{name} killed {'; '.join(moments)}")
    if job.completed_by is None or not (place / job.completed_by).exists():
        process = start_job(job)
        assert process.wait() == 0, f"{moments}: {process.output}"
        assert "Traceback" not in process.output
    values, bits = outcome()
    assert set(values) == whole.files, moments
    assert {file: values[file] for file in whole.values} == whole.values, moments
    assert {file: bits[file] for file in whole.bits} == whole.bits, moments
