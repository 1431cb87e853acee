"""Which kernels TensorFlow computes with on a CPU: chosen before it is imported."""

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.replicates import replicate_folders
from tf_lottery.store.run_folder import RunFolder

_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
_X86 = ("x86_64", "AMD64")


def choose_kernels(runs: Iterable[Path]) -> None:
    """Has TensorFlow use oneDNN's kernels, with which ResNets train twice as fast.

    By itself it uses them on some x86 processors alone, those with AVX-512 VNNI. Runs that were
    begun otherwise go on otherwise, since the last bits of sums differ. Nothing is chosen where
    TensorFlow is imported already, or where the environment variable TF_ENABLE_ONEDNN_OPTS is set.

    Args:
      runs: run folders, and folders of replicates, which need not exist.
    """
    chosen = "tensorflow" in sys.modules or _VARIABLE in os.environ
    if not chosen and platform.machine() in _X86 and all(map(_may_use_onednn, runs)):
        os.environ[_VARIABLE] = "1"


def onednn_is_chosen() -> bool:
    """Whether TensorFlow is told to use oneDNN's kernels; if not, it uses them where it likes."""
    return os.environ.get(_VARIABLE) == "1"


def _may_use_onednn(path: Path) -> bool:
    try:
        begun = [RunFolder.read(run) for run in replicate_folders(path)]
        return all(run.details.onednn for run in begun)
    except (RunFolderError, ValueError, OSError):
        return True  # It is yet to begin, or others tell what is wrong with it.
