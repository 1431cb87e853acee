"""What a search found at each level."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class LevelResult:
    """A level of a search.

    Attributes:
      level: number of prunings so far.
      density: fraction of the prunable weights that remain.
      weights_remaining: number of them.
      metrics: Keras logs at the end of the level: loss, val_accuracy, ...
    """

    level: int
    density: float
    weights_remaining: int
    metrics: dict[str, float]


@dataclass
class SearchHistory:
    """Results of all levels so far, in order."""

    levels: list[LevelResult] = field(default_factory=list)

    def to_frame(self) -> "pandas.DataFrame":
        """A row per level: level, density, weights_remaining and the level's metrics."""
        import pandas

        return pandas.DataFrame(
            [
                {
                    "level": result.level,
                    "density": result.density,
                    "weights_remaining": result.weights_remaining,
                    **result.metrics,
                }
                for result in self.levels
            ]
        )
