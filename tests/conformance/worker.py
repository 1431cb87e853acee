"""One of several workers: `python -m tests.conformance.worker FOLDER MODEL…` under TF_CONFIG."""

import sys
from pathlib import Path

import numpy as np

from tests.conformance import lifecycle
from tf_lottery.config.run import RunConfig
from tf_lottery.training.strategy import open_strategy
from tf_lottery.training.workers import Workers

folder, names = Path(sys.argv[1]), sys.argv[2:]
strategy = open_strategy(RunConfig(distribution="multi_worker"))
workers = Workers(strategy)
for name in names:
    with strategy.scope():
        weights, mask = lifecycle.check_training(name)
    target = folder / name / str(workers.index)
    target.mkdir(parents=True)
    np.savez(target / "weights.npz", **{k.replace("/", "|"): w for k, w in weights.items()})
    mask.save(target / "masks.npz")
    # As in a run: the chief alone, and the others wait.
    workers.on_chief(lambda: lifecycle.check_files(name, weights, mask, target))  # noqa: B023
    print(f"{name}: done", flush=True)
