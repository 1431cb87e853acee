"""ONNX, which many runtimes read: for reach, as zeros save no time in it."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from tf_lottery.exporting.formats.export_format import ExportFormat, register_export_format
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork


@register_export_format
class Onnx(ExportFormat):
    """Weights and arithmetic of 32-bit floats, for any number of examples."""

    name = "onnx"
    file_name = "model.onnx"
    runtime = "onnx"
    about = "ONNX, 32-bit; zeros save no time, and bytes only if compressed"
    place = 8
    by_default = False
    packages = ("onnx", "tf2onnx", "onnxruntime")
    extra = "onnx"

    def write(self, network: ExportedNetwork, path: Path) -> None:
        """Converts the signature of the network's SavedModel with tf2onnx."""
        with _errors() as errors:
            try:
                # Not `from_function`, which takes constants that a layer holds for inputs.
                graph, inputs, outputs, names = import_module("tf2onnx.tf_loader").from_saved_model(
                    str(network.saved_model),
                    None,
                    None,
                    tag=["serve"],
                    signatures=["serving_default"],
                    return_tensors_to_rename=True,
                )
                model, _ = import_module("tf2onnx.convert").from_graph_def(
                    graph,
                    name=network.plain.name,
                    input_names=inputs,
                    output_names=outputs,
                    tensors_to_rename=names,
                )
                content = model.SerializeToString()
            except Exception as error:  # Its errors have no common class below Exception.
                errors.append(str(error).strip().partition("\n")[0])
        if errors:
            # The last one sums up those before it.
            raise ValueError(
                f"{self.name}: tf2onnx cannot convert {network.plain.name}: {errors[-1]}"
            )
        path.write_bytes(content)

    def loading_code(self, network: PlainNetwork) -> str:
        """Loads it with ONNX Runtime."""
        load = (
            "import onnxruntime\n\n"
            f'session = onnxruntime.InferenceSession("{self.file_name}", '
            'providers=["CPUExecutionProvider"])\n'
        )
        if network.is_simple:
            return f'{load}(outputs,) = session.run(None, {{"{network.inputs[0].name}": inputs}})'
        names = json.dumps([tensor.name for tensor in network.outputs])
        return f"{load}names = {names}\noutputs = dict(zip(names, session.run(names, inputs)))"


@contextmanager
def _errors() -> Iterator[list[str]]:
    """Collects what tf2onnx logs as errors, such as operations that it does not know."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger, collector = logging.getLogger("tf2onnx"), Collector(logging.ERROR)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagated
