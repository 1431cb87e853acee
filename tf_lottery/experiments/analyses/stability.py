"""--experiment=stability: how far do pruning and the data order move what a network trains to?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.config.trained_copies import Copies
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.experiments.measuring.trained_copies import (
    NetworkKey,
    Networks,
    check_rewinds,
    copies_to_train,
    network_key,
    network_keys,
    network_row,
    networks_to_train,
    solution_in,
    train_branch,
)
from tf_lottery.experiments.measuring.training import Training
from tf_lottery.landscape.solutions import Distance, distance, layer_distances
from tf_lottery.masking.masks import Mask
from tf_lottery.report.landscape.stability import print_layers, print_stability, stability_figures
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import STABILITY_COLUMNS, STABILITY_LAYER_COLUMNS

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

_SETTINGS = ("{}_copies",)


@register_analysis(
    ResultFile("stability", _SETTINGS, stability_figures, texts=("network",)),
    ResultFile("stability_layers", _SETTINGS, title="Of each layer", texts=("network",)),
    place=3,
)
def stability(run: MeasuredRun, levels: Sequence[int] | None, *, copies: Copies) -> Rows:
    """Measures the stability to pruning and to the data order (arXiv 1903.01611, sections 2 and 3).

    To pruning: between the trained dense network and each subnetwork trained from the rewind step
    in the dense network's data order, on the weights that remain in the subnetwork. To the data
    order: between copies of each network, those of `instability`. Both of the tickets and of
    `--baselines`. Writes landscape/stability__SETTINGS.csv in the run folder, a row per network,
    landscape/stability_layers__SETTINGS.csv, a row per kernel of each, and figures. Networks that
    were measured before are neither trained nor measured again. With `--rewind_step`, subnetworks
    and copies are trained from other steps of the dense network, a row for each.

    Raises:
      ValueError: if a level or level 0 is not finished, the run has not kept a state to train from,
        or it has another way of retraining.
    """
    check_rewinds(run, "stability")
    chosen = run.levels(levels)
    run.levels([0])
    keys = network_keys(run, copies, chosen)
    sparsest = keys[-1][0], chosen[-1], "ticket" if chosen[-1] else "dense"

    def show_layers(rows: Sequence[Row]) -> None:
        kernels = list(Mask.load(run.run.level(0).masks_path))
        key = itemgetter("rewind_step", "level", "network")
        print_layers([row for row in rows if key(row) == sparsest], kernels)

    return Rows(
        keys,
        STABILITY_COLUMNS,
        partial(_measure, copies=copies.copies),
        print_stability,
        (copies.copies,),
        key=network_key,
        part_columns=STABILITY_LAYER_COLUMNS,
        show_parts=show_layers,
        trainings=partial(_trainings, run, copies.copies),
        levels=lambda key: (0, key[1]),
    )


def _measure(
    analyzed: AnalyzedRun, missing: Sequence[NetworkKey], copies: int
) -> Iterator[tuple[Row, list[Row]]]:
    """The row of each network, and those of its kernels."""
    dense = solution_in(analyzed, analyzed.run, 0)
    for networks in networks_to_train(missing):
        in_order = _in_same_order(analyzed, networks)
        same_order = analyzed.run if in_order is None else train_branch(analyzed, in_order)
        trainings = copies_to_train(analyzed, copies, networks)
        trained = [train_branch(analyzed, training) for training in trainings]
        with CountingProgress("networks compared", len(networks.levels)) as progress:
            for key in networks.keys:
                level = key[1]
                ends = [solution_in(analyzed, copy, level) for copy in trained]
                pairs = list(combinations(ends, 2))
                own = solution_in(analyzed, same_order, level) if level else None
                record = same_order.level(level).record()
                of_network = network_row(analyzed, copies, key, record["density"])
                row = {
                    **of_network,
                    "test_accuracy": record["test_accuracy"],
                    **_columns(
                        own and distance(own, dense, own.mask), [distance(*pair) for pair in pairs]
                    ),
                }
                to_dense = layer_distances(own, dense, own.mask) if own else {}
                between = [layer_distances(*pair) for pair in pairs]
                yield (
                    row,
                    [
                        {
                            **of_network,
                            "layer": number,
                            **_columns(to_dense.get(kernel), [found[kernel] for found in between]),
                        }
                        for number, kernel in enumerate(dense.mask, 1)
                    ],
                )
                progress.advance()


def _in_same_order(measured: MeasuredRun, networks: Networks) -> Training | None:
    """Networks trained in the data order of the dense network; None if those of the run are."""
    as_in_run = (
        measured.config.training.same_data_order
        and networks.rewind_step == measured.run.details.rewind_step
    )
    if networks.network == "dense" or (as_in_run and networks.network == "ticket"):
        return None
    return networks.training(measured, same_data_order=True)


def _trainings(
    measured: MeasuredRun, copies: int, missing: Sequence[NetworkKey]
) -> Iterator[Training]:
    for networks in networks_to_train(missing):
        in_order = _in_same_order(measured, networks)
        yield from [in_order] if in_order else []
        yield from copies_to_train(measured, copies, networks)


def _columns(to_dense: Distance | None, between: Sequence[Distance]) -> Row:
    return {
        "pruning_l2": to_dense and to_dense.l2,
        "pruning_cosine": to_dense and to_dense.cosine,
        "data_order_l2": float(np.mean([found.l2 for found in between])),
        "data_order_cosine": float(np.mean([found.cosine for found in between])),
    }
