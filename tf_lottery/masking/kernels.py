"""Which weights of which layers can be pruned."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tf_lottery.config.arguments import shown
from tf_lottery.masking.keras_versions import is_keras_3, is_of_keras
from tf_lottery.masking.layer_kinds import kernel_attributes
from tf_lottery.masking.layers import graph_layers, keras_variables, leaf_layers, own_weights
from tf_lottery.masking.wrapper import unwrapped, wrappable_kernels

# Layer class or layer name -> attributes that hold its kernels.
KernelNames = Mapping[type | str, Iterable[str]]


@dataclass(frozen=True)
class Kernel:
    """A weight array that can be pruned.

    Attributes:
      name: as in `model_variables`.
      layer: that has it.
      variable: the variable of Keras; of a kernel that its layer computes, the tensor.
    """

    name: str
    layer: Any
    variable: Any

    @property
    def is_computed(self) -> bool:
        """Whether the layer computes it from other weights, as with LoRA."""
        return not hasattr(self.variable, "assign")


@dataclass
class KernelSearch:
    """What of a model can be pruned.

    Attributes:
      kernels: the weights that can be pruned, in the order of the network.
      unknown: other weight matrices of layers that do not come with Keras: they may be kernels, or
        not. Name of the weight to the class name of its layer.
      named: what the user has named, a class or name of a layer, to the names of its weights.
    """

    kernels: list[Kernel] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    named: dict[type | str, list[str]] = field(default_factory=dict)

    def trained(self, model: Any) -> "KernelSearch":
        """What is left without the weights of frozen layers."""
        trained = {id(weight) for weight in model.trainable_weights}
        kernels = [kernel for kernel in self.kernels if id(kernel.variable) in trained]
        return KernelSearch(kernels, self.unknown)

    def without(self, excluded: Iterable[str]) -> "KernelSearch":
        """What is left without the weights that go by one of these names."""
        names = list(excluded)
        return KernelSearch(
            [kernel for kernel in self.kernels if not _goes_by_any(names, kernel.name)],
            {name: kind for name, kind in self.unknown.items() if not _goes_by_any(names, name)},
        )


def goes_by(name: str, weight: str) -> bool:
    """Whether a name is that of a weight, of its layer, or of a layer or model around that."""
    return name == weight or f"/{name}/" in f"/{weight}"


def find_kernels(model: Any, named: KernelNames | None = None) -> KernelSearch:
    """Finds the weights of a model that can be pruned.

    They are the kernels of Dense, EinsumDense, convolution and recurrent layers, embeddings, and of
    other layers what is named or what their `get_prunable_weights` returns, as for tfmot.

    Args:
      model: a built model.
      named: kernels of further layers: attributes by class or name of the layer.

    Raises:
      ValueError: if there is no such layer, it has no such weight, or a kernel holds no number.
    """
    found = KernelSearch()
    names = {id(variable): name for name, variable in keras_variables(model).items()}
    settled = []
    for path, layer in leaf_layers(model):
        if any(path.startswith(outer) for outer in settled):
            continue
        inner = unwrapped(layer)
        chosen = _said_by_layer(inner)
        if chosen is not None:
            # It speaks for the layers in it too.
            settled.append(f"{path}/" if path else "")
        else:
            held = [(name, getattr(inner, name, None)) for name in kernel_attributes(inner)]
            chosen = [variable for _, variable in held if variable is not None]
            # What a layer computes is none of the weights that have names.
            names = {id(variable): f"{path}/{name}" for name, variable in held} | names
            known = {id(variable) for variable in chosen}
            for key, said in _said_by_user(inner, path, named or {}):
                found.named.setdefault(key, []).extend(names[id(variable)] for variable in said)
                chosen += [variable for variable in said if id(variable) not in known]
            if not is_of_keras(inner):
                for weight in _matrices(inner, chosen):
                    found.unknown[names[id(weight)]] = type(inner).__name__
        found.kernels += [Kernel(names[id(variable)], inner, variable) for variable in chosen]
    unused = [str(getattr(key, "__name__", key)) for key in named or {} if key not in found.named]
    if unused:
        raise ValueError(f"kernels: the model has no layer {', '.join(unused)}.")
    _check_not_empty(found.kernels)
    return found


def can_be_wrapped(model: Any, kernels: Iterable[Kernel]) -> bool:
    """Whether tfmot's wrapper can hold the masks of all of these kernels.

    It takes the place of Dense and convolution layers in copies of graphs of Keras 2.
    """
    if is_keras_3(model):
        return False
    wrappable = [
        (layer, wrappable_kernels(layer))
        for _, layer in graph_layers(model)
        if _said_by_layer(layer) is None
    ]
    # Of further weights of such layers, which a class of the user's may have, it knows nothing.
    known = {id(getattr(layer, name)) for layer, names in wrappable for name in names}
    return all(id(kernel.variable) in known for kernel in kernels)


def _check_not_empty(kernels: Iterable[Kernel]) -> None:
    for kernel in kernels:
        if 0 in kernel.variable.shape:
            raise ValueError(
                f"{kernel.name} has the shape {tuple(kernel.variable.shape)}, and so no weights; "
                "give every layer at least one input and one unit."
            )


def _goes_by_any(names: list[str], weight: str) -> bool:
    return any(goes_by(name, weight) for name in names)


def _said_by_layer(layer: Any) -> list[Any] | None:
    say = getattr(layer, "get_prunable_weights", None)
    return list(layer.get_prunable_weights()) if callable(say) else None


def _said_by_user(
    layer: Any, path: str, named: KernelNames
) -> Iterator[tuple[type | str, list[Any]]]:
    for key, attributes in named.items():
        fits = isinstance(layer, key) if isinstance(key, type) else key in (path, layer.name)
        if not fits:
            continue
        if isinstance(attributes, str):
            attributes = [attributes]
        chosen, weights = [], {id(weight) for weight in own_weights(layer)}
        for attribute in attributes:
            variable = getattr(layer, attribute, None)
            if id(variable) not in weights:
                raise ValueError(
                    f"kernels: {layer.name} ({type(layer).__name__}) has no weight {attribute!r}; "
                    "name the attributes that hold its kernels."
                )
            own = kernel_attributes(layer)
            if own and is_of_keras(layer) and attribute not in own:
                raise ValueError(
                    f"kernels[{getattr(key, '__name__', key)!r}]={shown(list(attributes))}: "
                    f"{layer.name} ({type(layer).__name__}) is a layer of Keras, of which "
                    f"{' and '.join(own)} is pruned without being named, and nothing else; "
                    "kernels is for layers of your own."
                )
            chosen.append(variable)
        yield key, chosen


def _matrices(layer: Any, known: list[Any]) -> list[Any]:
    others = {id(variable) for variable in known}
    return [
        weight
        for weight in own_weights(layer)
        if weight.trainable and len(weight.shape) > 1 and id(weight) not in others
    ]
