"""--experiment=same_region: does a ticket train to the region that it was pruned from?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.data import Split
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.line_options import line_settings, line_splits
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.landscape.interpolation import Line, interpolate
from tf_lottery.landscape.predictions import (
    Predictor,
    accuracy,
    agreement,
    agreement_on_errors,
    ensemble_accuracy,
    error_overlap,
)
from tf_lottery.landscape.solutions import distance
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.landscape.levels_figure import barrier_column
from tf_lottery.report.landscape.same_region_figure import COMPARISONS, SAME_REGION_COLUMNS
from tf_lottery.report.landscape.same_region_table import print_same_region
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.metrics import Row
from tf_lottery.store.run_folder import RunFolder, replicate_folders

_COPY = re.compile(r"retrain-data_seed_(\d+)")


@dataclass(frozen=True)
class _Comparison:
    """A level and a solution that it is compared with: a level of a run folder.

    Attributes:
      level: number of prunings.
      kinds: one or two of `COMPARISONS`.
      folder: where the other is.
      other_level: its level there.
      seeds: `init_seed` and `data_seed` of the other.
    """

    level: int
    kinds: tuple[str, ...]
    folder: Path
    other_level: int
    seeds: tuple[int, int]

    @property
    def key(self) -> tuple[int, ...]:
        """Tells its row from the others, and sorts as they are shown."""
        return self.level, *(-int(kind in self.kinds) for kind in COMPARISONS)

    def is_in(self, rows: Mapping[tuple[int, ...], Row]) -> bool:
        """Whether it was measured, with the very run or copy that it is about now."""
        row = rows.get(self.key)
        return row is not None and self.seeds == (row["other_init_seed"], row["other_data_seed"])


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Compares each level with the solution it was pruned from, and others (arXiv 2106.06955).

    The others are the dense network; the same level of an independent run, `--other_run` or the
    first other replicate that has it; and, for the noise of SGD alone, the first copy of the level
    in another data order (`--branch=retrain --data_seed=S`), as the instability analysis trains
    them; nothing is trained here. Writes landscape/same_region__SETTINGS.csv in the run folder, and
    figures. What was measured before is not measured again.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to look at, from 1; None: all that are finished.

    Raises:
      ValueError: if a level is not finished, the run is a branch or prunes before training,
        --other_run cannot be compared with, or test data are streamed.
    """
    test = _test_data(analyzed)
    levels = [level for level in analyzed.levels(levels) if level]
    if not levels:
        raise ValueError("--levels: level 0 is not pruned; choose levels from 1.")
    comparisons = list(_comparisons(analyzed, levels))
    splits = line_splits(options)
    barriers = [barrier_column(split, of) for split in splits for of in ("error", "loss")]
    given = analyzed.experiment.config.branch.other_run
    settings = line_settings(options) + (("_".join(Path(given).parts[-2:]),) if given else ())
    results = ResultsFile(analyzed, "same_region", [*SAME_REGION_COLUMNS, *barriers], settings)
    rows = {_key(row): row for row in results.read()}
    _measure(analyzed, options, test, comparisons, rows, results)
    shown = [rows[comparison.key] for comparison in comparisons]
    print_same_region(shown, splits[0])
    results.draw(shown)
    print(f"Same region: {results.path}")


def _test_data(analyzed: AnalyzedRun) -> Split:
    """Checks what the analysis needs of the run, and returns its test data."""
    path = analyzed.run.path
    if analyzed.run.identity.get("branch") is not None:
        raise ValueError(f"--run={path} is a branch; name the run that it starts from.")
    if analyzed.experiment.variant.prune_from == "rewind_step":
        raise ValueError(
            "--experiment=same_region compares tickets with the solution that they were pruned "
            f"from, but {path} was made with --prune_from=rewind_step, before training."
        )
    test = analyzed.experiment.dataset.test
    if not isinstance(test, Split):
        raise ValueError("--experiment=same_region needs test data that are held in memory.")
    return test


def _comparisons(analyzed: AnalyzedRun, levels: Sequence[int]) -> Iterator[_Comparison]:
    run = analyzed.run
    from_dense = analyzed.experiment.variant.prune_from == "dense"
    judged = {level: 0 if from_dense else level - 1 for level in levels}
    analyzed.levels([0, *judged.values()])
    others = _independent_runs(analyzed, levels)
    if missing := [str(level) for level in levels if level not in others]:
        print(
            f"Level {', '.join(missing)}: no other replicate with other seeds beside {run.path} "
            "has it; without --other_run there is no independent run to compare with."
        )
    for level in levels:
        own = run.path, judged[level], _seeds(run)
        if judged[level] == 0:
            yield _Comparison(level, ("pruned_from", "dense"), *own)
        else:
            yield _Comparison(level, ("pruned_from",), *own)
            yield _Comparison(level, ("dense",), run.path, 0, _seeds(run))
        if level in others:
            other = others[level]
            yield _Comparison(level, ("independent",), other.path, level, _seeds(other))
        for copy in _copies(run, level)[:1]:
            yield _Comparison(level, ("noise",), copy.path, level, _seeds(copy))


