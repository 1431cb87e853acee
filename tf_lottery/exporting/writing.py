"""Writes a network in several formats, then runs and measures the files."""

import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tf_lottery.exporting.example_inputs import ExampleInputs
from tf_lottery.exporting.export_progress import ExportProgress
from tf_lottery.exporting.export_report import FormatResult, Precision
from tf_lottery.exporting.float32 import short_policies
from tf_lottery.exporting.formats import ExportFormat, format_faults_named
from tf_lottery.exporting.measure import FileSize, measure_file
from tf_lottery.exporting.plain_network import Arrays, ExportedNetwork, PlainNetwork
from tf_lottery.exporting.serving import ServingError
from tf_lottery.exporting.stored_kernels import stored_kernels
from tf_lottery.exporting.thresholds import binary_thresholds
from tf_lottery.exporting.verify import accuracies_of, verify
from tf_lottery.store.atomic import remove
from tf_lottery.users_code import PluginError


@dataclass(frozen=True)
class FilesInTheMaking:
    """The files of one export, in a folder that is not complete yet.

    Attributes:
      as_trained: the network to export.
      ticket: the network whose outputs the files have to compute: the same, in float32.
      network: the network that is written: the ticket, or a smaller one.
      dense: the network that its files are compared with; None without one.
      examples: what they are run with.
      folder: where they go.
      by_name: whether the formats were asked for by name, so that none may be left out.
      progress: is told what begins.
    """

    as_trained: PlainNetwork
    ticket: PlainNetwork
    network: ExportedNetwork
    dense: ExportedNetwork | None
    examples: ExampleInputs
    folder: Path
    by_name: bool
    progress: ExportProgress

    @functools.cached_property
    def expected(self) -> Arrays:
        """The ticket's outputs in float32."""
        return self.ticket.compute(self.examples.inputs)

    @functools.cached_property
    def own(self) -> Arrays:
        """The ticket's outputs as it was trained."""
        if self.as_trained is self.ticket:
            return self.expected
        return self.as_trained.compute(self.examples.inputs)

    def accuracies(self) -> dict[str, float]:
        """The ticket's accuracies as it was trained, by the name of each output with labels."""
        return self._accuracies_of(self.own)

    def precision(self) -> Precision | None:
        """How the ticket in float32 differs from how it was trained; None if it was in float32."""
        if self.as_trained is self.ticket:
            return None
        return Precision(
            policies=tuple(sorted(set(short_policies(self.as_trained.model).values()))),
            accuracies=self._accuracies_of(self.expected),
            largest_difference=max(
                float(np.max(np.abs(self.own[name].astype(np.float64) - outputs)))
                for name, outputs in self.expected.items()
            ),
        )

    def dense_accuracies(self) -> dict[str, float]:
        """The dense network's accuracies, in float32."""
        if self.dense is None or not self.examples.labels:
            return {}
        outputs = self.dense.plain.compute(self.examples.inputs)
        return self._accuracies_of(outputs)

    @functools.cached_property
    def thresholds(self) -> dict[str, float]:
        """Of the outputs of one unit that have labels, above which number they tell class 1."""
        thresholds = binary_thresholds(self.as_trained, self.own)
        return {name: own for name, own in thresholds.items() if name in self.examples.labels}

    def results(self, kinds: Sequence[ExportFormat], measure: bool) -> list[FormatResult]:
        """Writes, verifies and, if they are to be, measures the formats.

        Raises:
          ValueError: if a format that was asked for by name cannot be written or computes
            something else.
        """
        results = self._written(kinds)
        files = {
            kind: self.folder / kind.file_name for kind in kinds if results[kind].skipped is None
        }
        if files:
            self.progress("verifying", "all files", 1, 1)
        examples = self.examples
        found = verify(files, examples.inputs, self.expected, examples.labels, self.thresholds)
        for kind in files:
            outcome = found[kind.name]
            results[kind] = (
                self._left_out(kind, str(outcome))
                if isinstance(outcome, ServingError)
                else replace(results[kind], verification=outcome)
            )
        right = [kind for kind in files if results[kind].skipped is None]
        for number, kind in enumerate(right, 1):
            kernels = stored_kernels(files[kind]) if kind.runtime == "tflite" else ()
            size = FileSize.of(files[kind])
            results[kind] = replace(results[kind], kernels=kernels, size=size)
            if measure:
                self.progress("measuring", kind.name, number, len(right))
                results[kind] = self._measured(kind, results[kind])
        return list(results.values())

    def _accuracies_of(self, outputs: Arrays) -> dict[str, float]:
        return accuracies_of(outputs, self.examples.labels, self.thresholds)

    def _written(self, kinds: Sequence[ExportFormat]) -> dict[ExportFormat, FormatResult]:
        results = {}
        for kind in kinds:
            with format_faults_named(kind):
                reason = kind.reason_unavailable(self.network)
            if reason and self.by_name:
                raise ValueError(f"formats: {kind.name} cannot be written: {reason}.")
            results[kind] = FormatResult(kind.name, kind.file_name)
            if reason:
                results[kind] = FormatResult(kind.name, skipped=reason)
        available = [kind for kind, result in results.items() if result.skipped is None]
        for number, kind in enumerate(available, 1):
            self.progress("writing", kind.name, number, len(available))
            try:
                with format_faults_named(kind):
                    remark = kind.write(self.network, self.folder / kind.file_name)
                results[kind] = replace(results[kind], remark=remark)
            except PluginError:
                raise
            except ValueError as error:
                results[kind] = self._left_out(kind, str(error))
        return results

    def _left_out(self, kind: ExportFormat, problem: str) -> FormatResult:
        """Leaves out a format, or ends the export if it was asked for by name."""
        problem = problem.replace(f"{self.folder}/", "")
        if self.by_name:
            raise ValueError(f"formats: {problem}.")
        remove(self.folder / kind.file_name)
        return FormatResult(kind.name, skipped=problem.removeprefix(f"{kind.name}: "))

    def _measured(self, kind: ExportFormat, result: FormatResult) -> FormatResult:
        """Adds memory and time, and the size of the dense network's file."""
        with tempfile.TemporaryDirectory() as dense_folder:
            dense_path = None
            if self.dense is not None:
                dense_path = Path(dense_folder) / kind.file_name
                with format_faults_named(kind):
                    kind.write(self.dense, dense_path)
                result = replace(result, dense_size=FileSize.of(dense_path))
            path = self.folder / kind.file_name
            performance = measure_file(kind, path, self.examples.inputs, dense_path)
            return replace(result, performance=performance)
