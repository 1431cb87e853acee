"""What an analysis trains before it can measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Training:
    """A branch that is a step of an analysis.

    Attributes:
      branch: its name.
      levels: those to train.
      changes: flags that differ from the run's.
    """

    branch: str
    levels: Sequence[int]
    changes: Mapping[str, Any] = field(default_factory=dict)
