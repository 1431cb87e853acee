r"""What evaluations, checkpoints and the start add to training: a whole run over its bare steps.

    python benchmarks/whole_run.py --flagfile=configs/paper/lth_lenet_mnist.cfg --data_dir=DIR \\
      --levels=2

Takes the flags of main.py, and trains in a temporary folder. The steps are timed within the run,
as a machine's speed drifts; what it costs that they come in short pieces is measured apart, in
pairs. Run it on an idle machine.
"""

import dataclasses
import itertools
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app
from pairs import alternate, print_ratios, time_call

import tf_lottery
from tf_lottery.config.flags import config_from_flags, define_config_flags
from tf_lottery.data import Epoch
from tf_lottery.experiments.running.feeding import build_program
from tf_lottery.experiments.running.setup import prepare
from tf_lottery.training.training_program import TrainingProgram

define_config_flags()
_STEPS_IN_PIECES = 800
_PARTS = 10


def main(_) -> None:
    config = config_from_flags()
    steps_done, seconds_of_steps = 0, 0.0
    # After each piece of training: steps done, the clock, seconds of the steps so far.
    marks = [(0, time.perf_counter(), 0.0)]
    run_steps = TrainingProgram.run

    def timed(self, epoch: Epoch, first: int, last: int) -> None:
        nonlocal steps_done, seconds_of_steps
        started = time.perf_counter()
        run_steps(self, epoch, first, last)
        # Waits for the steps to be done.
        self.first_bad_step()
        ended = time.perf_counter()
        steps_done, seconds_of_steps = steps_done + last - first, seconds_of_steps + ended - started
        marks.append((steps_done, ended, seconds_of_steps))

    TrainingProgram.run = timed
    with tempfile.TemporaryDirectory() as workdir:
        run = dataclasses.replace(config.run, workdir=workdir)
        whole = time_call(lambda: tf_lottery.run_experiment(dataclasses.replace(config, run=run)))
    TrainingProgram.run = run_steps
    print(f"whole run {whole:.1f} s, its training steps {seconds_of_steps:.1f} s")
    print(f"x {whole / seconds_of_steps:.3f} of its training steps")
    bounds = [marks[round(part * (len(marks) - 1) / _PARTS)] for part in range(_PARTS + 1)]
    for before, after in itertools.pairwise(bounds):
        steps, clock, seconds = (late - early for early, late in zip(before, after, strict=True))
        print(f"  {after[0] - steps:,} to {after[0]:,} steps: x {clock / seconds:.3f}")

    experiment = prepare(config)
    program = build_program(experiment)
    steps = min(_STEPS_IN_PIECES, experiment.lengths.steps_per_epoch)
    every = experiment.lengths.validate_every or experiment.lengths.evaluate_every

    def train(piece: int) -> None:
        for first in range(0, steps, piece):
            program.run(Epoch(0, 0, 0), first, min(first + piece, steps))
            program.first_bad_step()

    pieces = {"at once": lambda: train(steps), f"{every} at a time": lambda: train(every)}
    print_ratios(f"{steps} steps in pieces", alternate(pieces, 15), "at once")


if __name__ == "__main__":
    app.run(main)
