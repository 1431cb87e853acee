"""What config.json remembers of a run besides the flags that make it this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from tf_lottery.config.steps import parse_steps
from tf_lottery.store.recorded import Recorded


@dataclass(frozen=True)
class Divergence:
    """Where training diverged: the level, and the iteration."""

    level: int
    step: int

    def __str__(self) -> str:
        """Says so, as the end of a sentence."""
        return f"diverged at step {self.step} of level {self.level}"


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """What is remembered of a run or a branch, in the order of config.json.

    The defaults are those of folders that were made before there was an entry.

    Attributes:
      input_shape: of an example.
      classes: number of classes.
      pixel_mean: of the training data, by channel.
      pixel_variance: of the same.
      train_examples: number of training examples.
      class_names: what the classes are called, in the order of the outputs; None where that is not
        known.
      steps_per_epoch: iterations of an epoch.
      train_steps: iterations of the training of the dense network.
      rewind_step: iteration that pruned networks are rewound to.
      init_seed: draws the initial weights.
      data_seed: draws the data order.
      data_sha256: of all examples.
      data_name: of the user's own data; None of the set that --dataset names.
      network_file: of the module of --model=MODULE:FUNCTION; None of other networks.
      network_sha256: of such a network's layers and their connections.
      initial_weights_sha256: of the files of --initial_weights; None where weights are drawn.
      ticket_sha256: of the mask and the weights that --ticket gives; None without.
      score_code: of a plug-in's score, from `pruning.score_code`; None of the package's own.
      replicas: devices that share a batch.
      precision: Keras policy of the layers in training.
      rules: number of the rules of training (`store.training_rules`).
      threads: that compute an operation; None: one for each core.
      onednn: whether TensorFlow was told to use oneDNN's kernels; if not, it used them on some
        processors.
      tensorflow: its version.
      numpy: its version.
      levels: the last level; the most there may be while rates are chosen to end at a density.
      changes: flags that a branch changes of its run's; None of a run.
      branch_levels: levels of a branch that were asked for; None of a run.
      for_analysis: whether it is a branch that is a step of an analysis.
      stop_below: the accuracy that ends the search, as --stop_below last had it; None: none.
      diverged: where training last ended because it diverged; None once the run has gone on.
      others: entries that this version does not know.
    """

    input_shape: tuple[int, ...]
    classes: int
    pixel_mean: tuple[float, ...]
    pixel_variance: tuple[float, ...]
    train_examples: int | None = None
    class_names: tuple[str, ...] | None = None
    steps_per_epoch: int
    train_steps: int
    rewind_step: int
    init_seed: int
    data_seed: int
    data_sha256: str
    data_name: str | None = None
    network_file: str | None = None
    network_sha256: str | None = None
    initial_weights_sha256: str | None = None
    ticket_sha256: str | None = None
    score_code: Mapping[str, str] | None = None
    replicas: int = 1
    precision: str = "float32"
    rules: int = 1
    threads: int | None = None
    onednn: bool = False
    tensorflow: str | None = None
    numpy: str | None = None
    levels: int = 0
    changes: Mapping[str, Any] | None = None
    branch_levels: tuple[int, ...] | None = None
    for_analysis: bool = False
    stop_below: str | None = None
    diverged: Divergence | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    def iteration(self, point: str, argument: str) -> int:
        """The iteration of a point in the run's training, such as "500it", "2ep" or "1%".

        Args:
          point: as it was given.
          argument: that it was given for, such as "--rewind_step".

        Raises:
          ValueError: if it is no such point.
        """
        return parse_steps(
            point,
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.train_steps,
            argument=argument,
        )

    @classmethod
    def from_json(cls, content: Recorded) -> RunDetails:
        """Reads what a folder remembers.

        Raises:
          DamagedFileError: it lacks an entry that every version has written.
        """
        names = [
            each.name
            for each in fields(cls)[:-1]
            if each.name in content or each.default is MISSING
        ]
        values = {name: content[name] for name in names}
        values |= {n: tuple(value) for n, value in values.items() if isinstance(value, list)}
        if values.get("diverged") is not None:
            values["diverged"] = Divergence(**values["diverged"])
        return cls(**values, others={n: v for n, v in content.items() if n not in values})

    def to_json(self) -> dict[str, Any]:
        """What is written; entries that say nothing are left out."""
        values = {each.name: getattr(self, each.name) for each in fields(self)[:-1]}
        known = {
            name: _json_value(value)
            for name, value in values.items()
            if value is not None and value is not False
        }
        return {**known, **self.others}


def _json_value(value: Any) -> Any:
    if isinstance(value, Divergence):
        return asdict(value)
    return list(value) if isinstance(value, tuple) else value
