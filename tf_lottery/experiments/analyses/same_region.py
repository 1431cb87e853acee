"""--experiment=same_region: does a ticket train to the region that it was pruned from?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.config.alignment import Alignment
from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.config.lines import Lines
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.other_runs import beside, other_replicates, ticket_number
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.landscape.solutions import distance
from tf_lottery.messages import tell
from tf_lottery.report.landscape.same_region import print_same_region, same_region_figures
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.store.csv_files import Row
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.result_columns import COMPARISONS, SAME_REGION_COLUMNS, barrier_columns
from tf_lottery.store.result_names import LINE_SETTINGS
from tf_lottery.store.run_folder import RunFolder

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

_COPY = re.compile(r"retrain-data_seed_(\d+)")
_Key = tuple[int, ...]


@dataclass(frozen=True)
class _Comparison:
    """A level and a solution that it is compared with: a level of a run folder.

    Attributes:
      level: number of prunings.
      kinds: one or two of `COMPARISONS`.
      folder: where the other is.
      other_level: its level there.
      seeds: `init_seed` and `data_seed` of the other.
      ticket: its `ticket_number`.
    """

    level: int
    kinds: tuple[str, ...]
    folder: Path
    other_level: int
    seeds: tuple[int, int]
    ticket: int

    @property
    def key(self) -> _Key:
        """Tells its row from the others, and sorts as they are shown."""
        return self.level, *(-int(kind in self.kinds) for kind in COMPARISONS)

    @property
    def path(self) -> str:
        """Where the other is."""
        return str(self.folder.absolute() / f"level_{self.other_level}")

    def is_of(self, row: Row) -> bool:
        """Whether a row is about the very solution that is compared with now.

        Rows of earlier versions do not tell two solutions of the same seeds apart.
        """
        seeds = row["other_init_seed"], row["other_data_seed"]
        return self.seeds == seeds and row["other_ticket"] in (None, self.ticket)


@register_analysis(
    ResultFile("same_region", (*LINE_SETTINGS, "beside_{}", "{}"), same_region_figures),
    takes_other_run=True,
    place=6,
)
def same_region(
    run: MeasuredRun, levels: Sequence[int] | None, *, lines: Lines, alignment: Alignment
) -> Rows:
    """Compares each level with the solution it was pruned from, and others (arXiv 2106.06955).

    The others are the dense network; the same level of an independent run, `--other_run` or the
    first other replicate that has it; and, for the noise of SGD alone, the first copy of the level
    in another data order (`--branch=retrain --data_seed=S`), as the instability analysis trains
    them; nothing is trained here. With `--align=weights` lines and distances are those to the
    others with their units in the order that is most like the level's. Writes
    landscape/same_region__SETTINGS.csv in the run folder, and figures. What was measured before is
    not measured again. Levels are from 1.

    Raises:
      ValueError: if a level is not finished, the run is a branch or prunes before training,
        --other_run cannot be compared with, test data are streamed, or the network cannot be
        aligned.
    """
    path, given = run.run.path, run.config.branch.other_run
    if run.run.kind_of_branch is not None:
        raise ValueError(f"--run={path} is a branch; name the run that it starts from.")
    if run.config.pruning.prune_from == "rewind_step":
        raise ValueError(
            "--experiment=same_region compares tickets with the solution that they were pruned "
            f"from, but {path} was made with --prune_from=rewind_step, before training."
        )
    levels = [level for level in run.levels(levels) if level]
    if not levels:
        raise ValueError("--levels: level 0 is not pruned; choose levels from 1.")
    comparisons = {comparison.key: comparison for comparison in _comparisons(run, levels)}
    beside_others = {one.level for one in comparisons.values() if "independent" in one.kinds}
    alone = [level for level in levels if level not in beside_others]
    copies = other_replicates(run.run)[1] if given is None else []
    return Rows(
        list(comparisons),
        (*SAME_REGION_COLUMNS, *barrier_columns(lines.splits)),
        partial(_measure, comparisons=comparisons, lines=lines, alignment=alignment),
        partial(_show, split=lines.splits[0], path=path, alone=alone, copies=copies),
        (
            *run.line_settings(lines),
            beside(given),
            *alignment.settings,
        ),
        key=_key,
        holds=lambda row: comparisons[_key(row)].is_of(row),
        levels=lambda key: key[:1],
    )


def _show(
    rows: Sequence[Row], split: str, path: Path, alone: Sequence[int], copies: Sequence[str]
) -> None:
    print_same_region(rows, split)
    for copy in copies:
        tell(f"Note: {copy}")
    if alone:
        tell(
            f"Level {', '.join(map(str, alone))}: no other replicate with other seeds beside "
            f"{path} has it; without --other_run there is no independent run to compare with."
        )


def _comparisons(measured: MeasuredRun, levels: Sequence[int]) -> Iterator[_Comparison]:
    run, from_dense = measured.run, measured.config.pruning.prune_from == "dense"
    judged = {level: 0 if from_dense else level - 1 for level in levels}
    measured.levels([0, *judged.values()])
    others = _independent_runs(measured, levels)
    for level in levels:
        if judged[level] == 0:
            yield _comparison(level, ("pruned_from", "dense"), run, 0)
        else:
            yield _comparison(level, ("pruned_from",), run, judged[level])
            yield _comparison(level, ("dense",), run, 0)
        if level in others:
            yield _comparison(level, ("independent",), others[level], level)
        for copy in _copies(run, level)[:1]:
            yield _comparison(level, ("noise",), copy, level)


def _comparison(
    level: int, kinds: tuple[str, ...], other: RunFolder, other_level: int
) -> _Comparison:
    ticket = ticket_number(other, other_level)
    return _Comparison(level, kinds, other.path, other_level, _seeds(other), ticket)


def _independent_runs(measured: MeasuredRun, levels: Sequence[int]) -> Mapping[int, RunFolder]:
    """The run with which each level is compared; those without one are left out."""
    run, given = measured.run, measured.config.branch.other_run
    if given is None:
        siblings = [other for other in other_replicates(run)[0] if _dependence(run, other) is None]
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
    return dict.fromkeys(levels, other)


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
    if run.details.data_sha256 != other.details.data_sha256:
        return f"it was made with other data than {run.path}"
    return None


def _seeds(run: RunFolder) -> tuple[int, int]:
    return run.details.init_seed, run.details.data_seed


def _copies(run: RunFolder, level: int) -> list[RunFolder]:
    """Copies of a level that differ in the data order alone, by their seeds."""
    named = {path: _COPY.fullmatch(path.name) for path in run.branches()}
    seeds = {path: int(match[1]) for path, match in named.items() if match}
    copies = [
        RunFolder.read(path)
        for path in sorted(seeds, key=lambda path: seeds[path])
        if (path / "config.json").exists()
    ]
    return [copy for copy in copies if copy.level(level).is_complete()]


def _key(row: Row) -> _Key:
    return row["level"], *(-row[kind] for kind in COMPARISONS)


def _measure(
    analyzed: AnalyzedRun,
    missing: Sequence[_Key],
    comparisons: Mapping[_Key, _Comparison],
    lines: Lines,
    alignment: Alignment,
) -> Iterator[Row]:
    from tf_lottery.data import Split
    from tf_lottery.experiments.measuring.lines import barriers, measure_line
    from tf_lottery.landscape.predictions import Predictor

    experiment, test = analyzed.experiment, analyzed.experiment.dataset.test
    if not isinstance(test, Split):
        raise ValueError("--experiment=same_region needs test data that are held in memory.")
    for comparison in comparisons.values():
        if "independent" in comparison.kinds:
            # That it is the same network, before anything is measured.
            analyzed.solution(comparison.path)
            break
    align, evaluate = analyzed.aligner(alignment), analyzed.evaluator(lines)
    predict = Predictor(
        experiment.network.model, test.images, experiment.execution.evaluation_batch
    )
    with CountingProgress("points on lines", len(missing) * lines.points) as progress:
        for level, keys in groupby(missing, lambda key: key[0]):
            solution = analyzed.level(level)
            probabilities = predict(solution)
            for comparison in (comparisons[key] for key in keys):
                other = analyzed.solution(comparison.path)
                ends = solution, align(solution, other)
                line = measure_line(evaluate, ends, lines, progress.advance)
                yield {
                    **_described(comparison, analyzed.summary(level).density),
                    **_of_answers(probabilities, predict(other), test.labels),
                    **vars(distance(*ends)),
                    **barriers(line),
                }


def _described(comparison: _Comparison, density: float) -> Row:
    return {
        "level": comparison.level,
        "density": density,
        **{kind: int(kind in comparison.kinds) for kind in COMPARISONS},
        "other_level": comparison.other_level,
        "other_init_seed": comparison.seeds[0],
        "other_data_seed": comparison.seeds[1],
        "other_ticket": comparison.ticket,
    }


def _of_answers(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> Row:
    from tf_lottery.landscape.predictions import (
        accuracy,
        agreement,
        agreement_on_errors,
        ensemble_accuracy,
        error_overlap,
    )

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
