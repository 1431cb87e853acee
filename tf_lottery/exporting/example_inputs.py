"""The inputs that exported files are run with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.exporting.plain_network import Arrays, NamedTensor, PlainNetwork, identifier

_RANDOM_EXAMPLES = 64
# Examples on which the network has to compute numbers before any file is written.
_CHECKED = 300


@dataclass(frozen=True)
class ExampleInputs:
    """Inputs, and perhaps labels, that files are verified and measured with.

    Attributes:
      inputs: `[examples, ...]` by the name of the input, of its type.
      labels: class numbers `[examples]` by the name of the output; those that are known.
      random: whether the inputs are random numbers.
    """

    inputs: Arrays
    labels: Arrays = field(default_factory=dict)
    random: bool = False

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(next(iter(self.inputs.values())))


def example_inputs(test_data: tuple[Any, Any] | None, network: PlainNetwork) -> ExampleInputs:
    """Checks test data, or draws inputs where there are none.

    Args:
      test_data: inputs and class numbers or None, as in `export`; None to draw standard normal
        inputs.
      network: the network.

    Raises:
      ValueError: if they do not fit the network or one another, or inputs cannot be drawn.
    """
    if test_data is None:
        return ExampleInputs(_drawn(network), random=True)
    if not isinstance(test_data, tuple | list) or len(test_data) != 2:
        raise ValueError("test_data must be a pair: inputs [examples, ...] and labels or None.")
    inputs = checked_inputs("test_data", test_data[0], network)
    given = _by_name("test_data: the labels", test_data[1], network.outputs, all_of_them=False)
    examples, outputs = len(next(iter(inputs.values()))), {o.name: o for o in network.outputs}
    labels = {
        name: _checked_labels(value, examples, outputs[name]) for name, value in given.items()
    }
    return ExampleInputs(inputs, labels)


def checked_inputs(argument: str, inputs: Any, network: PlainNetwork) -> dict[str, np.ndarray]:
    """Converts inputs to the network's types.

    Args:
      argument: what the user knows them by.
      inputs: `[examples, ...]` of the only input; or those of all inputs, in their order or by
        their names.
      network: the network.

    Raises:
      ValueError: if there are none, or the network does not take their shapes.
    """
    given = _by_name(f"{argument}: the inputs", inputs, network.inputs, all_of_them=True)
    arrays = {
        tensor.name: _checked_input(argument, given[tensor.name], tensor)
        for tensor in network.inputs
    }
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"{argument}: the inputs have {counts} examples; give as many of each.")
    return arrays


def _drawn(network: PlainNetwork) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    drawn = {}
    for tensor in network.inputs:
        shape = [size for size in tensor.shape if size is not None]
        if len(shape) < len(tensor.shape) or not np.issubdtype(tensor.dtype, np.floating):
            raise ValueError(
                f"test_data=None: {network.name} takes {tensor.name} {tensor}, for which no inputs "
                "can be drawn; give test_data=(inputs, None) with a few examples."
            )
        numbers = generator.standard_normal((_RANDOM_EXAMPLES, *shape))
        drawn[tensor.name] = numbers.astype(tensor.dtype)
    return drawn


def _by_name(
    what: str, given: Any, tensors: Sequence[NamedTensor], *, all_of_them: bool
) -> dict[str, Any]:
    """Arrays by the names of inputs or outputs, without those that are None."""
    names = [tensor.name for tensor in tensors]
    if isinstance(given, Mapping):
        by_name = {identifier(str(name)): value for name, value in given.items()}
    elif len(tensors) == 1:
        by_name = {names[0]: given}
    elif given is None or (isinstance(given, tuple | list) and len(given) == len(names)):
        by_name = dict(zip(names, given or (), strict=False))
    else:
        raise ValueError(
            f"{what} must be a list of {len(names)} arrays, or a dictionary, of {', '.join(names)}."
        )
    by_name = {name: value for name, value in by_name.items() if value is not None}
    unknown, missing = set(by_name) - set(names), set(names) - set(by_name)
    if unknown or (missing and all_of_them):
        raise ValueError(f"{what} are of {', '.join(by_name) or 'none'}, not {', '.join(names)}.")
    return by_name


def _checked_input(argument: str, given: Any, tensor: NamedTensor) -> np.ndarray:
    array = np.asarray(given)
    fits = array.ndim == 1 + len(tensor.shape) and all(
        size in (None, own) for size, own in zip(tensor.shape, array.shape[1:], strict=True)
    )
    if fits and not len(array):
        raise ValueError(f"{argument}: there are no examples of {tensor.name}; give at least one.")
    if not fits:
        sizes = ("any" if size is None else str(size) for size in tensor.shape)
        raise ValueError(
            f"{argument}: inputs have shape {array.shape}, but {tensor.name} takes "
            f"[{', '.join(['examples', *sizes])}]."
        )
    with np.errstate(invalid="ignore"):
        taken = array.astype(tensor.dtype)
    of_numbers = taken.dtype.kind in "iu" and array.dtype.kind in "iuf"
    if of_numbers and (changed := taken != array).any():
        raise ValueError(
            f"{argument}: {tensor.name} takes {taken.dtype}, which cannot hold "
            f"{array[changed][0]:.6g}; give numbers of that type."
        )
    return taken


def check_outputs(
    argument: str, network: PlainNetwork, inputs: Arrays, *, random: bool = False
) -> None:
    """Checks that a network computes numbers from the first of some inputs.

    Args:
      argument: what the user knows the inputs by.
      network: the network.
      inputs: `[examples, ...]` by name.
      random: whether they were drawn, for want of others.

    Raises:
      ValueError: if it cannot take them, or gives NaN or infinity.
    """
    remedy = "look for NaN in the inputs and in the weights"
    if random:
        remedy = (
            "it was given standard normal inputs; give test_data=(inputs, None) with a few "
            "examples, or look for NaN in the weights"
        )
    try:
        outputs = network.compute({name: array[:_CHECKED] for name, array in inputs.items()})
    except tf.errors.InvalidArgumentError as error:
        said = [line.strip() for line in error.message.splitlines() if "[[" not in line]
        raise ValueError(
            f"{argument}: {network.name} cannot be computed on these inputs: {said[-1]}."
        ) from error
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            raise ValueError(
                f"{argument}: {network.name} computes {name} that are not finite numbers; {remedy}."
            )


def _checked_labels(given: Any, examples: int, output: NamedTensor) -> np.ndarray:
    """Labels as class numbers; an output of one unit tells two classes."""
    labels = np.asarray(given)
    units = 1 if output.shape == () else output.shape[0] if len(output.shape) == 1 else None
    if not units:
        raise ValueError(
            f"test_data: the accuracy of {output.name}, which gives {output}, is not defined; give "
            "None for its labels."
        )
    classes = max(units, 2)
    if labels.shape == (examples, 1):
        labels = labels[:, 0]
    if labels.shape == (examples, classes):
        labels = _class_numbers(labels, output)
    if labels.ndim == 1 and (units == 1 or labels.dtype == bool):
        labels = _whole_numbers(labels, output)
    if labels.shape != (examples,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"test_data: labels are {labels.dtype} of shape {labels.shape}, but must be class "
            f"numbers of shape ({examples},), one per input, or {classes} columns of 0 and 1."
        )
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(
            f"test_data: there is the label {wrong}, but {output.name} tells {classes} classes "
            f"apart: labels must be 0 to {classes - 1}."
        )
    return labels


def _class_numbers(columns: np.ndarray, output: NamedTensor) -> np.ndarray:
    """The class of each row `[examples, classes]` of zeros and a one."""
    numbers = columns.argmax(axis=1)
    if not np.array_equal(columns, np.eye(columns.shape[1])[numbers]):
        raise ValueError(
            f"test_data: the labels of {output.name} have a column for each class, so each row "
            "must be one 1, and 0 otherwise; give None for labels of another kind."
        )
    return numbers


def _whole_numbers(labels: np.ndarray, output: NamedTensor) -> np.ndarray:
    """Truth values and floats such as 1.0 as integers."""
    whole = np.asarray(labels, np.int64) if labels.dtype.kind in "biuf" else labels
    if not np.array_equal(whole, labels):
        wrong = labels[whole != labels][0]
        raise ValueError(
            f"test_data: the accuracy of {output.name}, which gives one number, is not defined for "
            f"labels such as {wrong:.6g}; labels must be 0 or 1, or None."
        )
    return whole
