"""--experiment=stability: how far do pruning and the data order move what a network trains to?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.analyses.results_file import ResultsFile
from tf_lottery.experiments.analyses.trained_copies import (
    NetworkKey,
    Networks,
    check_rewinds,
    key_of,
    network_keys,
    network_row,
    networks_to_train,
    place_of,
    solution_in,
    train_branch,
    train_copies,
)
from tf_lottery.landscape.solutions import Distance, distance, layer_distances
from tf_lottery.report.counting import CountingProgress
from tf_lottery.report.landscape.rewind_axis import NETWORK_COLUMNS
from tf_lottery.report.landscape.stability_figure import DISTANCE_COLUMNS, STABILITY_COLUMNS
from tf_lottery.report.landscape.stability_table import print_layers, print_stability
from tf_lottery.store.metrics import Row
from tf_lottery.store.run_folder import RunFolder

_LAYER_COLUMNS = (*NETWORK_COLUMNS, "layer", *DISTANCE_COLUMNS)


@dataclass(frozen=True)
class _Trained:
    """Networks that a branch trained.

    Attributes:
      networks: which.
      same_order: their folder, trained in the data order of the dense network; of the dense
        network the run's.
      copies: folders of those in other data orders.
    """

    networks: Networks
    same_order: RunFolder
    copies: list[RunFolder]


def run(analyzed: AnalyzedRun, options: AnalysisConfig, levels: Sequence[int] | None) -> None:
    """Measures the stability to pruning and to the data order (arXiv 1903.01611, sections 2 and 3).

    To pruning: between the trained dense network and each subnetwork trained from the rewind step
    in the dense network's data order, on the weights that remain in the subnetwork. To the data
    order: between copies of each network, those of `instability`. Both of the tickets and of
    `--baselines`. Writes landscape/stability__SETTINGS.csv in the run folder, a row per network,
    landscape/stability_layers__SETTINGS.csv, a row per kernel of each, and figures. Networks that
    were measured before are neither trained nor measured again.

    Args:
      analyzed: the run.
      options: of the analysis.
      levels: those to look at; None: all that are finished.

    Raises:
      ValueError: if a level or level 0 is not finished, or the run has another way of retraining.
    """
    check_rewinds(analyzed, "stability")
    chosen = analyzed.levels(levels)
    analyzed.levels([0])
    wanted = network_keys(options, chosen)
    results = ResultsFile(analyzed, "stability", STABILITY_COLUMNS, [options.copies])
    layers = ResultsFile(analyzed, "stability_layers", _LAYER_COLUMNS, [options.copies])
    rows = {key_of(row): row for row in results.read()}
    layer_rows = {(*key_of(row), row["layer"]): row for row in layers.read()}
    for networks in networks_to_train(wanted, rows):
        trained = _train(analyzed, options, networks)
        with CountingProgress("networks compared", len(networks.levels)) as progress:
            for level in networks.levels:
                key = level, networks.network
                row, of_layers = _measure(analyzed, options, key, trained)
                layer_rows |= {(*key, found["layer"]): found for found in of_layers}
                # Before the network's row, which says that all is there.
                layers.write(sorted(layer_rows.values(), key=place_of))
                rows[key] = row
                results.write(sorted(rows.values(), key=place_of))
                progress.advance()
    shown = [rows[key] for key in wanted]
    print_stability(shown)
    sparsest = chosen[-1], "ticket" if chosen[-1] else "dense"
    of_sparsest = [row for row in layer_rows.values() if key_of(row) == sparsest]
    print_layers(sorted(of_sparsest, key=place_of), _kernels(analyzed))
    results.draw(shown)
    print(f"Stability: {results.path}\nOf each layer: {layers.path}")


def _train(analyzed: AnalyzedRun, options: AnalysisConfig, networks: Networks) -> _Trained:
    in_order = analyzed.experiment.config.training.same_data_order
    if networks.network == "dense" or (in_order and networks.network == "ticket"):
        same_order = analyzed.run
    else:
        same_order = train_branch(analyzed, networks.branch, networks.levels, same_data_order=True)
    return _Trained(networks, same_order, train_copies(analyzed, options, networks))


def _measure(
    analyzed: AnalyzedRun, options: AnalysisConfig, key: NetworkKey, trained: _Trained
) -> tuple[Row, list[Row]]:
    """The row of a network, and those of its kernels."""
    level, _ = key
    pairs = list(combinations([solution_in(analyzed, copy, level) for copy in trained.copies], 2))
    dense = solution_in(analyzed, analyzed.run, 0)
    subnetwork = solution_in(analyzed, trained.same_order, level) if level else None
    record = trained.same_order.level(level).record()
    of_network = network_row(analyzed, options, key, record["density"])
    row = {
        **of_network,
        "test_accuracy": record["test_accuracy"],
        **_columns(
            subnetwork and distance(subnetwork, dense, subnetwork.mask),
            [distance(*pair) for pair in pairs],
        ),
    }
    to_dense = layer_distances(subnetwork, dense, subnetwork.mask) if subnetwork else {}
    between = [layer_distances(*pair) for pair in pairs]
    layers = [
        {
            **of_network,
            "layer": number,
            **_columns(to_dense.get(kernel), [distances[kernel] for distances in between]),
        }
        for number, kernel in enumerate(_kernels(analyzed), 1)
    ]
    return row, layers


def _columns(to_dense: Distance | None, between: Sequence[Distance]) -> Row:
    return {
        "pruning_l2": to_dense and to_dense.l2,
        "pruning_cosine": to_dense and to_dense.cosine,
        "data_order_l2": float(np.mean([found.l2 for found in between])),
        "data_order_cosine": float(np.mean([found.cosine for found in between])),
    }


def _kernels(analyzed: AnalyzedRun) -> list[str]:
    return list(analyzed.experiment.network.mask)
