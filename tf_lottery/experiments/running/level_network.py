"""What trains a level: the network, masked, or the small one that its mask leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tf_lottery.experiments.running.compacted_network import CompactedNetwork
from tf_lottery.experiments.running.early_stopping import ValidationWatch
from tf_lottery.experiments.running.feeding import (
    build_evaluators,
    build_program,
    find_hardest_examples,
)
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.exporting.compaction.trainable import compact_for_training
from tf_lottery.masking.multiply_adds import Operations, weight_uses
from tf_lottery.training.evaluation import Evaluation
from tf_lottery.training.network import Network
from tf_lottery.training.training_program import TrainingProgram


@dataclass(frozen=True)
class LevelNetwork:
    """A network in training, with what trains and evaluates it.

    Attributes:
      network: takes and gives states of the whole network.
      program: runs its steps.
      evaluators: by split.
      watch: looks for the lowest validation loss.
      operations: what it does for an example, by the weights that its mask leaves.
      parameters: number of weights of all kinds, if it is a small one.
    """

    network: Network | CompactedNetwork
    program: TrainingProgram
    evaluators: Mapping[str, Callable[[], Evaluation]]
    watch: ValidationWatch
    operations: Operations
    parameters: int | None = None


def masked_network(experiment: Experiment) -> LevelNetwork:
    """The network as it is, with what was compiled for it before."""
    part = experiment.compiled.part
    evaluators = part("evaluators", lambda: build_evaluators(experiment))
    hardest = part("hardest", lambda: find_hardest_examples(experiment))
    return LevelNetwork(
        experiment.network,
        part("program", lambda: build_program(experiment)),
        evaluators,
        ValidationWatch(experiment.network, evaluators, hardest),
        part("uses", lambda: weight_uses(experiment.network.model)).by(experiment.network.mask),
    )


def compacted_network(experiment: Experiment) -> LevelNetwork:
    """The network without the units that its mask has pruned.

    It is compiled anew, as every level has shapes of its own; nothing of it is kept.

    Args:
      experiment: its network is at the first step of a level.

    Raises:
      NotCompactedError: if no unit can be taken out.
    """
    network = experiment.network
    parts = compact_for_training(network.model, network.mask)
    small = experiment.network_of(parts.prunable(network.model))
    compacted = CompactedNetwork(network, small, parts)
    evaluators = build_evaluators(experiment, network=small)
    hardest = find_hardest_examples(experiment, small)
    return LevelNetwork(
        compacted,
        build_program(experiment, small),
        evaluators,
        ValidationWatch(small, evaluators, hardest),
        weight_uses(small.model).by(small.mask),
        compacted.parameters,
    )
