"""Seconds until main.py answers where nothing is trained: refusals, and what is finished already.

    python benchmarks/answer_time.py [--rounds=3] [--folder=FOLDER]

Each should take less than a second of the processor's time: TensorFlow, whose import takes many
times that, is left alone. The folder gets a small finished run, which is trained first if it is not
there.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAIN = Path(__file__).parents[1] / "main.py"
TINY = ["--name=tiny", "--model=lenet_20_10", "--train_steps=45it", "--levels=2"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(arguments.folder or Path(temporary), arguments.rounds)


def measure(folder: Path, rounds: int) -> None:
    workdir = f"--workdir={folder}"
    answer(*TINY, workdir)
    run = f"--run={folder / 'tiny'}"
    asked = {
        "the finished run, again": (*TINY, workdir),
        "a flag out of range": (*TINY, workdir, "--pruning_rate=2"),
        "a run of another identity": (*TINY, workdir, "--init_seed=9"),
        "list": ("--experiment=list", workdir),
        "verify": ("--experiment=verify", workdir),
        "report (with its figures)": ("--experiment=report", run),
    }
    print(f"{'':28}{'seconds':>10}{'of CPU':>10}   medians of {rounds}")
    for name, flags in asked.items():
        pairs = [answer(*flags) for _ in range(rounds)]
        wall, cpu = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(f"{name:28}{wall:10.2f}{cpu:10.2f}", flush=True)


def answer(*flags: str) -> tuple[float, float]:
    """Starts main.py; returns the seconds that passed, and those of the processor."""
    wall, cpu = time.perf_counter(), _cpu_of_children()
    subprocess.run([sys.executable, MAIN, *flags], capture_output=True, check=False)
    return time.perf_counter() - wall, _cpu_of_children() - cpu


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
