"""--experiment=instability: do copies that differ in the data order alone stay connected?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Annotated

import numpy as np

from tf_lottery.config.analyses import ResultFile, register_analysis
from tf_lottery.config.lines import Lines
from tf_lottery.config.options import positive
from tf_lottery.config.parameters import Parameter
from tf_lottery.config.trained_copies import Copies
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.rows import Rows
from tf_lottery.experiments.measuring.trained_copies import (
    NetworkKey,
    check_rewinds,
    copies_to_train,
    network_key,
    network_keys,
    network_row,
    networks_to_train,
    solution_in,
    train_branch,
)
from tf_lottery.report.landscape.instability import instability_figures, print_instability
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import INSTABILITY_COLUMNS, barrier_columns
from tf_lottery.store.result_names import LINE_SETTINGS

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun


@register_analysis(
    ResultFile(
        "instability", ("{}_copies", *LINE_SETTINGS), instability_figures, texts=("network",)
    ),
    place=2,
)
def instability(
    run: MeasuredRun,
    levels: Sequence[int] | None,
    *,
    lines: Lines,
    copies: Copies,
    stable_below: Annotated[
        float,
        Parameter(
            "Points of error barrier below which --experiment=instability calls a network stable.",
            within=positive(),
        ),
    ] = 2.0,
) -> Rows:
    """Trains copies from the rewind step and measures the lines between them.

    The instability analysis of arXiv 1912.05671, sections 2 to 4: of the dense network (level 0),
    of the tickets, and of `--baselines`: random masks with the same layerwise densities, and the
    tickets' masks on newly drawn weights, the same ones for all copies. The copies are branches of
    the run (rewound_dense, retrain, random_mask, random_reinitialization) with a --data_seed each.
    Writes landscape/instability__SETTINGS.csv in the run folder, a row per network, and figures.
    Networks that were measured before are neither trained nor measured again. With
    `--rewind_step`, copies are trained from other steps of the dense network, a row for each.

    Raises:
      ValueError: if a level is not finished, the run has not kept a state to train from, or it has
        another way of retraining.
    """
    check_rewinds(run, "instability")
    return Rows(
        network_keys(run, copies, run.levels(levels)),
        (*INSTABILITY_COLUMNS, *barrier_columns(lines.splits)),
        partial(_measure, lines=lines, copies=copies.copies),
        partial(print_instability, stable_below=stable_below / 100, split=lines.splits[0]),
        (copies.copies, *run.line_settings(lines)),
        key=network_key,
        trainings=lambda missing: [
            training
            for networks in networks_to_train(missing)
            for training in copies_to_train(run, copies.copies, networks)
        ],
    )


def _measure(
    analyzed: AnalyzedRun, missing: Sequence[NetworkKey], lines: Lines, copies: int
) -> Iterator[Row]:
    from tf_lottery.experiments.measuring.lines import barriers, measure_lines
    from tf_lottery.landscape.solutions import distance

    for networks in networks_to_train(missing):
        trainings = copies_to_train(analyzed, copies, networks)
        trained = [train_branch(analyzed, training) for training in trainings]
        for key in networks.keys:
            level = key[1]
            ends = [solution_in(analyzed, copy, level) for copy in trained]
            pairs = list(combinations(ends, 2))
            found = [barriers(line) for line in measure_lines(analyzed, lines, pairs)]
            records = [copy.level(level).record() for copy in trained]
            yield {
                **network_row(analyzed, copies, key, records[0]["density"]),
                "test_accuracy": float(np.mean([record["test_accuracy"] for record in records])),
                "l2": float(np.mean([distance(*pair).l2 for pair in pairs])),
                **{name: float(np.mean([row[name] for row in found])) for name in found[0]},
            }
