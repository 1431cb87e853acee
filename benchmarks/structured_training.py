r"""Structured tickets trained as the small networks they are, over the whole network masked.

    python benchmarks/structured_training.py --dataset=cifar10 --data_dir=DIR --model=conv4 \
      --structure=units --pruning_scope=layerwise --pruning_rate=0.3 --levels=5 \
      --train_steps=200it --evaluate_every=200it --batch_size=20 --test_examples=2000

Takes the flags of main.py, and trains in a temporary folder. The two runs take turns, level by
level, as a machine's speed drifts; a level's time is all that its command takes, with building and
compiling. Run it on an idle machine; on another, compare the
seconds of processors, which are printed last.
"""

import dataclasses
import json
import logging
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags
from pairs import time_call

import tf_lottery
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.flags import config_from_flags, define_config_flags
from tf_lottery.data import Split
from tf_lottery.experiments.running.setup import prepare
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import PARAMETERS_TRAINED

define_config_flags()
_TEST_EXAMPLES = flags.DEFINE_integer("test_examples", None, "Evaluate on so many; unset: on all.")


def _variant(config: ExperimentConfig, workdir: str, level: int, compact: bool) -> ExperimentConfig:
    pruning = dataclasses.replace(config.pruning, compact_training=compact, levels=level)
    run = dataclasses.replace(config.run, workdir=workdir, name="small" if compact else "masked")
    return dataclasses.replace(config, pruning=pruning, run=run)


def main(_) -> None:
    logging.getLogger("tf_lottery").setLevel("WARNING")
    config = config_from_flags()
    data = prepare(config).dataset
    if _TEST_EXAMPLES.value:
        few = slice(_TEST_EXAMPLES.value)
        test = Split(data.test.images[few], data.test.labels[few])
        data = dataclasses.replace(data, test=test)
    totals, of_processors = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}
    print("level  density  parameters  seconds: small  masked  ratio  test accuracy: small  masked")
    with tempfile.TemporaryDirectory() as workdir:
        for level in range(config.pruning.levels + 1):
            seconds, records = {}, {}
            # Who comes second finds warm caches: in turns.
            for compact in (bool(level % 2), not level % 2):
                own = _variant(config, workdir, level, compact)
                before = time.process_time()
                seconds[compact] = time_call(lambda own=own: tf_lottery.run_experiment(own, data))
                totals[compact] += seconds[compact]
                of_processors[compact] += time.process_time() - before
                path = RunFolder.read(own.run_path).level(level).path / "level.json"
                records[compact] = json.loads(path.read_text())["record"]
            small, masked = records[True], records[False]
            print(
                f"{level:5}  {small['density']:7.1%}  {small.get(PARAMETERS_TRAINED, 'all'):>10}  "
                f"{seconds[True]:14.1f}  {seconds[False]:6.1f}  "
                f"{seconds[True] / seconds[False]:5.2f}  "
                f"{small['test_accuracy']:20.2%}  {masked['test_accuracy']:6.2%}",
                flush=True,
            )
    print(f"all levels: {totals[True]:.1f} s small, {totals[False]:.1f} s masked")
    print(f"x {totals[True] / totals[False]:.3f} of masked training")
    print(f"x {of_processors[True] / of_processors[False]:.3f} of its seconds of processors")


if __name__ == "__main__":
    app.run(main)
