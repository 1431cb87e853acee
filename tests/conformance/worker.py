"""One of several workers: `python -m tests.conformance.worker FOLDER MODEL…` under TF_CONFIG."""

import sys
from pathlib import Path

import numpy as np

from tests.conformance import lifecycle
from tf_lottery.config import RunConfig
from tf_lottery.training.strategy import open_strategy
from tf_lottery.training.workers import Workers

folder, names = Path(sys.argv[1]), sys.argv[2:]
strategy = open_strategy(RunConfig(distribution="multi_worker"))
with strategy.scope():
    workers = Workers()
    for name in names:
        # Each saves for itself: together they read what may differ between them.
        target = folder / name / str(workers.index)
        target.mkdir(parents=True)
        weights = lifecycle.check_lifecycle(name, target)
        np.savez(target / "weights.npz", **{k.replace("/", "|"): w for k, w in weights.items()})
        print(f"{name}: done", flush=True)
