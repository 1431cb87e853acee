"""The command that reports runs, told where somebody may want it next."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from tf_lottery.config.matching import DEFAULT_POINTS
from tf_lottery.messages import tell
from tf_lottery.store.run_patterns import named_runs, naturally_sorted


def print_report_command(purpose: str, folders: Iterable[Path], tolerance: float) -> None:
    flags = [f"--run={shlex.quote(text)}" for text in _run_texts(naturally_sorted(set(folders)))]
    flags += [f"--matching_tolerance={tolerance:g}"] if tolerance != DEFAULT_POINTS else []
    tell(f"For {purpose}: main.py --experiment=report {' '.join(flags)}")


def _run_texts(folders: Sequence[Path]) -> list[str]:
    """The values of --run that name these folders: one pattern, if it fits no others."""
    if len(folders) > 2:
        texts = [str(folder) for folder in folders]
        alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
        pattern = "".join(letters[0] for letters in alike) + "*"
        with suppress(ValueError):
            if Path(pattern).parent == folders[0].parent and named_runs(pattern) == folders:
                return [pattern]
    return [str(folder) for folder in folders]
