"""TensorFlow Lite flatbuffers: 32-bit, sparse, and with 8-bit integers.

What TensorFlow 2.21's converter and LiteRT 2.3's interpreter were seen to do with sparse kernels:

- `EXPERIMENTAL_SPARSITY` encodes every kernel (Dense, all convolutions) below a density of about
  0.65 element by element, others not at all. The file shrinks to about the density plus an index
  per weight. When it is loaded, a DENSIFY operation makes the kernel dense again: time and memory
  are those of the dense network.
- Kernels of Dense layers are encoded in blocks of 1x4 along the input instead, where more than 0.9
  of the zeros are in blocks of zeros: below a density of about 3.4% for scattered weights, at any
  for weights pruned in such blocks. The interpreter multiplies with them as they are, in less time
  than dense ones up to about 13% (32 examples) or 20% (one example) of the blocks.
- XNNPACK computes 1x1 convolutions sparse on ARM, in networks that it can lay out by channels, but
  not on x86 CPUs with AVX.
- Recurrent layers become loops over lists of arrays, or fused operations, whose sizes must be
  known: they are converted for one example at a time.
- Fused recurrent layers go on with the states of the call before, unless they are reset.
- Measuring the ranges of activations in loops ends the process (SIGSEGV).
- Together with 8-bit weights, the default interpreter either refuses the file or, with blocks of
  1x16, computes wrong outputs. So there is no such format.
"""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.exporting.formats.export_format import ExportFormat, register_export_format
from tf_lottery.exporting.formats.filled_blocks import with_whole_blocks
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork
from tf_lottery.masking.keras_versions import keras_class_names
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.private_names import private_names
from tf_lottery.startup import silent_stderr

with private_names("tensorflow"):
    from tensorflow.lite.python import schema_py_generated

_LARGEST_CALIBRATION = 300
_ALLOCATE = "interpreter.allocate_tensors()\n"
_RESET = (
    "# Before each call, or recurrent layers go on with the states of the one before.\n"
    "interpreter.reset_all_variables()\n"
)
_ONE_BY_ONE = "takes one example at a time"
_NEEDS_RANGES = "it needs representative=, inputs [examples, ...] as the network will see"


@register_export_format
class TFLite(ExportFormat):
    """Weights and arithmetic of 32-bit floats."""

    name = "tflite"
    file_name = "model.tflite"
    runtime = "tflite"
    about = "TensorFlow Lite, 32-bit"
    place = 4

    def reason_unavailable(self, network: ExportedNetwork) -> str | None:
        """The converter comes with TensorFlow, today."""
        if not hasattr(getattr(tf, "lite", None), "TFLiteConverter"):
            return f"TensorFlow {tf.__version__} has no tf.lite.TFLiteConverter"
        return None

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Sets what is particular to the format."""

    def write(self, network: ExportedNetwork, path: Path) -> str | None:
        """Converts the network's SavedModel, for one example at a time if it must be so."""
        try:
            content, remark = self._converted(network, network.saved_model), None
        except ValueError:
            content = self._converted(network, network.saved_model_of_one)
            remark = _ONE_BY_ONE
        path.write_bytes(content)
        return remark

    def loading_code(self, network: PlainNetwork) -> str:
        """Loads it with LiteRT's interpreter, which needs no TensorFlow."""
        call = "run(**inputs)"
        if network.is_simple:
            (given,), (result,) = network.inputs, network.outputs
            call = f'run({given.name}=inputs)["{result.name}"]'
        is_recurrent = _is_recurrent(network.model)
        return (
            "from ai_edge_litert.interpreter import Interpreter\n\n"
            f'interpreter = Interpreter("{self.file_name}")\n'
            f"{_ALLOCATE if is_recurrent else ''}"
            'run = interpreter.get_signature_runner("serving_default")\n'
            f"{_RESET if is_recurrent else ''}"
            f"outputs = {call}"
        )

    def _converted(self, network: ExportedNetwork, saved_model: Path) -> bytes:
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
        self.configure(converter, network)
        try:
            with warnings.catch_warnings(), silent_stderr():
                # The class that calibrates will move to another package.
                warnings.filterwarnings(
                    "ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated"
                )
                return converter.convert()
        except Exception as error:  # Converter errors have no common class below Exception.
            raise self._error(network, _reason(error)) from error

    def _error(self, network: ExportedNetwork, reason: str) -> ValueError:
        return ValueError(
            f"{self.name}: TensorFlow {tf.__version__} cannot convert {network.plain.name}: "
            f"{reason}"
        )


@register_export_format
class SparseTFLite(TFLite):
    """Kernels of few weights are stored sparse; `stored_kernels` tells which are computed so."""

    name = "tflite_sparse"
    file_name = "model_sparse.tflite"
    about = "TensorFlow Lite, 32-bit, kernels of few weights stored sparse"
    place = 5

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Asks for sparse kernels."""
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]

    def _converted(self, network: ExportedNetwork, saved_model: Path) -> bytes:
        sparse = super()._converted(network, saved_model)
        return with_whole_blocks(sparse, lambda: TFLite()._converted(network, saved_model))


@register_export_format
class DynamicRangeTFLite(TFLite):
    """8-bit weights; activations are rounded to 8 bits by their range in each call.

    The converter leaves kernels of fewer than 1,024 weights as they are.
    """

    name = "tflite_int8_dynamic"
    file_name = "model_int8_dynamic.tflite"
    quantized = True
    about = "TensorFlow Lite, 8-bit weights (dynamic range)"
    place = 6

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Asks for 8-bit weights."""
        converter.optimizations = [tf.lite.Optimize.DEFAULT]


@register_export_format
class IntegerTFLite(TFLite):
    """8-bit weights and activations; inputs and outputs stay floats, as in the other formats."""

    name = "tflite_int8"
    file_name = "model_int8.tflite"
    quantized = True
    about = "TensorFlow Lite, 8-bit weights and activations; inputs and outputs are floats"
    place = 7

    def reason_unavailable(self, network: ExportedNetwork) -> str | None:
        """The ranges of activations must be known."""
        if network.representative is None:
            return _NEEDS_RANGES
        return super().reason_unavailable(network)

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Asks for integers in all operations, with ranges measured on the representative."""
        inputs = network.representative
        if inputs is None:
            raise ValueError(f"{self.name}: {_NEEDS_RANGES}")
        count = len(next(iter(inputs.values())))
        # Spread over all of them, which may be sorted by class.
        chosen = np.linspace(0, count - 1, min(count, _LARGEST_CALIBRATION))

        def examples() -> Iterator[dict[str, np.ndarray]]:
            for at in chosen.round().astype(int):
                yield {name: array[at : at + 1] for name, array in inputs.items()}

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    def _converted(self, network: ExportedNetwork, saved_model: Path) -> bytes:
        content = TFLite()._converted(network, saved_model)
        # Bodies of loops are graphs of their own.
        if schema_py_generated.Model.GetRootAs(content, 0).SubgraphsLength() > 1:
            raise self._error(network, "ranges of activations in loops cannot be measured")
        return super()._converted(network, saved_model)


def _reason(error: Exception) -> str:
    """The first line of an error, without the places in the converter's code that it names."""
    line = str(error).strip().partition("\n")[0]
    return re.sub(r"<unknown>:\d+: error: (loc\(.*\): )?", " ", line).strip()


def _is_recurrent(model: Any) -> bool:
    return any("RNN" in keras_class_names(layer) for _, layer in leaf_layers(model))
