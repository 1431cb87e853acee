"""What a user waits for and sees before an experiment begins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280
    )


def test_help_and_flags_do_not_wait_for_tensorflow():
    result = run(
        "-c",
        "import sys, tf_lottery.cli; sys.exit(any('tensorflow' in m for m in sys.modules))",
    )
    assert result.returncode == 0
    shown = run("main.py", "--help").stdout
    assert "--rewind_step" in shown


@pytest.mark.slow
def test_tensorflow_starts_silently_and_errors_are_seen_afterwards():
    result = run(
        "-c",
        "import os; from tf_lottery.startup import import_tensorflow_quietly as start; start(); "
        "os.write(2, b'seen'); import tensorflow as tf; "
        "tf.constant(1)",
    )
    assert (result.returncode, result.stderr) == (0, "seen")


@pytest.mark.slow
def test_keras_3_is_imported_by_those_alone_who_use_it():
    result = run(
        "-c",
        "import sys; from tf_lottery.startup import import_tensorflow_quietly as start; start(); "
        "import tf_lottery.experiments.running.lottery, tf_lottery.experiments.running.branching; "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'keras']; "
        "import keras; import keras.src.optimizers; import tf_lottery; "
        "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]); "
        "model.compile('adam', 'mse'); "
        "print(tf_lottery.get_mask(tf_lottery.prunable(model)).total)",
    )
    assert (result.returncode, result.stdout) == (0, "12\n"), result.stderr


def import_noisily(tmp_path: Path, *before: str, **environment: str) -> str:
    """What standard error shows of a module that writes log lines, warns and fails."""
    lines = [
        "import os, sys, warnings",
        "os.write(2, b'WARNING: All log messages before absl::InitializeLog() is called\\n')",
        "os.write(2, b'I0000 00:00:1795869067.975213 18744 port.cc:153] oneDNN is on.\\n')",
        "os.write(2, b'of another library\\n')",
        "print('a print', file=sys.stderr)",
        "warnings.warn('a warning')",
        "raise ValueError('an error')",
    ]
    (tmp_path / "noisy.py").write_text("\n".join(lines))
    code = ["import sys", *before, "import tf_lottery", f"sys.path.append({str(tmp_path)!r})"]
    code += ["tf_lottery.import_quietly('noisy')"]
    kept = {name: text for name, text in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", "; ".join(code)],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    ).stderr


def test_the_library_leaves_out_the_log_of_tensorflow_and_nothing_else(tmp_path):
    shown = import_noisily(tmp_path)
    for text in ("of another library", "a print", "UserWarning: a warning", "ValueError: an error"):
        assert text in shown
    assert "oneDNN" not in shown
    assert "All log messages" not in shown


def test_who_asks_for_the_log_sees_it(tmp_path):
    assert "oneDNN" in import_noisily(tmp_path, TF_CPP_MIN_LOG_LEVEL="0")
    # Nothing can be done once TensorFlow has been imported.
    assert "oneDNN" in import_noisily(tmp_path, "sys.modules['tensorflow'] = sys")


@pytest.mark.slow
def test_the_library_starts_tensorflow_silently():
    code = "import tf_lottery; tf_lottery.prunable; import tensorflow as tf; tf.ones(1)"
    result = run("-c", code)
    assert (result.returncode, result.stderr) == (0, "")


def test_every_public_name_exists():
    import tf_lottery

    assert all(getattr(tf_lottery, name) is not None for name in tf_lottery.__all__)
    assert tf_lottery.prunable.__module__.startswith("tf_lottery.")
