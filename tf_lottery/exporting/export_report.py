"""What an export wrote and found out: plain data, and its tables as CSV."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery.exporting.compaction import CompactedLayer
from tf_lottery.exporting.fastest import SETTINGS, FastestFile, fastest_files
from tf_lottery.exporting.measure import (
    ALL_THREADS,
    BATCH_SIZES,
    ONE_THREAD,
    FileSize,
    Performance,
)
from tf_lottery.exporting.stored_kernels import StoredKernel, kernels_in_words
from tf_lottery.exporting.verify import Verification, only
from tf_lottery.masking.multiply_adds import weight_uses, weights_of_kernels
from tf_lottery.store.csv_files import table_text

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

_THREADS = {ONE_THREAD: "one_thread", ALL_THREADS: "all_threads"}
_MEASURES = {"ms": "milliseconds", "dense_ms": "dense_milliseconds", "ratio": "ratio"}
_LATENCY_COLUMNS = tuple(
    f"{measure}_batch_{batch_size}_{threads}"
    for threads in _THREADS.values()
    for batch_size in BATCH_SIZES
    for measure in _MEASURES
)
_FASTEST_COLUMNS = {
    (batch_size, threads): f"fastest_batch_{batch_size}_{_THREADS[threads]}"
    for batch_size, threads in SETTINGS
}
COLUMNS = (
    "format",
    "file",
    "skipped",
    "remark",
    "accuracy",
    "network_accuracy",
    "float32_accuracy",
    "dense_accuracy",
    "threshold",
    "trained_policy",
    "examples",
    "largest_difference",
    "bytes",
    "compressed_bytes",
    "dense_bytes",
    "dense_compressed_bytes",
    "peak_memory_bytes",
    "runtime_memory_bytes",
    *_LATENCY_COLUMNS,
    *_FASTEST_COLUMNS.values(),
)


@dataclass(frozen=True)
class FormatResult:
    """One format of an export.

    Attributes:
      format: its name.
      file: name of the file or folder in the export's folder; None if there is none.
      skipped: why there is none; None if there is one.
      remark: what is particular about the file; None if nothing is.
      kernels: how it stores its kernels; empty where that is not known.
      verification: how its outputs compare with the network's.
      size: how large it is.
      dense_size: how large the dense network's file is; None without a dense network.
      performance: memory and time; None if they were not to be measured.
    """

    format: str
    file: str | None = None
    skipped: str | None = None
    remark: str | None = None
    kernels: tuple[StoredKernel, ...] = ()
    verification: Verification | None = None
    size: FileSize | None = None
    dense_size: FileSize | None = None
    performance: Performance | None = None

    @property
    def remarks(self) -> str | None:
        """The remark, and how many kernels are computed sparse; None if there is neither."""
        remarks = [self.remark, kernels_in_words(self.kernels)]
        return "; ".join(filter(None, remarks)) or None

    def record(self) -> dict[str, Any]:
        """Returns what is known for its row of export.csv."""
        row: dict[str, Any] = {name: getattr(self, name) for name in COLUMNS[:3]}
        row["remark"] = self.remarks
        if self.verification:
            row["largest_difference"] = self.verification.largest_difference
            row |= _accuracy_cells("accuracy", self.verification.accuracies)
        for prefix, size in (("", self.size), ("dense_", self.dense_size)):
            if size:
                row[f"{prefix}bytes"] = size.bytes
                row[f"{prefix}compressed_bytes"] = size.compressed_bytes
        if self.performance:
            row["peak_memory_bytes"] = self.performance.peak_memory
            row["runtime_memory_bytes"] = self.performance.runtime_memory
            for latency in self.performance.latencies:
                where = f"batch_{latency.batch_size}_{_THREADS[latency.threads]}"
                row |= {f"{name}_{where}": getattr(latency, of) for name, of in _MEASURES.items()}
        return row


@dataclass(frozen=True)
class Compaction:
    """How much smaller the exported network is than the ticket.

    Attributes:
      parameters_before: number of weights of all kinds of the ticket.
      parameters: that of the exported network.
      layers: what became of the layers.
    """

    parameters_before: int
    parameters: int
    layers: tuple[CompactedLayer, ...]

    def write_csv(self, path: Path) -> None:
        """Writes a row per layer."""
        names = [field.name for field in fields(CompactedLayer)]
        _write(path, table_text(names, (asdict(layer) for layer in self.layers)))


@dataclass(frozen=True)
class Arithmetic:
    """Multiply-adds for an example.

    Attributes:
      dense: of a network of the ticket's shapes in which all weights count.
      in_files: of the exported network, which may lack units, with all weights of its kernels.
      remaining: of the exported network, with the weights that are not 0.
      not_counted: layers that are not among them.
    """

    dense: int | None
    in_files: int | None
    remaining: int | None
    not_counted: tuple[str, ...] = ()

    @classmethod
    def of(cls, ticket: Any, exported: Any) -> "Arithmetic":
        """Counts.

        Args:
          ticket: the model of the ticket.
          exported: that in the files.
        """
        uses = weight_uses(exported)
        return cls(
            weight_uses(ticket).by({}).total,
            uses.by({}).total,
            uses.by(weights_of_kernels(exported)).total,
            uses.not_counted,
        )

    def __str__(self) -> str:
        """The same in sentences."""
        others = f"Not counted: {', '.join(self.not_counted)}." if self.not_counted else ""
        if self.remaining is None:
            return others
        text = (
            f"For an example, the weights that are left do {self.remaining:,} multiplications with "
            f"additions, of {self.dense:,} of the dense network."
        )
        if self.in_files != self.dense:
            text += (
                " With the units that are left, kernels that are stored dense do "
                f"{self.in_files:,}."
            )
        return " ".join(filter(None, [text, others]))


@dataclass(frozen=True)
class Precision:
    """What becomes of a ticket that computes in 16-bit floats when it computes in float32.

    Attributes:
      policies: names of the dtype policies of its layers other than float32.
      accuracies: of the ticket in float32, by the name of each output with labels.
      largest_difference: largest absolute difference between an output in float32 and as trained.
    """

    policies: tuple[str, ...]
    accuracies: Mapping[str, float]
    largest_difference: float


# Those of a table on a screen; export.csv has all.
_SHOWN = (
    *("format", "file", "skipped", "bytes", "dense_bytes", "accuracy", "dense_accuracy"),
    *("largest_difference", "milliseconds_batch_1_one_thread", "ratio_batch_1_one_thread"),
)


@dataclass(frozen=True, repr=False)
class ExportReport:
    """An export; a notebook shows it as a table.

    Attributes:
      folder: where the files are.
      formats: what became of each format.
      layers: numbers of remaining and of all weights of each prunable kernel of the ticket, by its
        name.
      examples: number of inputs that the files were verified with.
      accuracies: the ticket's own on the test data, by the name of each output with labels; as it
        was trained.
      dense_accuracies: the dense network's, in float32; empty without one.
      compaction: what was removed from the ticket; None if it was left as it is.
      thresholds: by the name of an output of one unit that has labels, above which number it tells
        class 1.
      precision: what float32 changes, in which the files compute; None if the ticket does too.
      arithmetic: what the network does for an example; None if that was not counted.
    """

    folder: Path
    formats: tuple[FormatResult, ...]
    layers: Mapping[str, tuple[int, int]]
    examples: int
    accuracies: Mapping[str, float] = field(default_factory=dict)
    dense_accuracies: Mapping[str, float] = field(default_factory=dict)
    compaction: Compaction | None = None
    precision: Precision | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    arithmetic: Arithmetic | None = None

    @property
    def accuracy(self) -> float | None:
        """The ticket's own accuracy; None unless there is one output with labels."""
        return only(self.accuracies)

    @property
    def dense_accuracy(self) -> float | None:
        """The dense network's accuracy; None unless there is one output with labels."""
        return only(self.dense_accuracies)

    @property
    def density(self) -> float:
        """Fraction of the prunable weights that remain; 1.0 if the network has none."""
        remaining = sum(left for left, _ in self.layers.values())
        total = sum(size for _, size in self.layers.values())
        return remaining / total if total else 1.0

    @property
    def fastest(self) -> tuple[FastestFile, ...]:
        """The fastest file for one example on one thread, and for 32 on all threads.

        Empty if nothing was measured.
        """
        return fastest_files(self._performances, among_floats=False)

    @property
    def fastest_float(self) -> tuple[FastestFile, ...]:
        """The same among the files that keep 32-bit floats; empty if none was measured."""
        return fastest_files(self._performances, among_floats=True)

    @property
    def notable_fastest(self) -> tuple[FastestFile, ...]:
        """The fastest files that keep 32-bit floats, and those that are faster than these."""
        of_floats = self.fastest_float
        known = {(found.format, found.batch_size, found.threads) for found in of_floats}
        others = (
            found
            for found in self.fastest
            if (found.format, found.batch_size, found.threads) not in known
        )
        return (*of_floats, *others)

    @property
    def _performances(self) -> dict[str, Performance]:
        return {result.format: result.performance for result in self.formats if result.performance}

    def to_frame(self) -> "pandas.DataFrame":
        """A row per format, with the columns of export.csv that are known of any."""
        import pandas

        columns, rows = self._table()
        frame = pandas.DataFrame(rows, columns=columns)
        return frame.dropna(axis="columns", how="all")

    def plot(self) -> "Figure":
        """Draws the size of each file beside that of the dense network's.

        Returns:
          The figure: a notebook shows it, and `savefig` writes it.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.add_subplot()
        sized = [result for result in self.formats if result.size]
        for place, (label, sizes) in enumerate(
            {
                "ticket": [result.size for result in sized],
                "dense network": [result.dense_size for result in sized],
            }.items()
        ):
            known = [size.bytes / 1000 for size in sizes if size]
            if len(known) == len(sized):
                rows = [row + 0.4 * place for row in range(len(sized))]
                axes.barh(rows, known, 0.4, label=label)
        axes.set_yticks(range(len(sized)), [result.format for result in sized])
        axes.invert_yaxis()
        axes.set_xlabel("kB")
        axes.legend()
        return figure

    def __repr__(self) -> str:
        """The table as text."""
        return self._shown().to_string(index=False, na_rep="", float_format="{:.4g}".format)

    def _repr_html_(self) -> str:
        return self._shown().to_html(index=False, na_rep="", float_format="{:.4g}".format)

    def _shown(self) -> "pandas.DataFrame":
        frame = self.to_frame()
        return frame.filter(items=[column for column in _SHOWN if column in frame])

    def write_csv(self, path: Path) -> None:
        """Writes a row per format; several outputs with labels have an accuracy each."""
        columns, rows = self._table()
        _write(path, table_text(columns, rows))

    def _table(self) -> tuple[list[str], list[dict[str, Any]]]:
        """The columns and a row per format."""
        same: dict[str, Any] = {"examples": self.examples}
        same |= _accuracy_cells("network_accuracy", self.accuracies)
        if self.precision:
            same["trained_policy"] = ", ".join(self.precision.policies)
            same |= _accuracy_cells("float32_accuracy", self.precision.accuracies)
        same |= _accuracy_cells("dense_accuracy", self.dense_accuracies)
        same |= _accuracy_cells("threshold", self.thresholds)
        same |= {f"threshold_{name}": number for name, number in self.thresholds.items()}
        if len(self.accuracies) == len(self.thresholds) == 1:
            same = {
                "threshold" if name.startswith("threshold_") else name: cell
                for name, cell in same.items()
            }
        rows = [
            same | result.record() | self._fastest_cells(result.format) for result in self.formats
        ]
        more = sorted({name for row in rows for name in row} - set(COLUMNS))
        return [*COLUMNS, *more], rows

    def _fastest_cells(self, format_name: str) -> dict[str, str]:
        """What a file is the fastest at, in words."""
        return {
            _FASTEST_COLUMNS[found.batch_size, found.threads]: found.in_words()
            for found in self.notable_fastest
            if found.format == format_name
        }


def _accuracy_cells(column: str, accuracies: Mapping[str, float]) -> dict[str, float | None]:
    """Cells of one number, or of that of each output."""
    if len(accuracies) < 2:
        return dict.fromkeys([column], only(accuracies))
    return {f"{column}_{name}": accuracy for name, accuracy in accuracies.items()}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
