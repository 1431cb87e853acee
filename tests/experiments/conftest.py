"""Tiny experiments, in this process and in processes that can be killed."""

import csv
import hashlib
import multiprocessing
import random
import runpy
import shutil
import signal
import time
from collections.abc import Callable, Hashable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import tf_lottery
from tests.command_line import run_command_of
from tests.edited_config import edit_config
from tf_lottery.data import Split, load_dataset
from tf_lottery.experiments.running import setup, skeleton
from tf_lottery.experiments.running.compiled_network import CompiledNetwork
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors
from tf_lottery.tickets.run_journal import RunJournal

_MAIN = Path(__file__).parents[2] / "main.py"
# What tests whose figures are blank replace.
_DRAW = Figure.savefig
_TINY = {
    "name": "tiny",
    "model": "lenet_20_10",
    "train_steps": "45it",
    "evaluate_every": "10it",
    "levels": 2,
    "pruning_rate": 0.2,
    "rewind_step": "7it",
    "jit_compile": "off",
}

# Networks whose compiled functions are kept from test to test.
_MOST_COMPILED = 8

# Below the limit of pytest, so that a process that hangs shows what it printed.
_SECONDS_OF_PATIENCE = 280


def _run_in(workdir: Path) -> Path:
    return workdir / "tiny" / "replicate_1"


def _tiny_flags(workdir: Path) -> list[str]:
    return [*(f"--{name}={value}" for name, value in _TINY.items()), f"--workdir={workdir}"]


def _is_bookkeeping(path: Path) -> bool:
    return path.name.startswith(".lock")


@pytest.fixture
def moved_level() -> Callable[[Path, int], None]:
    """Returns a function that moves the weights of a level, as if it had been trained anew."""

    def move(run: Path, number: int) -> None:
        folder = RunFolder.read(run)
        record, (weights, mask) = folder.level(number).record(), RunJournal(folder).load(number)
        (run / f"level_{number}" / "level.json").unlink()
        moved = {name: array + 1 for name, array in weights.items()}
        RunJournal(folder).save(number, mask.apply(moved), mask, record)

    return move


@pytest.fixture(autouse=True)
def _blank_unless_wanted(request: pytest.FixtureRequest) -> None:
    # A snapshot tells figures that were drawn from blank ones.
    if not {"pictures", "snapshot"} & set(request.fixturenames):
        request.getfixturevalue("blank_pictures")


@pytest.fixture(scope="session", autouse=True)
def _networks_stay_compiled() -> Iterator[None]:
    """Keeps what is compiled for several networks, as tests come back to them: it takes long."""
    kept: dict[Hashable, CompiledNetwork] = {}

    def take(key: Hashable) -> CompiledNetwork | None:
        return kept.pop(key, None)

    def keep(compiled: CompiledNetwork) -> None:
        kept[compiled.key] = compiled
        if len(kept) > _MOST_COMPILED:
            del kept[next(iter(kept))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "take_compiled", take)
        patch.setattr(skeleton, "keep_compiled", keep)
        yield


@pytest.fixture(scope="session")
def run_tiny() -> Callable[..., Path]:
    """Returns a function that runs a tiny experiment in this process; gives its run folder."""

    def run(workdir: Path, dataset: tf_lottery.Dataset | None = None, **flags: Any) -> Path:
        config = tf_lottery.config_from_values({**_TINY, "workdir": str(workdir), **flags})
        tf_lottery.run_experiment(config, dataset)
        return config.run_path

    return run


@pytest.fixture(scope="session")
def flags_of_tiny() -> dict[str, Any]:
    """The flags of the tiny experiment, without its workdir."""
    return dict(_TINY)


@pytest.fixture(scope="session")
def command() -> Callable[..., None]:
    """Returns a function that does in this process what main.py does with some flags."""

    def run(*arguments: str, workdir: Path) -> None:
        run_command_of(*_tiny_flags(workdir), "--jobs=1", *arguments)

    return run


