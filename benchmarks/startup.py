"""Seconds from the command to the first training step, beside what no program can go without.

    python benchmarks/startup.py [--rounds=5]

`main.py --flagfile=configs/digits_lenet.cfg` should be through its first step, compiled and done,
in 1.3 times of `import tensorflow` and that compilation. Imports come from compiled files, as they
do for a user's second command.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Neither process takes its time to end.
_TENSORFLOW = "import os, tensorflow; os._exit(0)"
# Says how long the first step took.
_UNTIL_FIRST_STEP = """
import json, os, sys, time
import wrapt

@wrapt.when_imported("tf_lottery.training.training_program")
def watch(module):
    run_steps = module.TrainingProgram.run

    def run_one(program, epoch, first, last):
        wall, cpu = time.perf_counter(), time.process_time()
        run_steps(program, epoch, first, first + 1)
        program.metrics()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)
        os._exit(0)

    module.TrainingProgram.run = run_one

import tf_lottery.cli
tf_lottery.cli.main()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    first_step()
    measured = [(*process(_TENSORFLOW)[:2], *first_step()) for _ in range(rounds)]
    print(f"{'':38}{'seconds':>10}{'of CPU':>10}   medians of {rounds}")
    names = ("import tensorflow", "the first step", "main.py until then")
    for name, column in zip(names, (0, 2, 4), strict=True):
        wall, cpu = (statistics.median(row[column + i] for row in measured) for i in (0, 1))
        print(f"{name:38}{wall:10.2f}{cpu:10.2f}")
    wall, cpu = (
        statistics.median(row[4 + i] / (row[i] + row[2 + i]) for row in measured) for i in (0, 1)
    )
    print(f"{'main.py over the first two, in pairs':38}{wall:10.2f}{cpu:10.2f}")


def first_step() -> tuple[float, float, float, float]:
    """Seconds, and those of the processor, of the first step, and of main.py until its end."""
    with tempfile.TemporaryDirectory() as folder:
        flags = (f"--flagfile={ROOT / 'configs' / 'digits_lenet.cfg'}", f"--workdir={folder}")
        wall, cpu, shown = process(_UNTIL_FIRST_STEP, *flags)
    step_wall, step_cpu = json.loads(shown.splitlines()[-1])
    return step_wall, step_cpu, wall, cpu


def process(code: str, *arguments: str) -> tuple[float, float, str]:
    """Seconds of a new process, those of the processor, and what it wrote."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    wall, cpu = time.perf_counter(), _cpu_of_children()
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return time.perf_counter() - wall, _cpu_of_children() - cpu, result.stdout


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
