"""Exports a network in several formats, verified and measured, into one folder."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import check_path, check_truth, refusal
from tf_lottery.exporting.card import write_card
from tf_lottery.exporting.example_inputs import check_outputs, checked_inputs, example_inputs
from tf_lottery.exporting.export_folder import CARD, COMPACTION, TABLE, ExportFolder
from tf_lottery.exporting.export_progress import ExportProgress, no_progress
from tf_lottery.exporting.export_report import Arithmetic, ExportReport
from tf_lottery.exporting.formats import default_formats, formats_named
from tf_lottery.exporting.network_of import float32_network, network_of
from tf_lottery.exporting.plain_network import (
    ExportedNetwork,
    PlainNetwork,
    weight_counts,
)
from tf_lottery.exporting.randomness import check_is_not_random
from tf_lottery.exporting.smaller import smaller_network
from tf_lottery.exporting.ticket_source import ticket_source
from tf_lottery.exporting.writing import FilesInTheMaking
from tf_lottery.masking.keras_versions import is_model


def export(
    source: Any,
    folder: str | Path,
    formats: Iterable[str] | None = None,
    *,
    level: int | None = None,
    test_data: tuple[Any, Any] | None = None,
    representative: Any = None,
    dense: Any = None,
    compact: bool | None = None,
    overwrite: bool = False,
    measure: bool = True,
    progress: ExportProgress | None = None,
) -> ExportReport:
    """Writes a network in several formats, runs each file without tf_lottery, and measures it.

    The folder holds the files, export.csv with a row per format, and README.md: what the network
    is, how it was found, and how each file is loaded; if units were removed, compaction.csv with a
    row per layer; and export.json, which lists the files. It appears when all is done.

    Inputs are an array `[examples, ...]`. Those of a model of several inputs are a list in the
    order of `model.inputs`, or a dictionary by the names of the input layers, or by the model's own
    if it was built with a dictionary. Likewise the labels of several outputs: class numbers
    `[examples]` or `[examples, 1]`, or a column of 0 and 1 for each class; None for an output
    without. An output of one unit tells class 1 where it is above 0.5, or above 0 if it is a logit:
    what it is, its activation and the loss that the model is compiled with say.

    The files of a model that computes in 16-bit floats (mixed precision) compute in float32: they
    have to give what a copy of it in float32 gives.

    Args:
      source: a prunable or plain model of either Keras, what `compact` gave, or the path of a run
        folder. A subclassed model needs `test_data`.
      folder: to make; it may exist if it is empty.
      formats: names of formats; None for all but onnx that the network can be written in.
      level: of the run folder; None for its last finished one.
      test_data: inputs with which the files are verified, and labels or None. Without it they are
        verified on standard normal numbers, if the model takes floats of known shapes.
      representative: training inputs, at most 300 of which set the ranges of 8-bit activations.
      dense: the network to compare with; by default level 0 of the run folder.
      compact: whether units without effect are removed, as by `compact`: True, if anything can be
        (None), or not (False). The files compute what the model does in any case.
      overwrite: whether an earlier export in the folder gives way.
      measure: whether memory and latency are measured, which takes about half a minute per format,
        and the dense network's files are made to compare with.
      progress: is told what begins: an action, a format, its number, and their count; such as
        `print`.

    Returns:
      What was written and found.

    Raises:
      ValueError: if an argument does not fit, the folder cannot be written, a format that was asked
        for by name cannot be written or does not compute what the network does, or the network
        computes other outputs each time that it is called.
    """
    check_path("folder", folder)
    check_truth("overwrite", overwrite)
    return export_into(
        ExportFolder(folder, f"folder={folder}", overwrite=overwrite),
        source,
        formats,
        level=level,
        test_data=test_data,
        representative=representative,
        dense=dense,
        compact=compact,
        measure=measure,
        progress=progress,
    )


def export_into(
    target: ExportFolder,
    source: Any,
    formats: Iterable[str] | None,
    *,
    level: int | None = None,
    test_data: tuple[Any, Any] | None = None,
    representative: Any = None,
    dense: Any = None,
    compact: bool | None = None,
    measure: bool = True,
    progress: ExportProgress | None = None,
) -> ExportReport:
    """Does the same as `export`, into a folder that errors call what the user called it."""
    check_truth("measure", measure)
    if compact is not None:
        check_truth("compact", compact)
    if progress is not None and not callable(progress):
        raise refusal("progress", progress, "give a function that takes what begins, or None")
    if dense is not None and not is_model(dense):
        raise refusal("dense", dense, "give a model of Keras, or leave it out")
    kinds = default_formats() if formats is None else formats_named(formats)
    target.holds()
    origin = ticket_source(source, level, dense)
    as_trained = network_of(origin.model, test_data)
    ticket = float32_network(as_trained)
    theirs = None if origin.dense is None else _checked_dense(origin.dense, ticket, test_data)
    examples = example_inputs(test_data, ticket)
    check_outputs("test_data", ticket, examples.inputs, random=examples.random)
    check_is_not_random(ticket, examples.inputs)
    if representative is not None:
        representative = checked_inputs("representative", representative, ticket)
        check_outputs("representative", ticket, representative)
    ours, compaction = smaller_network(ticket, compact)
    with (
        tempfile.TemporaryDirectory() as our_folder,
        tempfile.TemporaryDirectory() as their_folder,
        target.written(origin.name, origin.ticket) as temporary,
    ):
        files = FilesInTheMaking(
            as_trained,
            ticket,
            ExportedNetwork(ours, Path(our_folder), representative),
            theirs and ExportedNetwork(theirs, Path(their_folder), representative),
            examples,
            temporary,
            by_name=formats is not None,
            progress=progress or no_progress,
        )
        report = ExportReport(
            folder=target.path,
            formats=tuple(files.results(kinds, measure)),
            layers=weight_counts(origin.model),
            examples=len(examples),
            accuracies=files.accuracies(),
            dense_accuracies=files.dense_accuracies(),
            precision=files.precision(),
            thresholds=files.thresholds,
            compaction=compaction,
            arithmetic=Arithmetic.of(ticket.model, ours.model),
        )
        report.write_csv(temporary / TABLE)
        if compaction:
            compaction.write_csv(temporary / COMPACTION)
        write_card(temporary / CARD, report, ours, origin.provenance)
    return report


def _checked_dense(model: Any, ticket: PlainNetwork, test_data: Any) -> PlainNetwork:
    dense = float32_network(network_of(model, test_data))
    mappings = [
        " to ".join(", ".join(map(str, tensors)) for tensors in (network.inputs, network.outputs))
        for network in (dense, ticket)
    ]
    if mappings[0] != mappings[1]:
        raise ValueError(
            f"dense={dense.name} maps {mappings[0]}, but the network to export {mappings[1]}; give "
            "the dense network that it was pruned from."
        )
    dense.inputs, dense.outputs = ticket.inputs, ticket.outputs
    return dense