def _independent_runs(analyzed: AnalyzedRun, levels: Sequence[int]) -> Mapping[int, RunFolder]:
    """The run with which each level is compared; those without one are left out."""
    run, given = analyzed.run, analyzed.experiment.config.branch.other_run
    if given is None:
        siblings = [other for other in _siblings(run) if _dependence(run, other) is None]
        having = [(level, other) for other in reversed(siblings) for level in levels]
        return {level: other for level, other in having if other.level(level).is_complete()}
    try:
        other = RunFolder.read(Path(given))
    except RunFolderError as error:
        raise ValueError(f"--other_run={given}: {error}") from error
    if reason := _dependence(run, other):
        raise ValueError(f"--other_run={given}: {reason}.")
    for level in levels:
        if not other.level(level).is_complete():
            raise ValueError(f"--other_run={given}: level {level} is not finished there.")
    # That it is the same network, before anything is measured.
    analyzed.solution(str(other.level(levels[0]).path))
    return dict.fromkeys(levels, other)


def _siblings(run: RunFolder) -> Iterator[RunFolder]:
    own = run.path.absolute()
    try:
        folders = replicate_folders(own.parent)
    except RunFolderError:
        # The run folder was renamed or moved away from the others.
        return
    for folder in folders:
        if folder != own and (folder / "config.json").exists():
            yield RunFolder.read(folder)


def _dependence(run: RunFolder, other: RunFolder) -> str | None:
    """Why another run is not an independent one; None if it is."""
    for name, one, another in zip(
        ("init_seed", "data_seed"), _seeds(run), _seeds(other), strict=True
    ):
        if one == another:
            return (
                f"--{name}={one} is that of {run.path} too; a run is independent if both its "
                "--init_seed and its --data_seed are others"
            )
    if run.details["data_sha256"] != other.details["data_sha256"]:
        return f"it was made with other data than {run.path}"
    return None


def _seeds(run: RunFolder) -> tuple[int, int]:
    return run.details["init_seed"], run.details["data_seed"]


def _copies(run: RunFolder, level: int) -> list[RunFolder]:
    """Copies of a level that differ in the data order alone, by their seeds."""
    named = {path: _COPY.fullmatch(path.name) for path in run.branches()}
    seeds = {path: int(match[1]) for path, match in named.items() if match}
    copies = [
        RunFolder.read(path)
        for path in sorted(seeds, key=seeds.get)
        if (path / "config.json").exists()
    ]
    return [copy for copy in copies if copy.level(level).is_complete()]


def _key(row: Row) -> tuple[int, ...]:
    return row["level"], *(-row[kind] for kind in COMPARISONS)


def _measure(
    analyzed: AnalyzedRun,
    options: AnalysisConfig,
    test: Split,
    comparisons: Sequence[_Comparison],
    rows: dict[tuple[int, ...], Row],
    results: ResultsFile,
) -> None:
    missing = [comparison for comparison in comparisons if not comparison.is_in(rows)]
    if not missing:
        return
    splits = line_splits(options)
    evaluate = analyzed.evaluator(
        splits, estimate_statistics=options.line_statistics == "estimated"
    )
    experiment = analyzed.experiment
    predict = Predictor(
        experiment.network.model, test.images, experiment.execution.evaluation_batch
    )
    with CountingProgress("points on lines", len(missing) * options.points) as progress:
        for level, of_level in groupby(missing, lambda comparison: comparison.level):
            solution = analyzed.level(level)
            probabilities = predict(solution)
            for comparison in of_level:
                path = comparison.folder.absolute() / f"level_{comparison.other_level}"
                other = analyzed.solution(str(path))
                line = interpolate(
                    evaluate,
                    solution,
                    other,
                    points=options.points,
                    mask=options.line_mask,
                    on_progress=lambda done: progress.advance(),
                )
                rows[comparison.key] = {
                    **_described(comparison, analyzed.summary(level).density),
                    **_of_answers(probabilities, predict(other), test.labels),
                    **vars(distance(solution, other)),
                    **_of_line(line, splits),
                }
                results.write(rows[key] for key in sorted(rows))


def _described(comparison: _Comparison, density: float) -> Row:
    return {
        "level": comparison.level,
        "density": density,
        **{kind: int(kind in comparison.kinds) for kind in COMPARISONS},
        "other_level": comparison.other_level,
        "other_init_seed": comparison.seeds[0],
        "other_data_seed": comparison.seeds[1],
    }


def _of_answers(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> Row:
    accuracies = accuracy(first, labels), accuracy(second, labels)
    ensemble = ensemble_accuracy(first, second, labels)
    of_errors = {
        "agreement_on_errors": agreement_on_errors(first, second, labels),
        "error_overlap": error_overlap(first, second, labels),
    }
    return {
        "test_accuracy": accuracies[0],
        "other_test_accuracy": accuracies[1],
        "ensemble_accuracy": ensemble,
        "gain": ensemble - sum(accuracies) / 2,
        "agreement": agreement(first, second),
        **{name: None if np.isnan(share) else share for name, share in of_errors.items()},
    }


def _of_line(line: Line, splits: Sequence[str]) -> Row:
    return {
        barrier_column(split, of): line.barrier(split, of)
        for split in splits
        for of in ("error", "loss")
    }
