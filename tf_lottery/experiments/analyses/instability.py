"""--experiment=instability: do copies that differ in the data order alone stay connected?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.interpolate import line_splits, measure_lines
from tf_lottery.experiments.branching import run_branch
from tf_lottery.landscape.interpolation import Line
from tf_lottery.landscape.solutions import Solution, distance
from tf_lottery.report.instability_table import InstabilityRow, print_instability
from tf_lottery.store.metrics import write_csv
from tf_lottery.store.run_folder import RunFolder

# Added to the run's own seed of the data order, which no copy has.
_FIRST_SEED = 1000

_TICKET, _RANDOM = "ticket", "random mask"
_COLUMNS = (
    *("rewind_step", "level", "density", "random_mask", "copies"),
    *("test_accuracy", "error_barrier", "loss_barrier", "l2"),
)


@dataclass(frozen=True)
class _Network:
    """What copies are trained of: a branch, at some levels."""

    kind: str
    branch: str
    levels: list[int]


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Trains copies from the rewind step and measures the lines between them.

    The instability analysis of arXiv 1912.05671, sections 2 to 4: of the dense network (level 0),
    of the tickets, and of random masks with the same layerwise densities. The copies are branches
    of the run (rewound_dense, retrain, random_mask) with a --data_seed each; those that are there
    are not trained again. Writes landscape/instability....csv in the run folder. A sweep of the
    rewind step makes the runs to be compared.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to look at; None: all that are finished.

    Raises:
      ValueError: if a level is not finished, or the run has another way of retraining.
    """
    if analyzed.experiment.config.pruning.retraining != "rewind_weights":
        raise ValueError(
            "--experiment=instability trains from the rewind step, but "
            f"{analyzed.run.path} was made with "
            f"--retraining={analyzed.experiment.config.pruning.retraining}."
        )
    levels = analyzed.levels(levels)
    pruned = [level for level in levels if level]
    networks = [
        _Network(_TICKET, "rewound_dense", [0] if 0 in levels else []),
        _Network(_TICKET, "retrain", pruned),
        _Network(_RANDOM, "random_mask", pruned if options.random_masks else []),
    ]
    seeds = [
        analyzed.experiment.config.data_seed + _FIRST_SEED + copy for copy in range(options.copies)
    ]
    rows = []
    for network in networks:
        copies = [_train(analyzed, network, seed) for seed in seeds if network.levels]
        rows += [_measure(analyzed, options, network, level, copies) for level in network.levels]
    rows.sort(key=lambda row: (row.level, row.kind == _RANDOM))
    split = line_splits(options)[0]
    path = analyzed.folder / f"instability,{options.copies},{options.points},{split}.csv"
    write_csv(path, _COLUMNS, [_csv_row(row) for row in rows])
    print_instability(rows, options.stable_below / 100, split)
    print(f"Instability: {path}")


def _train(analyzed: AnalyzedRun, network: _Network, seed: int) -> Path:
    """Trains one copy of each level, and returns its run folder."""
    where = {
        name: getattr(analyzed.experiment.config.run, name) for name in ("data_dir", "manual_dir")
    }
    run_branch(
        analyzed.run.path,
        network.branch,
        network.levels,
        dataset=analyzed.experiment.dataset,
        data_seed=seed,
        **where,
    )
    return analyzed.run.branch(f"{network.branch}-data_seed_{seed}")


def _measure(
    analyzed: AnalyzedRun,
    options: AnalysisConfig,
    network: _Network,
    level: int,
    copies: Sequence[Path],
) -> InstabilityRow:
    names = [str((copy / f"level_{level}").relative_to(analyzed.run.path)) for copy in copies]
    solutions: list[Solution] = [analyzed.solution(name) for name in names]
    pairs = list(combinations(solutions, 2))
    splits = line_splits(options)
    lines: list[Line] = measure_lines(analyzed, options, pairs, splits)
    records = [RunFolder.read(copy).level(level).record() for copy in copies]
    return InstabilityRow(
        rewind_step=analyzed.experiment.lengths.rewind_step,
        level=level,
        kind=network.kind,
        density=records[0]["density"],
        copies=len(copies),
        test_accuracy=float(np.mean([record["test_accuracy"] for record in records])),
        error_barrier=float(np.mean([line.barrier(splits[0]) for line in lines])),
        loss_barrier=float(np.mean([line.barrier(splits[0], "loss") for line in lines])),
        l2=float(np.mean([distance(*pair).l2 for pair in pairs])),
    )


def _csv_row(row: InstabilityRow) -> dict[str, float]:
    values = dict(vars(row))
    kind = values.pop("kind")
    return {**values, "random_mask": int(kind == _RANDOM)}
