"""Options of where an experiment runs."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from tf_lottery.config.arguments import refusal
from tf_lottery.config.loggers import read_loggers
from tf_lottery.config.options import (
    AutoOnOff,
    at_least,
    between,
    check_options,
    option,
    refuse_together,
    require,
)
from tf_lottery.config.stopping import read_stop_rule
from tf_lottery.config.training import read_points

ExperimentName = Literal["lottery", "train", "branch"]
Distribution = Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# Of file systems, which know no longer ones.
LONGEST_NAME = 200
# In a run folder, that of its branches.
_NOT_OF_RUNS = "branches"


def _check_name(flag: str, name: Any) -> None:
    right = f"use up to {LONGEST_NAME} letters, digits, '.', '_' and '-', not beginning with '.'"
    holds = _NAME.fullmatch(name) is not None and len(name) <= LONGEST_NAME
    require(holds, flag.removeprefix("--"), name, right)
    if name == _NOT_OF_RUNS:
        raise refusal(flag, name, "a folder of this name holds the branches of a run; use another")


@dataclass(frozen=True)
class RunConfig:
    """Where the experiment runs; nothing here changes its levels by more than rounding."""

    experiment: ExperimentName = option(
        "lottery",
        "lottery: iterative magnitude pruning; train: level 0 alone, the dense network; "
        "branch: controls that start from levels of --run.",
    )
    workdir: str = option("runs", "Folder that holds all runs.", path=True)
    name: str | None = option(
        None,
        "Name of the run; unset: DATASET_MODEL; with --ticket, the ticket's run and level are "
        "added.",
        reads=_check_name,
    )
    plugin: str = option(
        "",
        "Modules of yours, separated by commas, that register scores, branches, networks, data or "
        "export formats: installed, or in the current folder.",
    )
    data_dir: str | None = option(
        None,
        "Where tensorflow-datasets keeps prepared data sets; a folder that there is.",
        path=True,
    )
    manual_dir: str | None = option(
        None, "Folder with downloaded archives, for machines without internet.", path=True
    )
    stop_below: str = option(
        "",
        "The search ends with the first level whose validation accuracy, at the end of its "
        "training, is below this: an accuracy, such as 0.9, or points below that of the dense "
        "network, such as 2pt; unset: with the last of --levels.",
        reads=read_stop_rule,
    )
    export_ticket: bool = option(
        False,
        "Write the last level's ticket as a SavedModel when the run is finished, into the run "
        "folder, as export/level_N_saved_model; where --stop_below ended it, of the level before.",
    )
    export_dir: str | None = option(
        None,
        "Folder for the SavedModel of the last level's ticket, in place of that in the run folder; "
        "it may hold nothing but this very ticket, unless --overwrite is given. With "
        "--experiment=export: the folder of the export; unset: export/level_N in the run folder.",
        path=True,
    )
    log_to: str = option(
        "tensorboard",
        "Where metrics go besides the run folder's tables: some of tensorboard, wandb and mlflow, "
        "separated by commas, or loggers of a plug-in; --log_to= for nowhere.",
        reads=read_loggers,
    )
    distribution: Distribution = option(
        "auto",
        "Where the network is trained: one_device; mirrored: on all GPUs of this machine (or on "
        "its virtual devices); multi_worker: on all machines that TF_CONFIG names; tpu: on --tpu. "
        "auto: tpu if --tpu is given, multi_worker if TF_CONFIG is set, else all GPUs there are.",
    )
    num_virtual_devices: int | None = option(
        None,
        "Split the CPU into so many devices, to try a distribution without GPUs.",
        within=at_least(1),
    )
    tpu: str | None = option(None, "Address or name of the TPU; 'local' on a TPU machine.")
    dense_from: str | None = option(
        None,
        "Another run folder, which differs in pruning alone: its dense network (level 0) is taken, "
        "rather than trained again, if it has kept the state at the rewind step.",
        path=True,
    )
    keep_states: str = option(
        "",
        "Points in the training of the dense network, such as 0it,500it,2ep, whose states are kept "
        "for other runs to rewind to; a sweep of the rewind step sets it.",
        reads=read_points,
    )
    threads: int | None = option(
        None,
        "Threads that compute an operation on the CPU; unset: those that the run was begun with, "
        "or one for each core that no training beside it uses. The last bits of sums may depend "
        "on it.",
        within=between(1, 1024),
    )
    in_memory: AutoOnOff = option(
        "auto",
        "Keep the training images in the device's memory; auto: up to 2 GiB of them. Otherwise "
        "they stay in the host's, and batches are sent.",
    )
    steps_per_execution: int | None = option(
        None,
        "Training steps that one compiled call runs; unset: chosen by device and network.",
        within=at_least(1),
    )

    def __post_init__(self):
        check_options(self)
        refuse_together(
            self.tpu is not None and self.distribution not in ("auto", "tpu"),
            *("tpu", self.tpu, "distribution", self.distribution),
            "it does not use a TPU; use auto or tpu",
        )

    @property
    def loggers(self) -> tuple[str, ...]:
        """The loggers that `log_to` names."""
        return read_loggers("--log_to", self.log_to)

    @property
    def points_kept(self) -> tuple[str, ...]:
        """The points that `keep_states` names."""
        return read_points("--keep_states", self.keep_states)
