"""What a user waits for and sees before an experiment begins."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_help_and_flags_do_not_wait_for_tensorflow():
    result = run(
        "-c", "import sys, tf_lottery.flags; sys.exit(any('tensorflow' in m for m in sys.modules))"
    )
    assert result.returncode == 0
    shown = run("main.py", "--help").stdout
    assert "--rewind_step" in shown


def test_tensorflow_starts_silently_and_errors_are_seen_afterwards():
    result = run(
        "-c",
        "import os; from tf_lottery.startup import import_tensorflow_quietly as start; start(); "
        "os.write(2, b'seen'); import tensorflow as tf; "
        "tf.constant(1)",
    )
    assert (result.returncode, result.stderr) == (0, "seen")


def test_every_public_name_exists():
    import tf_lottery

    assert all(getattr(tf_lottery, name) is not None for name in tf_lottery.__all__)
    assert tf_lottery.prunable.__module__.startswith("tf_lottery.")