@pytest.fixture(scope="session")
def finished_run(run_tiny, tmp_path_factory) -> Path:
    """The run folder of a finished tiny experiment; not to be changed."""
    # A test may ask for it only once its own figures are blank.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _DRAW)
        return run_tiny(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def digits() -> dict[str, Split]:
    """Training and test examples, as runs on the digits have them."""
    data = load_dataset("digits", validation_examples=200)
    return {"train": data.train, "test": data.test}


@pytest.fixture
def copied_run(finished_run, tmp_path) -> Path:
    """A copy of the finished run that may be changed; its workdir is `tmp_path`."""
    copy = _run_in(tmp_path)
    shutil.copytree(finished_run, copy)
    return copy


@pytest.fixture
def made_with(copied_run) -> Callable[..., Path]:
    """Returns a function that gives the copied run as if it were made with other flags.

    For what is refused because of them: to train such a run takes longer.
    """

    def change(**values: Any) -> Path:
        edit_config(copied_run, values)
        return copied_run

    return change


@pytest.fixture
def half_run(copied_run) -> Path:
    """A run that was interrupted between level 1 and level 2; its workdir is `tmp_path`."""
    shutil.rmtree(copied_run / "level_2")
    for name in ("summary.csv", "summary.png"):
        (copied_run / name).unlink()
    return copied_run


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, Any]]:
    """Returns a function that tells everything about the files in a folder: bytes and times."""

    def take(folder: Path) -> dict[str, Any]:
        return {
            str(path.relative_to(folder)): (
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in folder.rglob("*")
            if path.is_file() and not _is_bookkeeping(path)
        }

    return take


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[Path], dict[str, Any]]:
    """Returns a function that reads what must not depend on time or place: all bits of a run."""

    def digest(array: np.ndarray) -> tuple:
        return array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()

    def content(path: Path) -> Any:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: digest(arrays[name]) for name in arrays}
        if path.suffix == ".index":
            tensors = load_tensors(path.with_suffix(""))
            return {name: digest(array) for name, array in tensors.items()}
        if path.name == "metrics.csv":
            return path.read_text()
        if path.name == "summary.csv":
            with path.open() as file:
                rows = list(csv.DictReader(file))
            return [{name: row[name] for name in row if name != "seconds"} for row in rows]
        return "is there"

    def read(run: Path) -> dict[str, Any]:
        return {
            str(path.relative_to(run)): content(path)
            for path in run.rglob("*")
            if path.is_file() and not _is_bookkeeping(path) and "tensorboard" not in path.parts
        }

    return read


class MainProcess:
    """A running main.py."""

    def __init__(self, process: multiprocessing.Process, log: Path):
        self._process, self._log = process, log

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text()

    def wait(self) -> int:
        """Waits for its end; returns the exit code, negative for a signal."""
        self._process.join(_SECONDS_OF_PATIENCE)
        assert self._process.exitcode is not None, f"still running:\n{self.output}"
        return self._process.exitcode

    def wait_for(self, folder: Path, pattern: str) -> None:
        """Waits until a file or folder appears, which may be seen late: it has to stay there."""
        deadline = time.monotonic() + _SECONDS_OF_PATIENCE
        while not any(folder.glob(pattern)):
            assert self._process.is_alive(), f"ended before {pattern} was there:\n{self.output}"
            assert time.monotonic() < deadline, f"no {pattern}:\n{self.output}"
            time.sleep(0.05)

    def kill(self) -> None:
        """Ends it as kill -9 does, if it has not ended by itself."""
        self._process.kill()
        self._process.join()


@pytest.fixture(scope="session")
def start_main(tmp_path_factory) -> Iterator[Callable[..., MainProcess]]:
    """Returns a function that starts main.py with some flags, in a process of its own.

    The processes are forked from one that has imported everything: importing TensorFlow takes
    longer than a tiny experiment.

    With `signal_at=(path, signal)` the process signals itself, or `signal_to`, at its first file
    operation after `path` of its run folder has appeared: how fast the machine is plays no part.
    Nor does it with `checkpoint_always` for how many files are written. A `script` is run in place
    of main.py, with no flags but those given.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "tf_lottery.cli.program",
            "tf_lottery.experiments.running.lottery",
            "tf_lottery.training.event_log",
            "matplotlib.backends.backend_agg",
            "matplotlib.figure",
            "sklearn.datasets",
            "unittest.mock",
        ]
    )
    logs, numbers, started = tmp_path_factory.mktemp("logs"), count(), []

    def start(
        *arguments: str,
        workdir: Path,
        largest_file: int | None = None,
        last_file_operation: int | None = None,
        signal_at: tuple[str, signal.Signals] | None = None,
        signal_to: MainProcess | None = None,
        checkpoint_always: bool = False,
        environment: dict[str, str] | None = None,
        mock_examples: int | None = None,
        script: Path | None = None,
    ) -> MainProcess:
        request = {
            "main": str(script or _MAIN),
            "arguments": [*([] if script else _tiny_flags(workdir)), *arguments],
            "workdir": str(workdir),
            "log": str(logs / f"{next(numbers)}.txt"),
            "largest_file": largest_file,
            "last_file_operation": last_file_operation,
            "signal_at": signal_at and (str(_run_in(workdir) / signal_at[0]), signal_at[1]),
            "signal_to": signal_to and signal_to.pid,
            "checkpoint_always": checkpoint_always,
            "environment": environment or {},
            "mock_examples": mock_examples,
        }
        Path(request["log"]).touch()
        process = context.Process(
            target=runpy.run_path,
            args=(str(Path(__file__).with_name("main_process.py")),),
            kwargs={"init_globals": {"REQUEST": request}},
        )
        process.start()
        started.append(MainProcess(process, Path(request["log"])))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def dice() -> random.Random:
    """Random numbers, the same in every test run."""
    return random.Random(20)
