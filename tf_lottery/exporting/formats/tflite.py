"""TensorFlow Lite flatbuffers: 32-bit, sparse, and with 8-bit integers.

What TensorFlow 2.21's converter and interpreter were seen to do with sparse kernels:

- `EXPERIMENTAL_SPARSITY` encodes every kernel (Dense, all convolutions) below a density of about
  0.65 element by element, others not at all. The file shrinks to about the density plus an index
  per weight. When it is loaded, a DENSIFY operation makes the kernel dense again: time and memory
  are those of the dense network.
- Only where the weights of a Dense layer come and go in fours along the input is the kernel encoded
  in 1x4 blocks, with which the interpreter multiplies directly.
- Together with 8-bit weights, the default interpreter either refuses the file or, with blocks of
  1x16, computes wrong outputs. So there is no such format.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_lottery.exporting.formats.export_format import ExportFormat
from tf_lottery.exporting.network import ExportedNetwork

_LARGEST_CALIBRATION = 300


class TFLite(ExportFormat):
    """Weights and arithmetic of 32-bit floats."""

    name = "tflite"
    file_name = "model.tflite"
    runtime = "tflite"
    about = "TensorFlow Lite, 32-bit"

    def reason_unavailable(self, network: ExportedNetwork) -> str | None:
        """The converter comes with TensorFlow, today."""
        if not hasattr(getattr(tf, "lite", None), "TFLiteConverter"):
            return f"TensorFlow {tf.__version__} has no tf.lite.TFLiteConverter"
        return None

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Sets what is particular to the format."""

    def write(self, network: ExportedNetwork, path: Path) -> None:
        """Converts the network's SavedModel."""
        converter = tf.lite.TFLiteConverter.from_saved_model(str(network.saved_model))
        self.configure(converter, network)
        try:
            content = converter.convert()
        except Exception as error:  # Converter errors have no common class below Exception.
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"{self.name}: TensorFlow {tf.__version__} cannot convert {network.model.name}: "
                f"{reason}"
            ) from error
        path.write_bytes(content)

    def loading_code(self) -> str:
        """Loads it with TensorFlow's interpreter; ai-edge-litert has the same class."""
        return (
            "import tensorflow as tf\n\n"
            "# On devices: from ai_edge_litert.interpreter import Interpreter\n"
            f'interpreter = tf.lite.Interpreter("{self.file_name}")\n'
            "(given,) = interpreter.get_input_details()\n"
            "(result,) = interpreter.get_output_details()\n"
            'interpreter.resize_tensor_input(given["index"], inputs.shape)\n'
            "interpreter.allocate_tensors()\n"
            'interpreter.set_tensor(given["index"], inputs)\n'
            "interpreter.invoke()\n"
            'outputs = interpreter.get_tensor(result["index"])'
        )


class SparseTFLite(TFLite):
    """Kernels of few weights are stored sparse, and unpacked when the file is loaded."""

    name = "tflite_sparse"
    file_name = "model_sparse.tflite"
    about = "TensorFlow Lite, 32-bit, sparse kernels: a smaller file, unpacked when it is loaded"

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Asks for sparse kernels."""
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]


class DynamicRangeTFLite(TFLite):
    """8-bit weights; activations are rounded to 8 bits by their range in each call.

    The converter leaves kernels of fewer than 1,024 weights as they are.
    """

    name = "tflite_int8_dynamic"
    file_name = "model_int8_dynamic.tflite"
    quantized = True
    about = "TensorFlow Lite, 8-bit weights (dynamic range)"

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Asks for 8-bit weights."""
        converter.optimizations = [tf.lite.Optimize.DEFAULT]


class IntegerTFLite(TFLite):
    """8-bit weights and activations; inputs and outputs stay floats, as in the other formats."""

    name = "tflite_int8"
    file_name = "model_int8.tflite"
    quantized = True
    about = "TensorFlow Lite, 8-bit weights and activations; inputs and outputs are floats"

    def reason_unavailable(self, network: ExportedNetwork) -> str | None:
        """The ranges of activations must be known."""
        if network.representative is None:
            return "it needs representative=, inputs [examples, ...] as the network will see"
        return super().reason_unavailable(network)

    def configure(self, converter: "tf.lite.TFLiteConverter", network: ExportedNetwork) -> None:
        """Asks for integers in all operations, with ranges measured on the representative."""
        inputs = network.representative
        # Spread over all of them, which may be sorted by class.
        chosen = np.linspace(0, len(inputs) - 1, min(len(inputs), _LARGEST_CALIBRATION))

        def examples() -> Iterator[list[np.ndarray]]:
            for index in chosen.round().astype(int):
                yield [inputs[index : index + 1]]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
