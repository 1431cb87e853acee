r"""How long a study takes: side by side, one by one, and with another version.

    python benchmarks/study.py --data_dir=DIR [--other=CHECKOUT] [--rounds=2] [--steps=10000]

Fashion-MNIST, LeNet-300-100: 3 replicates of 6 levels, 3 controls of two levels of each, 2,000
steps (or more). Each way is a process of its own, with all start-up, in a temporary folder; the
ways take turns. `--other` is a checkout of an earlier version, which runs the same in two commands.
Bare steps are those of all 39 trainings, by one thread; they are timed before and after each way,
since a machine's speed may change by a third within minutes. Run it on an idle machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

_DATA = flags.DEFINE_string("data_dir", None, "Where the data set is.", required=True)
_OTHER = flags.DEFINE_string("other", None, "A checkout of another version.")
_ROUNDS = flags.DEFINE_integer("rounds", 2, "How often each way is timed.")
_STEPS = flags.DEFINE_integer("steps", 2000, "Of each training.")
_ONE_BY_ONE = flags.DEFINE_boolean("one_by_one", True, "Time it one by one, too.")

_HERE = Path(__file__).parents[1]
_CONTROLS = "random_mask,random_reinitialization,retrain"
_LEVELS = "3,6"
_BARE = """
import sys, time
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
from tf_lottery.config.experiment import config_from_values
from tf_lottery.data import Epoch
from tf_lottery.experiments.running.feeding import build_program
from tf_lottery.experiments.running.setup import prepare

names = ("dataset", "model", "batch_size", "optimizer", "initializer", "data_dir")
values = dict(zip(names, sys.argv[1:]))
values["batch_size"] = int(values["batch_size"])
program = build_program(prepare(config_from_values({**values, "learning_rate": 0.0012})))
for number in range(5):
    start = time.perf_counter()
    program.run(Epoch(0, 0, number), 0, 900)
    program.first_bad_step()
    if number:
        print((time.perf_counter() - start) / 900)
"""
_NETWORK = {
    "dataset": "fashion_mnist",
    "model": "lenet_300_100",
    "batch_size": 60,
    "optimizer": "adam",
    "initializer": "glorot_normal",
}


def main(_) -> None:
    ways = {"side by side": lambda workdir: _study(_HERE, workdir, "auto")}
    if _ONE_BY_ONE.value:
        ways["one by one"] = lambda workdir: _study(_HERE, workdir, 1)
    if _OTHER.value:
        ways["the other version"] = lambda workdir: _two_commands(Path(_OTHER.value), workdir)
    bare: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS.value):
        steps = [_seconds_of_bare_steps()]
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as workdir:
                start = time.perf_counter()
                way(workdir)
                seconds[name].append(time.perf_counter() - start)
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
            steps.append(_seconds_of_bare_steps())
        bare.append(statistics.mean(steps))
        print(f"bare steps, one thread: {bare[-1]:.1f} s", flush=True)
    cores = os.cpu_count() or 1
    for name, own in seconds.items():
        of_bare = statistics.median(a * cores / b for a, b in zip(own, bare, strict=True))
        line = f"{name}: {statistics.median(own):.1f} s, {of_bare:.2f} times bare steps / cores"
        if _OTHER.value and name != "the other version":
            pairs = zip(own, seconds["the other version"], strict=True)
            line += f", x {statistics.median(a / b for a, b in pairs):.2f} of the other version"
        print(line)


def _seconds_of_bare_steps() -> float:
    arguments = [sys.executable, "-c", _BARE, *map(str, _NETWORK.values()), _DATA.value]
    done = subprocess.run(arguments, cwd=_HERE, check=True, capture_output=True, text=True)
    trainings = 3 * (7 + 3 * 2)
    return trainings * _STEPS.value * statistics.median(map(float, done.stdout.split()))


def _flags(workdir: str) -> list[str]:
    values = {**_NETWORK, "data_dir": _DATA.value, "workdir": workdir, "name": "study"}
    values |= {"train_steps": f"{_STEPS.value}it", "evaluate_every": f"{_STEPS.value // 4}it"}
    values |= {"levels": 6, "learning_rate": 0.0012}
    return [f"--{name}={value}" for name, value in values.items()]


def _study(checkout: Path, workdir: str, jobs: str | int) -> None:
    controls = (f"--controls={_CONTROLS}", f"--control_levels={_LEVELS}", f"--jobs={jobs}")
    _run(checkout, *_flags(workdir), "--replicates=1-3", *controls)


def _two_commands(checkout: Path, workdir: str) -> None:
    _run(checkout, *_flags(workdir), "--replicates=1-3")
    run = ("--experiment=branch", f"--run={workdir}/study", f"--levels={_LEVELS}")
    _run(checkout, *run, f"--branch={_CONTROLS}")


def _run(checkout: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "main.py", *arguments]
    subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    app.run(main)
