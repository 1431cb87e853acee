"""README.md of an export: what the network is, how it was found, how its files are loaded."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
import tf_keras as keras

from tf_lottery import __version__
from tf_lottery.exporting.example_inputs import ExampleInputs
from tf_lottery.exporting.export_report import ExportReport, FormatResult
from tf_lottery.exporting.formats import FORMATS
from tf_lottery.exporting.ticket_source import Provenance

CARD = "README.md"
_UNKNOWN = "-"


def write_card(
    path: Path,
    report: ExportReport,
    model: keras.Model,
    examples: ExampleInputs,
    provenance: Provenance | None,
) -> None:
    """Writes the model card.

    Args:
      path: the file.
      report: what was exported and found.
      model: the plain network.
      examples: what the files were verified with.
      provenance: how the network was found; None for a model in memory.
    """
    sections = [
        _network(report, model, provenance),
        _accuracy(report, examples),
        _files(report.formats),
        _loading(report.formats, model),
        _densities(report),
        _origin(provenance),
    ]
    path.write_text("\n\n".join(filter(None, sections)) + "\n", encoding="utf-8", newline="\n")


def _network(report: ExportReport, model: keras.Model, provenance: Provenance | None) -> str:
    remaining = sum(left for left, _ in report.layers.values())
    total = sum(size for _, size in report.layers.values())
    weights = f"{remaining:,} of its {total:,} prunable weights" if total else "no prunable weights"
    trained = f" for the dataset {provenance.dataset}" if provenance else ""
    return (
        f"# {model.name}\n\nA network{trained} of {model.count_params():,} parameters, with "
        f"{weights} ({_percent(report.density)}) left; the others are 0. It maps inputs "
        f"{_shape(model.input_shape)} of {model.inputs[0].dtype.name} to outputs "
        f"{_shape(model.output_shape)}. Written with tf_lottery {__version__} and TensorFlow "
        f"{tf.__version__}."
    )


def _accuracy(report: ExportReport, examples: ExampleInputs) -> str:
    if report.accuracy is None:
        return ""
    rows = [("this network", _percent(report.accuracy))]
    if report.dense_accuracy is not None:
        rows.append(("the dense network", _percent(report.dense_accuracy)))
    title = f"accuracy on {len(examples.inputs):,} test examples"
    return "## Accuracy\n\n" + _table(("", title), rows)


def _files(results: Sequence[FormatResult]) -> str:
    header = ("file", "format", "bytes", "compressed", "accuracy", "largest difference")
    rows = [
        (
            f"`{result.file}`",
            FORMATS[result.format].about,
            f"{result.size.bytes:,}",
            f"{result.size.compressed_bytes:,}",
            _percent(result.verification.accuracy),
            f"{result.verification.largest_difference:.2g}",
        )
        for result in results
        if result.file
    ]
    text = (
        "## Files\n\nEach was run without tf_lottery. The difference is the largest to any output "
        "of the network itself; `export.csv` has more.\n\n" + _table(header, rows)
    )
    skipped = [f"- {result.format}: {result.skipped}" for result in results if result.skipped]
    return text + ("\n\nNot written:\n\n" + "\n".join(skipped) if skipped else "")


def _loading(results: Sequence[FormatResult], model: keras.Model) -> str:
    shape, dtype = _shape(model.input_shape), model.inputs[0].dtype.name
    text = f"## Loading\n\n`inputs` is a NumPy array {shape} of {dtype}."
    files_of_codes: dict[str, list[str]] = {}
    for result in results:
        if result.file:
            code = FORMATS[result.format].loading_code().replace(f'"{result.file}"', "{file}")
            files_of_codes.setdefault(code, []).append(result.file)
    for code, files in files_of_codes.items():
        others = ", ".join(f"`{file}`" for file in files[1:])
        title = f"`{files[0]}`" + (f", and likewise {others}" if others else "")
        code = code.replace("{file}", f'"{files[0]}"')
        text += f"\n\n{title}:\n\n```python\n{code}\n```"
    return text


def _densities(report: ExportReport) -> str:
    rows = [
        (name, f"{total:,}", f"{remaining:,}", _percent(remaining / total))
        for name, (remaining, total) in report.layers.items()
    ]
    if not rows:
        return ""
    return "## Densities\n\n" + _table(("kernel", "weights", "remaining", "density"), rows)


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


def _shape(shape: Sequence[int | None]) -> str:
    return f"[{', '.join(['batch', *(str(size) for size in shape[1:])])}]"
