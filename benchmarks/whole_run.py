r"""What evaluations, checkpoints and the start add to training: a whole run over its bare steps.

    python benchmarks/whole_run.py --flagfile=configs/paper/lth_lenet_mnist.cfg --data_dir=DIR \
      --levels=2

Takes the flags of main.py, and trains in a temporary folder. `--rounds=3` times it that often, in
turn with the steps. Run it on an idle machine.
"""

import dataclasses
import os
import statistics
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags
from pairs import time_call

import tf_lottery
from tf_lottery.data import Epoch
from tf_lottery.experiments.feeding import build_program
from tf_lottery.experiments.setup import prepare
from tf_lottery.flags import config_from_flags, define_config_flags

define_config_flags()
_ROUNDS = flags.DEFINE_integer("rounds", 1, "How often to time it.")


def main(_) -> None:
    config = config_from_flags()
    experiment = prepare(config)
    program, lengths = build_program(experiment), experiment.lengths

    def bare_steps(steps: int) -> None:
        done = 0
        while done < steps:
            epoch, first = divmod(done, lengths.steps_per_epoch)
            last = min(first + steps - done, lengths.steps_per_epoch)
            program.run(Epoch(0, 0, epoch), first, last)
            done += last - first
        program.metrics()

    def whole_run() -> None:
        with tempfile.TemporaryDirectory() as workdir:
            run = dataclasses.replace(config.run, workdir=workdir)
            tf_lottery.run_experiment(dataclasses.replace(config, run=run))

    levels = range(experiment.levels + 1)
    steps = sum(lengths.last(first) - first for first in map(experiment.first_step, levels))
    bare_steps(200)
    ratios = []
    for _ in range(_ROUNDS.value):
        # Half before and half after, as the machine's speed drifts.
        before = time_call(lambda: bare_steps(steps // 2))
        whole = time_call(whole_run)
        after = time_call(lambda: bare_steps(steps - steps // 2))
        ratios.append(whole / (before + after))
        print(f"whole run {whole:.1f} s, its {steps:,} bare steps {before + after:.1f} s")
    print(
        f"x {statistics.median(ratios):.3f} of bare steps ({min(ratios):.3f} to {max(ratios):.3f})"
    )


if __name__ == "__main__":
    app.run(main)
