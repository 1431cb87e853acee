"""How a TensorFlow Lite file stores its kernels, and whether they are multiplied as they are."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tf_lottery.private_names import private_names

with private_names("tensorflow"):
    from tensorflow.lite.python import schema_py_generated as schema

_OPERATIONS = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if name[0] != "_"
}
_UNPACKING = "DENSIFY"
_PRODUCTS = {
    "BATCH_MATMUL",
    "CONV_2D",
    "CONV_3D",
    "CONV_3D_TRANSPOSE",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
}


class Storage(StrEnum):
    """What becomes of a stored kernel, in words that follow "is"."""

    COMPUTED_SPARSE = "computed sparse"
    UNPACKED = "unpacked when loaded"
    DENSE = "stored dense"


@dataclass(frozen=True)
class StoredKernel:
    """A kernel in a file.

    Attributes:
      name: that of the tensor in the file; the converter gives some kernels names of its own.
      shape: as it is stored: `[units, inputs]` of a Dense layer.
      storage: whether it is sparse, and stays so when it is loaded.
    """

    name: str
    shape: tuple[int, ...]
    storage: Storage


def stored_kernels(path: Path) -> tuple[StoredKernel, ...]:
    """Lists the kernels of a TensorFlow Lite file, in the order in which they are used.

    What the file says holds for the interpreter's builtin operations. XNNPACK may, on ARM, multiply
    sparse convolutions that would be unpacked.

    Args:
      path: the file.
    """
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    graphs = [model.Subgraphs(number) for number in range(model.SubgraphsLength())]
    return tuple(kernel for graph in graphs for kernel in _kernels(model, graph))


def kernels_in_words(kernels: Sequence[StoredKernel]) -> str | None:
    """Says how many kernels are computed sparse; None if none of them is even stored so."""
    counts = Counter(kernel.storage for kernel in kernels)
    sparse, unpacked, dense = (counts[storage] for storage in Storage)
    if not sparse + unpacked:
        return None
    words = f"{sparse} of {len(kernels)} kernels {_is(sparse)} {Storage.COMPUTED_SPARSE}"
    for count, storage in ((unpacked, Storage.UNPACKED), (dense, Storage.DENSE)):
        words += f", {count} {_is(count)} {storage}" if count else ""
    return words


def _kernels(model: Any, graph: Any) -> Iterator[StoredKernel]:
    unpacked_from: dict[int, int] = {}
    seen = set()
    for operation, taken, given in _operations(model, graph):
        if operation == _UNPACKING:
            unpacked_from[given[0]] = taken[0]
            continue
        for number in taken:
            stored = unpacked_from.get(number, number)
            tensor = graph.Tensors(stored)
            is_sparse = tensor.Sparsity() is not None
            # Biases have one axis; what is computed has no data in the file.
            is_dense_kernel = (
                operation in _PRODUCTS
                and tensor.ShapeLength() > 1
                and model.Buffers(tensor.Buffer()).DataLength() > 0
            )
            if stored in seen or not (is_sparse or is_dense_kernel):
                continue
            seen.add(stored)
            storage = Storage.COMPUTED_SPARSE if is_sparse else Storage.DENSE
            yield _stored_kernel(tensor, storage if stored == number else Storage.UNPACKED)


def _operations(model: Any, graph: Any) -> Iterator[tuple[str, list[int], list[int]]]:
    """Gives every operation's name, and the numbers of the tensors that it takes and gives."""
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        taken = [operator.Inputs(at) for at in range(operator.InputsLength())]
        given = [operator.Outputs(at) for at in range(operator.OutputsLength())]
        # An input that is left out has the number -1.
        yield _OPERATIONS[code], [tensor for tensor in taken if tensor >= 0], given


def _stored_kernel(tensor: Any, storage: Storage) -> StoredKernel:
    # Of the names of all operations that were fused, the first.
    name = tensor.Name().decode().partition(";")[0]
    return StoredKernel(name, tuple(map(int, tensor.ShapeAsNumpy())), storage)


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
