"""--experiment=magnitudes: weights before pruning and after retraining, level by level."""

from collections.abc import Sequence

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.landscape.magnitudes import (
    MagnitudeChange,
    MagnitudeHistograms,
    magnitude_change,
    magnitude_histograms,
)
from tf_lottery.report.landscape.magnitudes_figure import (
    HISTOGRAM_COLUMNS,
    MAGNITUDES_COLUMNS,
    QUARTER_COLUMNS,
)
from tf_lottery.report.landscape.magnitudes_table import MagnitudeRow, print_magnitudes
from tf_lottery.store.metrics import Row


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Compares each level's survivors before and after retraining (arXiv 2210.03044).

    Writes landscape/magnitudes.csv and landscape/magnitude_histograms.csv in the run folder, and
    figures of both.

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
    changes, bins = [], []
    for level in wanted:
        before, after = analyzed.level(level - 1), analyzed.level(level)
        following = analyzed.level(level + 1) if level + 1 in finished else None
        density = analyzed.summary(level).density
        changes.append((level, density, magnitude_change(before, after, following)))
        bins += _bins(level, density, magnitude_histograms(before, after))
    print_magnitudes([MagnitudeRow(*row, **vars(change)) for *row, change in changes])
    rows = [_row(*change) for change in changes]
    for name, columns, table in (
        ("magnitudes", MAGNITUDES_COLUMNS, rows),
        ("magnitude_histograms", HISTOGRAM_COLUMNS, bins),
    ):
        results = ResultsFile(analyzed, name, columns)
        results.write(table)
        results.draw(table)
        print(f"{name.replace('_', ' ').capitalize()}: {results.path}")


def _row(level: int, density: float, change: MagnitudeChange) -> Row:
    row = {"level": level, "density": density, **vars(change)}
    quarters = row.pop("pruned_next_by_quarter") or (None,) * len(QUARTER_COLUMNS)
    return row | dict(zip(QUARTER_COLUMNS, quarters, strict=True))


def _bins(level: int, density: float, histograms: MagnitudeHistograms) -> list[Row]:
    edges = histograms.edges.tolist()
    counts = (histograms.before, histograms.pruned, histograms.after)
    return [
        dict(zip(HISTOGRAM_COLUMNS, (level, density, *numbers), strict=True))
        for numbers in zip(edges[:-1], edges[1:], *(part.tolist() for part in counts), strict=True)
    ]
