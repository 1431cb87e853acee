"""Tickets for PyTorch: their weights and masks as the `state_dict` of the same network has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.config.arguments import check_mapping, check_path, refusal
from tf_lottery.exporting.compaction.calls import read_calls
from tf_lottery.exporting.torch_layout import (
    TorchArray,
    feature_orders,
    same_order,
    torch_arrays,
)
from tf_lottery.masking.copies import plain_copy
from tf_lottery.masking.keras_versions import is_graph, is_layer, is_model, keras_class_names
from tf_lottery.masking.layers import keras_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, masked_variables, set_mask
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.tickets.journal import TicketWeights
from tf_lottery.tickets.load import load_ticket

_OF_MASK = "_mask"
_SUFFIXES = (".safetensors", ".npz")


@dataclass(frozen=True)
class TorchTicket:
    """A ticket in PyTorch's layout.

    ```python
    ticket = tf_lottery.to_torch("runs/digits_lenet/replicate_1", level=3)
    tensors = {name: torch.from_numpy(array) for name, array in ticket.weights.items()}
    network.load_state_dict(tensors)  # a torch.nn.Module with layers of the same names
    ```

    Attributes:
      weights: arrays by name, such as "conv_1.weight" `[out, in, height, width]`; pruned weights
        are 0.0.
      masks: True where a weight remains, by names and in shapes of `weights`; as
        `torch.nn.utils.prune.custom_from_mask` takes them.
      pixels: mean and deviation that the network standardises its inputs with, `[channels]`, or
        None if it has no such layer first: to PyTorch come `(inputs - mean) / deviation`.
    """

    weights: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray]
    pixels: tuple[np.ndarray, np.ndarray] | None = None

    def save(self, path: str | Path) -> None:
        """Writes weights, and masks as NAME_mask, to a .safetensors or .npz file.

        Args:
          path: the file; one that is there is replaced.

        Raises:
          ValueError: if the name ends otherwise, or the package safetensors is missing.
        """
        file = _file(path)
        arrays = {name: np.ascontiguousarray(array) for name, array in self.weights.items()}
        arrays |= {
            name + _OF_MASK: np.ascontiguousarray(mask, np.uint8)
            for name, mask in self.masks.items()
        }
        if self.pixels is not None:
            arrays |= dict(zip(("pixels.mean", "pixels.deviation"), self.pixels, strict=True))
        with atomic_path(file) as temporary:
            if file.suffix == ".npz":
                with temporary.open("wb") as opened:
                    np.savez(opened, **arrays)  # type: ignore[arg-type]
            else:
                temporary.write_bytes(_safetensors().save(arrays))

    @classmethod
    def load(cls, path: str | Path) -> TorchTicket:
        """Reads what `save` wrote.

        Args:
          path: the file.

        Raises:
          ValueError: if there is no such file, it is damaged, or safetensors is missing.
        """
        file = _file(path)
        if not file.is_file():
            raise refusal("path", str(path), "there is no such file")
        try:
            if file.suffix == ".npz":
                with np.load(file, allow_pickle=False) as opened:
                    arrays = dict(opened)
            else:
                arrays = _safetensors().load(file.read_bytes())
        except ImportError:
            raise
        except Exception as error:  # Any: of zip files, of headers, of arrays.
            raise DamagedFileError(
                file, f"is damaged: {error}", "Write it again with TorchTicket.save."
            ) from error
        mean, deviation = (arrays.pop(f"pixels.{name}", None) for name in ("mean", "deviation"))
        masks = {
            name.removesuffix(_OF_MASK): arrays.pop(name).astype(bool)
            for name in list(arrays)
            if name.endswith(_OF_MASK) and name.removesuffix(_OF_MASK) in arrays
        }
        pixels = None if mean is None or deviation is None else (mean, deviation)
        return cls(arrays, masks, pixels)


def to_torch(
    run: str | Path | Any, level: int | None = None, *, weights: TicketWeights = "trained"
) -> TorchTicket:
    """Gives the ticket of a level, or a model, in PyTorch's layout.

    Layers keep their names. Kernels of Dense layers behind a Flatten are reordered, as PyTorch
    flattens channels first. What is no array is for the network in PyTorch to do as here: Keras
    pads "same" with a stride of 2 more at the bottom and the right, and batch normalization has an
    epsilon of its own (`layer.epsilon`).

    Args:
      run: a run folder, WORKDIR/NAME/replicate_R; or a Sequential or functional model of either
        Keras, prunable or not.
      level: a finished level of the run; not for models.
      weights: of a run, as of `load_ticket`: "trained" or "rewind".

    Raises:
      ValueError: if there is no such run or level, or a layer has weights of which it is not known
        how PyTorch lays them out; names the layer.
    """
    model = _model(run, level, weights)
    plain = _plain(model)
    variables = {name: np.asarray(value) for name, value in keras_variables(plain).items()}
    masks = _masks_of(model)
    arrays, of_masks = {}, {}
    for name, (weight, array) in _layout(plain).items():
        arrays[name] = array.to_torch(variables[weight])
        if weight in masks:
            of_masks[name] = array.to_torch(masks[weight])
    return TorchTicket(arrays, of_masks, _pixels(plain))


def from_torch(model: Any, ticket: TorchTicket | Mapping[str, Any]) -> None:
    """Sets the weights of a model, and its masks, from PyTorch's layout.

    Args:
      model: a Sequential or functional model of either Keras; prunable, if masks are to be set.
      ticket: as `to_torch` gives it, or a `state_dict` with arrays, or tensors on the CPU, whose
        counts of batches (`num_batches_tracked`) are left out.

    Raises:
      ValueError: if an array is missing, is of another shape, or belongs to no layer, or there are
        masks and the model has none; nothing is changed then.
    """
    if not isinstance(ticket, TorchTicket):
        check_mapping("ticket", ticket, "what to_torch gives, or a state_dict")
        ticket = TorchTicket(ticket, {})
    plain = _plain(model)
    layout = _layout(plain)
    given = {
        name: np.asarray(array)
        for name, array in ticket.weights.items()
        if not name.endswith("num_batches_tracked")
    }
    if set(given) != set(layout):
        missing, unknown = sorted(set(layout) - set(given)), sorted(set(given) - set(layout))
        lacks = f" It lacks {', '.join(missing)}." if missing else ""
        more = f" No layer of {model.name} has {', '.join(unknown)}." if unknown else ""
        raise ValueError(f"The ticket is of another network than {model.name}.{lacks}{more}")
    variables = keras_variables(model)
    values = {}
    for name, (weight, array) in layout.items():
        expected = array.to_torch(np.asarray(variables[weight])).shape
        if given[name].shape != expected:
            raise ValueError(
                f"{name} has shape {given[name].shape} in the ticket, and {expected} for "
                f"{model.name}."
            )
        values[weight] = array.to_keras(given[name])
    mask = None
    if ticket.masks:
        mask = _mask(model, ticket.masks, layout)
        values = {**values, **mask.apply({name: values[name] for name in mask})}
    for weight, value in values.items():
        variables[weight].assign(value)
    if mask is not None:
        set_mask(model, mask)


def _mask(
    model: Any, masks: Mapping[str, np.ndarray], layout: dict[str, tuple[str, TorchArray]]
) -> Mask:
    held = _masks_of(model)
    found = {}
    for name, mask in masks.items():
        weight, array = layout.get(name, ("", None))
        if array is None or weight not in held:
            raise ValueError(
                f"The ticket has a mask of {name}, and {model.name} none; make it prunable by "
                "tf_lottery.prunable(model)."
            )
        found[weight] = array.to_keras(np.asarray(mask, bool))
    return Mask({**held, **found})


def _masks_of(model: Any) -> Mask:
    return get_mask(model) if masked_variables(model) else Mask({})


def _model(run: Any, level: int | None, weights: TicketWeights) -> Any:
    if not is_model(run):
        check_path("run", run)
        if level is None:
            raise refusal("level", level, "name a finished level of the run")
        return load_ticket(run, level, weights)
    if level is not None:
        raise refusal("level", level, "it is for run folders; leave it out for a model")
    if weights != "trained":
        raise refusal("weights", weights, "it is for run folders; a model has the weights it has")
    return run


def _plain(model: Any) -> Any:
    if not is_graph(model):
        raise ValueError(
            f"{model.name} is no Sequential or functional model, so that it is not known what "
            "comes to its layers."
        )
    return plain_copy(model)


def _layout(plain: Any) -> dict[str, tuple[str, TorchArray]]:
    """Name in PyTorch to name of the weight in Keras, and how the array is laid out."""
    named = {id(variable): name for name, variable in keras_variables(plain).items()}
    graph = read_calls(plain)
    orders = feature_orders(graph)
    found, seen = {}, {}
    for call in graph.calls:
        layer = call.layer
        if not (is_layer(layer) and layer.weights) or _standardises(layer):
            continue
        order = orders[call.inputs[0]]
        if not same_order(seen.setdefault(id(layer), order), order):
            raise ValueError(
                f"{call.path} is called several times, with features that PyTorch has in different "
                "orders."
            )
        for array in torch_arrays(layer, call.path, order):
            weight = named[id(getattr(layer, array.weight))]
            found[f"{call.path.replace('/', '.')}.{array.name}"] = weight, array
    return found


def _pixels(plain: Any) -> tuple[np.ndarray, np.ndarray] | None:
    graph = read_calls(plain)
    inputs = {tensor for call in graph.calls if call.is_input for tensor in call.outputs}
    calls = [call for call in graph.calls if _standardises(call.layer)]
    if not calls:
        return None
    layer = calls[0].layer
    if len(calls) > 1 or calls[0].inputs[0] not in inputs:
        raise ValueError(
            f"{calls[-1].path} standardises within the network, for which PyTorch has no layer. "
            "Only a single Normalization, of the inputs, is told, as `pixels`."
        )
    deviation = np.maximum(np.sqrt(np.ravel(layer.variance)), 1e-7)
    return np.ravel(layer.mean).astype(np.float32), deviation.astype(np.float32)


def _standardises(layer: Any) -> bool:
    return "Normalization" in keras_class_names(layer)


def _file(path: str | Path) -> Path:
    check_path("path", path)
    file = Path(path).expanduser()
    if file.suffix not in _SUFFIXES:
        raise refusal("path", str(path), f"its name has to end in {' or '.join(_SUFFIXES)}")
    return file


def _safetensors() -> Any:
    try:
        return import_module("safetensors.numpy")
    except ImportError as error:
        raise ImportError(
            'The package safetensors is missing: pip install "tf_lottery[torch]", or take a .npz '
            "file."
        ) from error
