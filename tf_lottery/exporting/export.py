"""Exports a network in several formats, verified and measured, into one folder."""

import functools
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tf_keras as keras

from tf_lottery.exporting.card import CARD, write_card
from tf_lottery.exporting.example_inputs import ExampleInputs, checked_inputs, example_inputs
from tf_lottery.exporting.export_report import ExportReport, FormatResult
from tf_lottery.exporting.formats import FORMATS, ExportFormat, formats_named
from tf_lottery.exporting.measure import FileSize, measure_file
from tf_lottery.exporting.network import ExportedNetwork, plain_copy, weight_counts
from tf_lottery.exporting.serving import ServingError
from tf_lottery.exporting.ticket_source import ticket_source
from tf_lottery.exporting.verify import Verification, accuracy_of, verify
from tf_lottery.store.atomic import atomic_folder, remove
from tf_lottery.store.errors import StorageError

TABLE = "export.csv"


def export(
    source: keras.Model | str | Path,
    folder: str | Path,
    formats: Iterable[str] | None = None,
    *,
    level: int | None = None,
    test_data: tuple[np.ndarray, np.ndarray | None] | None = None,
    representative: np.ndarray | None = None,
    dense: keras.Model | None = None,
    overwrite: bool = False,
    measure: bool = True,
) -> ExportReport:
    """Writes a network in several formats, runs each file without tf_lottery, and measures it.

    The folder holds the files, export.csv with a row per format, and README.md: what the network
    is, how it was found, and how each file is loaded. It appears when all is done.

    Args:
      source: a prunable or plain model of one input and one output, or the path of a run folder.
      folder: to make; it may exist if it is empty.
      formats: names of `FORMATS`; None for all that the network can be written in.
      level: of the run folder; None for its last finished one.
      test_data: inputs `[examples, ...]` with which the files are verified, and class numbers
        `[examples]` or None. Without it they are verified on random inputs.
      representative: training inputs `[examples, ...]`, at most 300 of which set the ranges of
        8-bit activations.
      dense: the network to compare with; by default level 0 of the run folder.
      overwrite: whether an earlier export in the folder gives way.
      measure: whether memory and latency are measured, which takes about half a minute per format,
        and the dense network's files are made to compare with.

    Returns:
      What was written and found.

    Raises:
      ValueError: if an argument does not fit, the folder cannot be written, or a format that was
        asked for by name cannot be written or does not compute what the network does.
    """
    kinds = list(FORMATS.values()) if formats is None else formats_named(formats)
    target = _checked_folder(Path(folder).expanduser().absolute(), overwrite)
    ticket = ticket_source(source, level, dense)
    plain = plain_copy(ticket.model)
    plain_dense = None if ticket.dense is None else _checked_dense(plain_copy(ticket.dense), plain)
    examples = example_inputs(test_data, plain)
    if representative is not None:
        representative = checked_inputs("representative", representative, plain)
    try:
        with (
            tempfile.TemporaryDirectory() as sparse_folder,
            tempfile.TemporaryDirectory() as dense_folder,
            atomic_folder(target, replace=overwrite) as temporary,
        ):
            network = ExportedNetwork(plain, Path(sparse_folder), representative)
            dense_network = plain_dense and ExportedNetwork(
                plain_dense, Path(dense_folder), representative
            )
            writing = _Writing(network, dense_network, examples, temporary, formats is not None)
            report = ExportReport(
                folder=target,
                formats=tuple(writing.results(kinds, measure)),
                layers=weight_counts(ticket.model),
                accuracy=accuracy_of(writing.expected, examples.labels),
                dense_accuracy=writing.dense_accuracy(),
            )
            report.write_csv(temporary / TABLE)
            write_card(temporary / CARD, report, plain, examples, ticket.provenance)
    except StorageError as error:
        raise ValueError(f"folder={folder} cannot be written: {error.reason}") from error
    return report


@dataclass(frozen=True)
class _Writing:
    """The formats of one export, in a folder that is not complete yet."""

    network: ExportedNetwork
    dense: ExportedNetwork | None
    examples: ExampleInputs
    folder: Path
    by_name: bool

    @functools.cached_property
    def expected(self) -> np.ndarray:
        """The network's own outputs."""
        return self.network.outputs(self.examples.inputs)

    def dense_accuracy(self) -> float | None:
        """The dense network's own accuracy."""
        if self.dense is None or self.examples.labels is None:
            return None
        return accuracy_of(self.dense.outputs(self.examples.inputs), self.examples.labels)

    def results(self, kinds: Sequence[ExportFormat], measure: bool) -> list[FormatResult]:
        """Writes, verifies and measures the formats."""
        problems: dict[ExportFormat, str] = {}
        for kind in kinds:
            reason = kind.reason_unavailable(self.network)
            if reason:
                self._leave_out(kind, f"{kind.name} cannot be written: {reason}")
                problems[kind] = reason
        for kind in [kind for kind in kinds if kind not in problems]:
            try:
                kind.write(self.network, self.folder / kind.file_name)
            except ValueError as error:
                problems[kind] = self._leave_out(kind, str(error))
        files = {kind: self.folder / kind.file_name for kind in kinds if kind not in problems}
        found = verify(files, self.examples.inputs, self.expected, self.examples.labels)
        for kind in files:
            if isinstance(found[kind.name], ServingError):
                problems[kind] = self._leave_out(kind, str(found[kind.name]))
        return [
            FormatResult(kind.name, skipped=problems[kind])
            if kind in problems
            else self._measured(kind, found[kind.name], measure)
            for kind in kinds
        ]

    def _leave_out(self, kind: ExportFormat, problem: str) -> str:
        """Leaves out a format, or ends the export if it was asked for by name."""
        problem = problem.replace(f"{self.folder}/", "")
        if self.by_name:
            raise ValueError(f"formats: {problem}.")
        remove(self.folder / kind.file_name)
        return problem

    def _measured(
        self, kind: ExportFormat, verification: Verification, measure: bool
    ) -> FormatResult:
        path = self.folder / kind.file_name
        result = FormatResult(
            kind.name, kind.file_name, verification=verification, size=FileSize.of(path)
        )
        if not measure:
            return result
        with tempfile.TemporaryDirectory() as dense_folder:
            dense_path = None
            if self.dense is not None:
                dense_path = Path(dense_folder) / kind.file_name
                kind.write(self.dense, dense_path)
                result = replace(result, dense_size=FileSize.of(dense_path))
            performance = measure_file(kind, path, self.examples.inputs, dense_path)
            return replace(result, performance=performance)


def _checked_folder(folder: Path, overwrite: bool) -> Path:
    if not folder.exists():
        return folder
    if not folder.is_dir():
        raise ValueError(f"folder={folder} is a file; choose a folder.")
    names = {entry.name for entry in folder.iterdir()}
    if not names:
        return folder
    others = names - {kind.file_name for kind in FORMATS.values()} - {TABLE, CARD}
    if others or TABLE not in names:
        raise ValueError(
            f"folder={folder} holds {', '.join(sorted(others or names)[:5])}, which is no part of "
            "an export; choose a new or an empty folder."
        )
    if not overwrite:
        raise ValueError(
            f"folder={folder} holds an export; give overwrite=True to replace it, or choose "
            "another folder."
        )
    return folder


def _checked_dense(dense: keras.Model, model: keras.Model) -> keras.Model:
    shapes = [(network.input_shape, network.output_shape) for network in (dense, model)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"dense={dense.name} maps {shapes[0][0]} to {shapes[0][1]}, but the network to export "
            f"{shapes[1][0]} to {shapes[1][1]}; give the dense network that it was pruned from."
        )
    return dense
