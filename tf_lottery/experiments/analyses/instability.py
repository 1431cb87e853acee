"""--experiment=instability: do copies that differ in the data order alone stay connected?"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.interpolate import measure_lines
from tf_lottery.experiments.analyses.line_options import line_settings, line_splits
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.experiments.analyses.trained_copies import (
    NetworkKey,
    check_rewinds,
    key_of,
    network_keys,
    network_row,
    networks_to_train,
    place_of,
    solution_in,
    train_copies,
)
from tf_lottery.landscape.solutions import distance
from tf_lottery.report.landscape.instability_figure import INSTABILITY_COLUMNS
from tf_lottery.report.landscape.instability_table import print_instability
from tf_lottery.report.landscape.levels_figure import barrier_column
from tf_lottery.store.metrics import Row
from tf_lottery.store.run_folder import RunFolder


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Trains copies from the rewind step and measures the lines between them.

    The instability analysis of arXiv 1912.05671, sections 2 to 4: of the dense network (level 0),
    of the tickets, and of `--baselines`: random masks with the same layerwise densities, and the
    tickets' masks on newly drawn weights, the same ones for all copies. The copies are branches of
    the run (rewound_dense, retrain, random_mask, random_reinitialization) with a --data_seed each.
    Writes landscape/instability__SETTINGS.csv in the run folder, a row per network, and figures.
    Networks that were measured before are neither trained nor measured again. A sweep of the rewind
    step makes the runs to be compared.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to look at; None: all that are finished.

    Raises:
      ValueError: if a level is not finished, or the run has another way of retraining.
    """
    check_rewinds(analyzed, "instability")
    wanted = network_keys(options, analyzed.levels(levels))
    splits = line_splits(options)
    barriers = [barrier_column(split, of) for split in splits for of in ("error", "loss")]
    settings = options.copies, *line_settings(options)
    results = ResultsFile(analyzed, "instability", [*INSTABILITY_COLUMNS, *barriers], settings)
    rows = {key_of(row): row for row in results.read()}
    for networks in networks_to_train(wanted, rows):
        copies = train_copies(analyzed, options, networks)
        for level in networks.levels:
            key = level, networks.network
            rows[key] = _measure(analyzed, options, key, copies)
            results.write(sorted(rows.values(), key=place_of))
    shown = [rows[key] for key in wanted]
    print_instability(shown, options.stable_below / 100, splits[0])
    results.draw(shown)
    print(f"Instability: {results.path}")


def _measure(
    analyzed: AnalyzedRun, options: AnalysisConfig, key: NetworkKey, copies: Sequence[RunFolder]
) -> Row:
    level, _ = key
    pairs = list(combinations([solution_in(analyzed, copy, level) for copy in copies], 2))
    splits = line_splits(options)
    lines = measure_lines(analyzed, options, pairs, splits)
    records = [copy.level(level).record() for copy in copies]
    barriers = {
        barrier_column(split, of): float(np.mean([line.barrier(split, of) for line in lines]))
        for split in splits
        for of in ("error", "loss")
    }
    return {
        **network_row(analyzed, options, key, records[0]["density"]),
        "test_accuracy": float(np.mean([record["test_accuracy"] for record in records])),
        "l2": float(np.mean([distance(*pair).l2 for pair in pairs])),
        **barriers,
    }
