"""README.md of an export: what the network is, how it was found, how its files are loaded."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tf_lottery import __version__
from tf_lottery.exporting.compaction import CompactedLayer
from tf_lottery.exporting.export_report import ExportReport, FormatResult
from tf_lottery.exporting.formats import format_faults_named, known_formats
from tf_lottery.exporting.plain_network import NamedTensor, PlainNetwork
from tf_lottery.exporting.stored_kernels import kernels_in_words
from tf_lottery.exporting.ticket_source import Provenance

_UNKNOWN = "-"


def write_card(
    path: Path, report: ExportReport, network: PlainNetwork, provenance: Provenance | None
) -> None:
    """Writes the model card.

    Args:
      path: the file.
      report: what was exported and found.
      network: the network in the files.
      provenance: how the ticket was found; None for a model in memory.
    """
    sections = [
        _network(report, network, provenance),
        _accuracy(report),
        _files(report),
        _speed(report),
        _sparse_kernels(report.formats),
        _loading(report.formats, network),
        _arithmetic(report),
        _densities(report),
        _compaction(report),
        _origin(provenance),
    ]
    path.write_text("\n\n".join(filter(None, sections)) + "\n", encoding="utf-8", newline="\n")


def _network(report: ExportReport, network: PlainNetwork, provenance: Provenance | None) -> str:
    remaining = sum(left for left, _ in report.layers.values())
    total = sum(size for _, size in report.layers.values())
    weights = f"{remaining:,} of its {total:,} prunable weights" if total else "no prunable weights"
    trained = f" for the dataset {provenance.dataset}" if provenance and provenance.dataset else ""
    before, fate = network.parameters, "the others are 0"
    if report.compaction:
        before = report.compaction.parameters_before
        fate = (
            "the others are 0. Units without effect were removed, which leaves "
            f"{network.parameters:,} parameters"
        )
    return (
        f"# {network.name}\n\nA network{trained} of {before:,} parameters, with {weights} "
        f"({_percent(report.density)}) left; {fate}. It maps {_tensors(network.inputs)} to "
        f"{_tensors(network.outputs)}. {_classes(provenance)}{_precision(report)}"
        f"Written with tf_lottery {__version__} and TensorFlow {tf.__version__}."
    )


def _classes(provenance: Provenance | None) -> str:
    if provenance is None or provenance.class_names is None:
        return ""
    return f"The outputs stand for the classes {', '.join(provenance.class_names)}, in this order. "


def _precision(report: ExportReport) -> str:
    if report.precision is None:
        return ""
    return (
        f"It was trained with the dtype policy {', '.join(report.precision.policies)}; the files "
        "compute in float32, which changes outputs by up to "
        f"{report.precision.largest_difference:.2g}. "
    )


def _accuracy(report: ExportReport) -> str:
    rows = []
    trained = ", as trained" if report.precision else ""
    for name, accuracy in report.accuracies.items():
        output = f", {name}" if len(report.accuracies) > 1 else ""
        rows.append((f"this network{trained}{output}", _percent(accuracy)))
        if report.precision:
            in_float32 = _percent(report.precision.accuracies[name])
            rows.append((f"this network, in float32{output}", in_float32))
        if report.dense_accuracies:
            dense = "the dense network" + (", in float32" if report.precision else "")
            rows.append((f"{dense}{output}", _percent(report.dense_accuracies[name])))
    if not rows:
        return ""
    table = _table(("", f"accuracy on {report.examples:,} test examples"), rows)
    thresholds = [
        f"\n\n`{name}` tells class 1 where it is above {threshold:g}, else class 0."
        for name, threshold in report.thresholds.items()
    ]
    return "".join(["## Accuracy\n\n", table, *thresholds])


def _files(report: ExportReport) -> str:
    written = [
        (result, result.size, result.verification)
        for result in report.formats
        if result.file and result.size and result.verification
    ]
    outputs = list(written[0][2].accuracies) if written else []
    titles = [f"accuracy, {name}" for name in outputs] if len(outputs) > 1 else ["accuracy"]
    header = ("file", "format", "bytes", "compressed", *titles, "largest difference")
    rows = [
        (
            f"`{result.file}`",
            _about(result),
            f"{size.bytes:,}",
            f"{size.compressed_bytes:,}",
            *[_percent(verification.accuracies[name]) for name in outputs],
            *([] if outputs else [_UNKNOWN]),
            f"{verification.largest_difference:.2g}",
        )
        for result, size, verification in written
    ]
    compared = "in float32" if report.precision else "itself"
    text = (
        "## Files\n\nEach was run without tf_lottery. The difference is the largest to any output "
        f"of the network {compared}; `export.csv` has more.\n\n" + _table(header, rows)
    )
    skipped = [
        f"- {result.format}: {result.skipped}" for result in report.formats if result.skipped
    ]
    return text + ("\n\nNot written:\n\n" + "\n".join(skipped) if skipped else "")


def _speed(report: ExportReport) -> str:
    sentences = [f"- {found.in_words()}" for found in report.notable_fastest]
    if not sentences:
        return ""
    return "## Speed\n\nMeasured on the CPU of the machine that wrote the files:\n\n" + "\n".join(
        sentences
    )


def _sparse_kernels(results: Sequence[FormatResult]) -> str:
    """How the kernels are stored in the files in which some are sparse."""
    header = ("kernel, as named in the file", "shape", "what becomes of it")
    tables = [
        f"## Kernels of `{result.file}`\n\n"
        + _table(
            header,
            [
                (f"`{kernel.name}`", "x".join(map(str, kernel.shape)), kernel.storage)
                for kernel in result.kernels
            ],
        )
        for result in results
        if kernels_in_words(result.kernels)
    ]
    return "\n\n".join(tables)


def _loading(results: Sequence[FormatResult], network: PlainNetwork) -> str:
    arrays = f"`inputs` is a NumPy array {network.inputs[0]}."
    if not network.is_simple:
        arrays = (
            "`inputs` and `outputs` are dictionaries of NumPy arrays: "
            f"{_tensors(network.inputs)} to {_tensors(network.outputs)}."
        )
    text = f"## Loading\n\n{arrays}"
    files_of_codes: dict[tuple[str, str | None], list[str]] = {}
    for result in results:
        if result.file:
            kind = known_formats()[result.format]
            with format_faults_named(kind):
                code = kind.loading_code(network)
            code = code.replace(f'"{result.file}"', "{file}")
            files_of_codes.setdefault((code, result.remark), []).append(result.file)
    for (code, remark), files in files_of_codes.items():
        others = ", ".join(f"`{file}`" for file in files[1:])
        title = f"`{files[0]}`" + (f", and likewise {others}" if others else "")
        title += f" ({remark})" if remark else ""
        code = code.replace("{file}", f'"{files[0]}"')
        text += f"\n\n{title}:\n\n```python\n{code}\n```"
    return text


def _arithmetic(report: ExportReport) -> str:
    sentences = "" if report.arithmetic is None else str(report.arithmetic)
    return f"## Arithmetic\n\n{sentences}" if sentences else ""


def _densities(report: ExportReport) -> str:
    rows = [
        (name, f"{total:,}", f"{remaining:,}", _percent(remaining / total))
        for name, (remaining, total) in report.layers.items()
    ]
    if not rows:
        return ""
    return "## Densities\n\n" + _table(("kernel", "weights", "remaining", "density"), rows)


def _compaction(report: ExportReport) -> str:
    if report.compaction is None:
        return ""

    def row(layer: CompactedLayer) -> tuple[str, ...]:
        counts = (layer.units_before, layer.units, layer.parameters_before, layer.parameters)
        return (layer.name, *(f"{count:,}" for count in counts), layer.left)

    header = ("layer", "units before", "units", "parameters before", "parameters", "not removed")
    return (
        "## What was removed\n\nUnits that pruning had left without effect, so that the outputs "
        "are the same up to rounding:\n\n" + _table(header, [*map(row, report.compaction.layers)])
    )


def _origin(provenance: Provenance | None) -> str:
    if provenance is None:
        return ""
    return (
        f"## How it was found\n\nLevel {provenance.level} of the experiment with these flags of "
        f"tf_lottery:\n\n```\n{provenance.flags.strip()}\n```"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(fraction: float | None) -> str:
    return _UNKNOWN if fraction is None else f"{100 * fraction:.4g}%"


def _tensors(tensors: Sequence[NamedTensor]) -> str:
    return ", ".join(f"`{tensor.name}` {tensor}" for tensor in tensors)


def _about(result: FormatResult) -> str:
    about = known_formats()[result.format].about
    return f"{about}; {result.remarks}" if result.remarks else about
