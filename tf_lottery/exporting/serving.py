"""Starts processes that run exported files without tf_lottery."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.exporting.plain_network import Arrays
from tf_lottery.exporting.serving_script import NEED_TENSORFLOW
from tf_lottery.store.machine import cores

_SCRIPT = Path(__file__).with_name("serving_script.py")
# Keras's errors hold whole configurations.
_LONGEST_ERROR = 300


class ServingError(ValueError):
    """An exported file does not load, does not run, or computes something else.

    Args:
      format_name: of the file's format.
      path: the file.
      problem: what is wrong.
    """

    def __init__(self, format_name: str, path: str | Path, problem: str):
        super().__init__(f"{format_name}: {path} {problem}")


def saved_inputs(inputs: Arrays, folder: Path) -> dict[str, str]:
    """Saves inputs in a folder; returns their paths by name, as jobs have them."""
    paths = {name: folder / f"input-{number}.npy" for number, name in enumerate(inputs)}
    for name, path in paths.items():
        np.save(path, inputs[name])
    return {name: str(path) for name, path in paths.items()}


def answers(
    jobs: Sequence[Mapping[str, Any]], threads: int = 0
) -> list[dict[str, Any] | ServingError]:
    """Does jobs in fresh processes, on the CPU: one without TensorFlow for those that do without.

    When a job has ended its process, another goes on.

    Args:
      jobs: as `serving_script` describes them, each with the `name` of its format besides.
      threads: number of threads; 0 for one per CPU.

    Returns:
      The answer to each job, or why there is none.
    """
    results: dict[int, dict[str, Any] | ServingError] = {}
    for needs in (False, True):
        places = [at for at, job in enumerate(jobs) if (job["runtime"] in NEED_TENSORFLOW) is needs]
        found = _answers_alike([jobs[at] for at in places], threads)
        results |= zip(places, found, strict=True)
    return [results[at] for at in range(len(jobs))]


def _answers_alike(
    jobs: Sequence[Mapping[str, Any]], threads: int
) -> list[dict[str, Any] | ServingError]:
    """Answers jobs all of which need TensorFlow, or none."""
    results: list[dict[str, Any] | ServingError] = []
    while len(results) < len(jobs):
        left = jobs[len(results) :]
        lines, ending = _run(left, threads)
        for job, line in zip(left, lines, strict=False):
            answer = json.loads(line)
            if "error" in answer:
                error = textwrap.shorten(answer["error"], _LONGEST_ERROR, placeholder=" ...")
                problem = f"cannot be used: {error}"
                answer = ServingError(job["name"], job["file"], problem)
            results.append(answer)
        if len(lines) < len(left):
            job = left[len(lines)]
            problem = f"ended the process that ran it ({ending})"
            results.append(ServingError(job["name"], job["file"], problem))
    return results


def _run(jobs: Sequence[Mapping[str, Any]], threads: int) -> tuple[list[str], str]:
    """Runs the script once; returns the answers it wrote, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        request, answered = Path(folder) / "request.json", Path(folder) / "answers.jsonl"
        content = {"threads": threads, "cpus": cores(), "jobs": [dict(job) for job in jobs]}
        request.write_text(json.dumps(content), encoding="utf-8")
        # Without -P this package's folder would be searched for modules before all others.
        process = subprocess.run(
            [sys.executable, "-P", str(_SCRIPT), str(request), str(answered)],
            # The process that exports may hold all memory of the GPU.
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            text=True,
            errors="replace",
        )
        lines = answered.read_text(encoding="utf-8").splitlines() if answered.exists() else []
    if process.returncode < 0:
        return lines, signal.Signals(-process.returncode).name
    last = process.stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return lines, f"exit code {process.returncode}: {last[0]}"
