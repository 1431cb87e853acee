"""The inputs that exported files are run with."""

from dataclasses import dataclass

import numpy as np
import tf_keras as keras

_RANDOM_EXAMPLES = 64
# Where the network leaves a dimension open.
_RANDOM_SIZE = 32


@dataclass(frozen=True)
class ExampleInputs:
    """Inputs, and perhaps labels, that files are verified and measured with.

    Attributes:
      inputs: `[examples, ...]`, of the network's dtype.
      labels: class numbers `[examples]`; None if they are not known.
      random: whether the inputs are random numbers.
    """

    inputs: np.ndarray
    labels: np.ndarray | None = None
    random: bool = False


def example_inputs(
    test_data: tuple[np.ndarray, np.ndarray | None] | None, model: keras.Model
) -> ExampleInputs:
    """Checks test data, or draws inputs where there are none.

    Args:
      test_data: inputs and class numbers or None; None to draw standard normal inputs.
      model: the network.

    Raises:
      ValueError: if they do not fit the network or one another.
    """
    if test_data is None:
        shape = [size or _RANDOM_SIZE for size in model.input_shape[1:]]
        drawn = np.random.default_rng(0).standard_normal((_RANDOM_EXAMPLES, *shape))
        # Inputs that are not floats are indices, and 0 is always one.
        dtype = np.dtype(model.inputs[0].dtype.as_numpy_dtype)
        drawn = drawn if np.issubdtype(dtype, np.floating) else np.zeros_like(drawn)
        return ExampleInputs(drawn.astype(dtype), random=True)
    if not isinstance(test_data, tuple | list) or len(test_data) != 2:
        raise ValueError("test_data must be a pair: inputs [examples, ...] and labels or None.")
    inputs = checked_inputs("test_data", test_data[0], model)
    if test_data[1] is None:
        return ExampleInputs(inputs)
    return ExampleInputs(inputs, _checked_labels(np.asarray(test_data[1]), len(inputs), model))


def checked_inputs(argument: str, inputs: np.ndarray, model: keras.Model) -> np.ndarray:
    """Converts inputs to the network's dtype.

    Args:
      argument: what the user knows them by.
      inputs: `[examples, ...]`.
      model: the network.

    Raises:
      ValueError: if there are none, or the network does not take their shape.
    """
    inputs, shape = np.asarray(inputs), model.input_shape[1:]
    fits = inputs.ndim == 1 + len(shape) and all(
        size in (None, given) for size, given in zip(shape, inputs.shape[1:], strict=True)
    )
    if not fits or not len(inputs):
        raise ValueError(
            f"{argument}: inputs have shape {inputs.shape}, but {model.name} takes "
            f"[examples, {', '.join(map(str, shape))}]."
        )
    return inputs.astype(model.inputs[0].dtype.as_numpy_dtype)


def _checked_labels(labels: np.ndarray, examples: int, model: keras.Model) -> np.ndarray:
    if len(model.output_shape) != 2 or (model.output_shape[1] or 0) < 2:
        raise ValueError(
            f"test_data: the accuracy of {model.name}, whose outputs have shape "
            f"{model.output_shape}, is not defined; give None for the labels."
        )
    if labels.shape != (examples,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"test_data: labels are {labels.dtype} of shape {labels.shape}, but must be class "
            f"numbers of shape ({examples},), one per input."
        )
    classes = model.output_shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(
            f"test_data: there is the label {wrong}, but {model.name} has {classes} outputs: "
            f"labels must be 0 to {classes - 1}."
        )
    return labels
