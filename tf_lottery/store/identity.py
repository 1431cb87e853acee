"""What makes an experiment this one: the flags that its results depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from tf_lottery.config.controls import BranchConfig
from tf_lottery.config.experiment import is_same_value
from tf_lottery.config.network import BatchNorm, BatchNormInit, Initializer, ModelConfig
from tf_lottery.config.pruning import (
    PruneFrom,
    PruningConfig,
    PruningScope,
    Retraining,
    Structure,
)
from tf_lottery.config.training import Optimizer, TrainingConfig

Value = TypeVar("Value")


class _Flag(Generic[Value]):
    """A flag as an attribute; of a run that was made before there was one, its default."""

    def __init__(self, default: Value):
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, identity: Identity, owner: type) -> Value:
        return identity.get(self._name, self._default)


class Identity(Mapping[str, Any]):
    """Flag values by name, those of plug-ins and of other versions of tf_lottery among them.

    Flags that are read one by one are attributes, of the types of their fields in `config/`.
    """

    __slots__ = ("_flags",)

    # None of a run whose config.json cannot be read.
    dataset = _Flag[str | None](None)
    levels = _Flag[int | None](None)

    initializer = _Flag[Initializer](ModelConfig.initializer)
    init_stddev = _Flag(ModelConfig.init_stddev)
    batch_norm = _Flag[BatchNorm](ModelConfig.batch_norm)
    batch_norm_init = _Flag[BatchNormInit](ModelConfig.batch_norm_init)
    dropout = _Flag(ModelConfig.dropout)

    optimizer = _Flag[Optimizer](TrainingConfig.optimizer)
    fine_tune_learning_rate = _Flag(TrainingConfig.fine_tune_learning_rate)

    pruning_rate = _Flag(PruningConfig.pruning_rate)
    conv_pruning_rate = _Flag(PruningConfig.conv_pruning_rate)
    first_layer_pruning_rate = _Flag(PruningConfig.first_layer_pruning_rate)
    output_pruning_rate = _Flag(PruningConfig.output_pruning_rate)
    pruning_rates_by_layer = _Flag(PruningConfig.pruning_rates_by_layer)
    exclude = _Flag(PruningConfig.exclude)
    score = _Flag(PruningConfig.score)
    structure = _Flag[Structure](PruningConfig.structure)
    prune_from = _Flag[PruneFrom](PruningConfig.prune_from)
    pruning_scope = _Flag[PruningScope](PruningConfig.pruning_scope)
    rewind_optimizer = _Flag(PruningConfig.rewind_optimizer)
    retraining = _Flag[Retraining](PruningConfig.retraining)

    branch = _Flag(BranchConfig.branch)

    def __init__(self, flags: Mapping[str, Any] | None = None):
        """Takes flag values by name; none where they are not known."""
        self._flags = flags or {}

    @property
    def model(self) -> str:
        """Name of the network. Every run has one: without, config.json is damaged."""
        return self["model"]

    def __getitem__(self, flag: str) -> Any:
        return self._flags[flag]

    def __iter__(self) -> Iterator[str]:
        return iter(self._flags)

    def __len__(self) -> int:
        return len(self._flags)

    # What is missing may be asked for in these ways without damage: see `Recorded`.
    def __contains__(self, flag: object) -> bool:
        return flag in self._flags

    def get(self, flag: str, default: Any = None) -> Any:
        """The value of a flag; the default if there is none of this name."""
        return self._flags.get(flag, default)

    def agrees(self, flag: str, value: Any) -> bool:
        """Whether a flag has this value, wherever its files are and whatever they are called."""
        return is_same_value(flag, self.get(flag), value)

    def __repr__(self) -> str:
        return f"Identity({dict(self._flags)!r})"
