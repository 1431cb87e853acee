"""--experiment=magnitudes: weights before pruning and after retraining, level by level."""

from collections.abc import Sequence

from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.landscape.magnitudes import MagnitudeChange, magnitude_change
from tf_lottery.report.magnitudes_table import MagnitudeRow, print_magnitudes
from tf_lottery.store.metrics import write_csv

_QUARTERS = tuple(f"pruned_next_quarter_{number}" for number in (1, 2, 3, 4))
_COLUMNS = (
    *("level", "density", "threshold", "below_threshold", "median_before", "median_after"),
    *("pruned_next", *_QUARTERS),
)


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Compares each level's survivors before and after retraining (arXiv 2210.03044, section 5).

    Writes landscape/magnitudes.csv in the run folder.

    Args:
      analyzed: the run.
      options: of no use here.
      levels: those to look at, from 1; None: all that are finished.

    Raises:
      ValueError: if a level is not finished.
    """
    finished = analyzed.run.complete_levels()
    wanted = [level for level in analyzed.levels(levels) if level - 1 in finished]
    if not wanted:
        raise ValueError("--levels: none is chosen that follows a finished level.")
    rows = []
    for level in wanted:
        following = analyzed.level(level + 1) if level + 1 in finished else None
        change = magnitude_change(analyzed.level(level - 1), analyzed.level(level), following)
        rows.append((level, analyzed.summary(level).density, change))
    path = analyzed.folder / "magnitudes.csv"
    write_csv(path, _COLUMNS, [_row(*row) for row in rows])
    print_magnitudes([MagnitudeRow(*row, **vars(change)) for *row, change in rows])
    print(f"Magnitudes: {path}")


def _row(level: int, density: float, change: MagnitudeChange) -> dict[str, float | None]:
    row = {"level": level, "density": density, **vars(change)}
    quarters = row.pop("pruned_next_by_quarter") or (None,) * len(_QUARTERS)
    return row | dict(zip(_QUARTERS, quarters, strict=True))
