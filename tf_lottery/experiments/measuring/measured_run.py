"""A run folder with what was measured of it, to be shown without TensorFlow."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import check_mapping
from tf_lottery.config.experiment import LOCATED, ExperimentConfig
from tf_lottery.config.flags import all_options
from tf_lottery.config.lines import Lines
from tf_lottery.config.options import names_of
from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.refusals.flags_of_run import check_flags_of_run
from tf_lottery.experiments.run_config import config_of_run
from tf_lottery.registry import likely_names
from tf_lottery.store.result_names import ESTIMATED_AT_RANDOM
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary
from tf_lottery.store.stopping import not_finished
from tf_lottery.store.tensors import has_tensor_named

# Flags that say where a run is measured and what it is compared with.
HERE = frozenset({*names_of(RunConfig)} - {"experiment"} | {*LOCATED, "other_run"})
# Where runs are measured, wherever they were trained.
ONE_DEVICE = {"distribution": "one_device", "num_virtual_devices": None, "tpu": None}


class MeasuredRun:
    """A run folder without its network and its data."""

    def __init__(
        self,
        path: Path,
        here: Mapping[str, Any] | None = None,
        *,
        expected: Mapping[str, Any] | None = None,
    ):
        """Reads the folder.

        Args:
          path: the run folder, or the folder of a branch.
          here: options of `RunConfig` that take the place of the run's; `other_run`, if it is to
            be compared with another.
          expected: flags that the run should have been made with.

        Raises:
          ValueError: if there is no such run, it was made with other flags, or a flag is none that
            can be given here.
        """
        here, expected = here or {}, expected or {}
        check_mapping("here", here, "{'data_dir': 'DATA'}")
        check_mapping("expected", expected, "{'levels': 5}")
        _refuse_others("here", here, HERE, "that says where a run is measured, such as data_dir")
        _refuse_others("expected", expected, all_options(), "of an experiment, such as levels")
        self.run = RunFolder.read(path)
        check_flags_of_run(self.run, expected)
        self._here = dict(here)

    @cached_property
    def config(self) -> ExperimentConfig:
        """What the run was made with, on one device.

        Raises:
          ValueError: as `config_of_run`.
        """
        return config_of_run(self.run, {**self._here, **ONE_DEVICE, "experiment": "lottery"})

    @property
    def located(self) -> dict[str, Any]:
        """Where its files are now and how they are read, as far as that was said: flag values."""
        return {name: self._here[name] for name in LOCATED if name in self._here}

    def naming_unreadable(self) -> AbstractContextManager[None]:
        """Names images that turn out to be unreadable; without data there are none."""
        return nullcontext()

    @property
    def folder(self) -> Path:
        """Where the results of analyses go."""
        return self.run.landscape

    def levels(self, wanted: Sequence[int] | None) -> list[int]:
        """Finished levels.

        Args:
          wanted: those to take; None: all.

        Raises:
          ValueError: if one of them is not finished, or its files are damaged.
        """
        finished = self.run.complete_levels()
        missing = sorted(set(wanted or ()) - set(finished))
        if missing or not finished:
            raise not_finished(self.run, missing[0] if missing else None)
        levels = finished if wanted is None else sorted(set(wanted))
        for level in levels:
            self.run.level(level).verify()
        return levels

    def line_settings(self, lines: Lines) -> tuple[int | str, ...]:
        """What lines of this run depend on besides their ends, as names of files have it.

        Earlier versions estimated the statistics of batch normalization otherwise: what they
        measured stays in files of its own. Without such layers results and files are the same.
        """
        estimated = lines.line_statistics == "estimated" and self._normalizes_batches
        statistics = ESTIMATED_AT_RANDOM if estimated else lines.line_statistics
        return lines.points, lines.line_mask, statistics, lines.line_split

    @cached_property
    def _normalizes_batches(self) -> bool:
        levels = (self.run.level(number) for number in self.run.complete_levels())
        return any(has_tensor_named(level.weights_prefix, "moving_mean") for level in levels)

    def summary(self, level: int) -> LevelSummary:
        """The summary of a finished level."""
        return LevelSummary.from_record(self.run.level(level).record())


def _refuse_others(
    argument: str, given: Mapping[str, Any], known: Collection[str], kind: str
) -> None:
    for name in given:
        if name not in known:
            close = likely_names(str(name), known)
            meant = f" Did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(f"{argument}: {name} is no flag {kind}.{meant}")
