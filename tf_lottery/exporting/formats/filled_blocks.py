"""Sparse kernels of which TensorFlow 2.21's converter drops weights, and how it keeps them.

Of a Dense kernel that it encodes in blocks it encodes whole blocks alone: with 30 inputs in blocks
of four, 28. Here such a layer gets inputs of zero, which fill the last block.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tf_lottery.private_names import private_names
from tf_lottery.pruning.structures import BLOCK

with private_names("tensorflow"):
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.python.convert import mlir_sparsify
    from tensorflow.lite.tools import flatbuffer_utils


def with_whole_blocks(sparse: bytes, convert_dense: Callable[[], bytes]) -> bytes:
    """Encodes a network again, with filled blocks, if weights were dropped.

    Args:
      sparse: a TensorFlow Lite file with sparse 32-bit kernels.
      convert_dense: gives the same network with all kernels dense.
    """
    cut_short = _layers_cut_short(sparse)
    return mlir_sparsify(_with_filled_blocks(convert_dense(), cut_short)) if cut_short else sparse


def _layers_cut_short(sparse: bytes) -> set[tuple[int, int]]:
    """Numbers of the graphs, and of their Dense layers, with blocks that do not fit the inputs."""
    model = flatbuffer_utils.read_model_from_bytearray(sparse)
    found = set()
    for graph_number, graph in enumerate(model.subgraphs):
        for number, operator in enumerate(_dense_layers(model, graph)):
            kernel = graph.tensors[operator.inputs[1]]
            in_blocks = kernel.sparsity is not None and kernel.sparsity.blockMap is not None
            if in_blocks and kernel.shape[-1] % BLOCK:
                found.add((graph_number, number))
    return found


def _with_filled_blocks(dense: bytes, layers: set[tuple[int, int]]) -> bytes:
    model = flatbuffer_utils.read_model_from_bytearray(dense)
    pad = schema.OperatorCodeT()
    pad.builtinCode = pad.deprecatedBuiltinCode = schema.BuiltinOperator.PAD
    pad.version = 1
    model.operatorCodes.append(pad)
    for graph_number, graph in enumerate(model.subgraphs):
        for number, operator in enumerate(_dense_layers(model, graph)):
            if (graph_number, number) in layers:
                missing = -graph.tensors[operator.inputs[1]].shape[-1] % BLOCK
                operator.inputs = np.array(
                    [
                        _padded_input(model, graph, operator, missing),
                        _padded_kernel(model, graph, operator, missing),
                        *operator.inputs[2:],
                    ],
                    np.int32,
                )
    return flatbuffer_utils.convert_object_to_bytearray(model)


def _dense_layers(model: Any, graph: Any) -> list[Any]:
    code = schema.BuiltinOperator.FULLY_CONNECTED
    return [
        operator
        for operator in graph.operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode == code
    ]


def _padded_input(model: Any, graph: Any, operator: Any, missing: int) -> int:
    """Puts zeros behind what a layer takes; returns the number of the longer tensor."""
    taken = operator.inputs[0]
    tensor = graph.tensors[taken]
    widths = np.zeros([len(tensor.shape), 2], np.int32)
    widths[-1, 1] = missing
    amounts = _add_tensor(
        graph,
        tensor.name + b"/padding",
        widths.shape,
        schema.TensorType.INT32,
        _add_buffer(model, widths),
    )
    shape = [*tensor.shape[:-1], tensor.shape[-1] + missing]
    padded = _add_tensor(
        graph, tensor.name + b"/padded", shape, tensor.type, _add_buffer(model, None)
    )
    if tensor.shapeSignature is not None:
        signature = [*tensor.shapeSignature[:-1], shape[-1]]
        graph.tensors[padded].shapeSignature = np.array(signature, np.int32)

    pad = schema.OperatorT()
    pad.opcodeIndex = len(model.operatorCodes) - 1
    pad.inputs = np.array([taken, amounts], np.int32)
    pad.outputs = np.array([padded], np.int32)
    pad.builtinOptionsType = schema.BuiltinOptions.PadOptions
    pad.builtinOptions = schema.PadOptionsT()
    graph.operators.insert(graph.operators.index(operator), pad)
    return padded


def _padded_kernel(model: Any, graph: Any, operator: Any, missing: int) -> int:
    """Adds a kernel with inputs of weight 0; returns its number."""
    kernel = graph.tensors[operator.inputs[1]]
    values = np.asarray(model.buffers[kernel.buffer].data, np.uint8).view(np.float32)
    padded = np.pad(values.reshape(kernel.shape), ((0, 0), (0, missing)))
    return _add_tensor(
        graph, kernel.name + b"/padded", padded.shape, kernel.type, _add_buffer(model, padded)
    )


def _add_tensor(graph: Any, name: bytes, shape: Any, kind: int, buffer: int) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = name, kind, buffer
    tensor.shape = np.array(shape, np.int32)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _add_buffer(model: Any, values: np.ndarray | None) -> int:
    buffer = schema.BufferT()
    if values is not None:
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1
