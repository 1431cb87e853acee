"""Every model on two worker processes, which talk over the loopback address."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.conformance import lifecycle
from tests.free_addresses import free_addresses
from tf_lottery.masking.masks import Mask

ROOT = Path(__file__).parents[2]


def run_workers(folder: Path, names: list[str], timeout: float) -> None:
    addresses = free_addresses(2)
    with ExitStack() as stack:
        processes, logs = [], []
        for index in range(2):
            tf_config = {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
            logs.append(folder / f"worker_{index}.txt")
            log = stack.enter_context(logs[-1].open("w"))
            command = [sys.executable, "-m", "tests.conformance.worker", str(folder), *names]
            environment = os.environ | {"TF_CONFIG": json.dumps(tf_config)}
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.kill)
            processes.append(process)
        for process, log in zip(processes, logs, strict=True):
            assert process.wait(timeout) == 0, log.read_text()[-3000:]


def check_workers(folder: Path, names: list[str]) -> None:
    run_workers(folder, names, timeout=280)
    for name in names:
        with (
            np.load(folder / name / "0" / "weights.npz") as first,
            np.load(folder / name / "1" / "weights.npz") as second,
        ):
            assert set(first) == set(second)
            for weight in first:
                np.testing.assert_array_equal(first[weight], second[weight], err_msg=weight)
        masks = [Mask.load(folder / name / str(index) / "masks.npz") for index in range(2)]
        assert masks[0] == masks[1]


@pytest.mark.slow
def test_fast_models(tmp_path):
    check_workers(tmp_path, list(lifecycle.FAST))


@pytest.mark.slow
@pytest.mark.parametrize("name", lifecycle.SLOW)
def test_slow_models(name: str, tmp_path):
    check_workers(tmp_path, [name])
