"""The configuration of a branch: that of its run, with what the branch changes."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from tf_lottery.config.branches import (
    BRANCHES,
    Branch,
    branch_options,
    branches_with,
    is_fine_tuned,
)
from tf_lottery.config.controls import BranchConfig
from tf_lottery.config.experiment import LOCATED, ExperimentConfig, config_options
from tf_lottery.config.options import names_of
from tf_lottery.config.run import RunConfig
from tf_lottery.config.training import TrainingConfig
from tf_lottery.experiments.refusals.flags_of_run import other_values
from tf_lottery.experiments.run_config import config_of_run
from tf_lottery.messages import tell
from tf_lottery.pruning.score import find_method
from tf_lottery.registry import likely_names
from tf_lottery.store.former_flags import flags_in_effect
from tf_lottery.store.identity import Identity
from tf_lottery.store.run_folder import RunFolder

_CHANGEABLE = frozenset(
    {*names_of(TrainingConfig)}
    | {"shift_crop", "random_flip", "cutout", "smallest_crop"}
    | {"score", "score_examples", "pruning_scope", "rewind_step", "data_seed"}
)
# Of where an experiment is, its dense network and its export.
_OF_EXPERIMENTS = (
    *("workdir", "name", "dense_from", "keep_states"),
    *("export_ticket", "export_dir"),
)
_LONGEST_LABEL = 100


class _Condition(NamedTuple):
    """What other flags have to be for a flag to make a difference."""

    holds: Callable[[Identity], bool]
    text: str


_CONDITIONS = {
    "score_examples": _Condition(
        lambda flags: find_method(flags.score).needs_data, "a --score that looks at examples"
    ),
    "lr_decay": _Condition(lambda flags: flags.get("lr_schedule") == "step", "--lr_schedule=step"),
    "weight_decay_mode": _Condition(
        lambda flags: bool(flags.get("weight_decay")), "a --weight_decay above 0"
    ),
}


@dataclass(frozen=True)
class BranchPlan:
    """A branch of one run.

    Attributes:
      run: the run folder that it starts from.
      branch: its name.
      config: of the branch.
      changes: flags that differ from those of the run.
      label: name of the branch's folder.
    """

    run: RunFolder
    branch: str
    config: ExperimentConfig
    changes: dict[str, Any]
    label: str

    @property
    def path(self) -> Path:
        """The branch's own run folder."""
        return self.run.branch(self.label)

    @property
    def is_begun(self) -> bool:
        """Whether there is such a folder already."""
        return (self.path / "config.json").exists()


def plan_branch(run: Path, branch: str, values: Mapping[str, Any]) -> BranchPlan:
    """Reads the configuration of a run and changes it.

    Args:
      run: a run folder.
      branch: name of a branch.
      values: flag values, which count where they differ from the run's; those that say where a
        branch runs take the place of the run's too.

    Raises:
      ValueError: if there is no such run, or a flag must not differ.
    """
    folder = RunFolder.read(run)
    if folder.kind_of_branch is not None:
        raise ValueError(f"--run={run} is a branch itself; name the run that it starts from.")
    where, own = {*names_of(RunConfig)}, {*names_of(BranchConfig), *branch_options()}
    known = flags_in_effect(folder.identity)
    _refuse_unknown(values)
    _refuse_useless(values)
    changes = other_values(
        folder, {name: value for name, value in values.items() if name not in where | own}
    )
    taken = changes_taken(run, branch, values)
    for name in sorted(set(values) - set(taken)):
        tell(f"Note: --{name}={values[name]} has no effect: --branch={branch} does not use it.")
        changes.pop(name, None)
    values = taken
    _check_changes(run, known, changes)
    located = {name for name in LOCATED if name not in changes}
    here = {name: value for name, value in values.items() if name in where | located}
    of_branch = {name: value for name, value in values.items() if name in own}
    kind = BRANCHES.find(branch)
    _check_scope(kind, Identity({**known, **changes}), values)
    if "rewind_step" in changes:
        _check_rewind_step(folder, branch, known, changes)
    if kind.keeps_slots:
        _check_rewinding(run, branch, known, changes)
    config = config_of_run(
        folder,
        {**here, "experiment": "branch"},
        {**of_branch, "branch": branch, **changes},
    )
    return BranchPlan(folder, branch, config, changes, _label(branch, config, changes))


def changes_taken(run: Path, branch: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some flag values that a branch takes; one of several at once may take others.

    Args:
      run: a run folder.
      branch: name of a branch.
      values: flag values; those that say nothing, being unset or the run's own, are left out.
    """
    kind, folder = BRANCHES.find(branch), RunFolder.read(run)
    known = flags_in_effect(folder.identity)
    changed = Identity({**known, **values})
    unset = {name: parameter.default for name, parameter in branch_options().items()}
    unset |= {"other_run": None, "branch_seed": BranchConfig.branch_seed}
    others = other_values(folder, {n: v for n, v in values.items() if n not in unset})
    return {
        name: value
        for name, value in values.items()
        if _makes_a_difference(name, kind, known, changed)
        or (value == unset[name] if name in unset else name not in others)
    }


def _makes_a_difference(name: str, branch: Branch, run: Identity, changed: Identity) -> bool:
    """Whether a branch of a run takes a flag, where the flags are changed so."""
    if name == "fine_tune_learning_rate" and run.retraining == "fine_tune":
        return True
    return branch.takes(name) and (name not in _CONDITIONS or _CONDITIONS[name].holds(changed))


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    known = [*config_options(), *branch_options()]
    for name in values:
        if name not in known:
            close = [n for n in likely_names(name, known) if n not in names_of(RunConfig)]
            meant = f" Did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(
                f"{name}={values[name]!r}: there is no argument and no flag of this name.{meant} "
                f"A branch can change {', '.join(sorted(_CHANGEABLE))}."
            )


def _refuse_useless(values: Mapping[str, Any]) -> None:
    for name in _OF_EXPERIMENTS:
        if values.get(name):
            raise ValueError(f"--{name}={values[name]}: a branch has no use for it; leave it out.")


def refuse_change(name: str, value: Any, branches: str) -> NoReturn:
    """Refuses a flag that none of the branches takes.

    Raises:
      ValueError: always; names the branches that take it.
    """
    takers, condition = branches_with(name), _CONDITIONS.get(name)
    parts = [", ".join(takers)] if len(takers) < len(BRANCHES.all()) else []
    parts += [] if condition is None else [condition.text]
    text = ", with ".join(parts)
    if name == "fine_tune_learning_rate":
        text += ", and branches of runs with --retraining=fine_tune"
    layerwise = [kind for kind in branches.split(",") if BRANCHES.find(kind).layerwise]
    reasons = [f"{kind} prunes within each layer by itself; " for kind in layerwise]
    reason = "".join(reasons) if name == "pruning_scope" else ""
    raise ValueError(
        f"--{name}={value}: --branch={branches} does not use it; {reason}the flag is for "
        f"{text}. Leave it out."
    )


def branch_flags(plan: BranchPlan, levels: str) -> str:
    """The flag file that replays a branch."""
    config = plan.config
    flags = {"experiment": "branch", "run": plan.run.path.absolute(), "levels": levels}
    flags |= {**config.branch.values(), **plan.changes}
    flags |= {name: getattr(config.run, name) for name in ("data_dir", "manual_dir", "plugin")}
    if config.run.log_to != RunConfig.log_to:
        flags["log_to"] = config.run.log_to
    return "".join(
        f"--{name}={value}\n" for name, value in flags.items() if value not in (None, "")
    )


def _check_changes(run: Path, known: Identity, changes: Mapping[str, Any]) -> None:
    wrong = sorted(set(changes) - _CHANGEABLE)
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"--{name}={changes[name]}: a branch cannot change it, and {run} has "
            f"{known.get(name)}; leave it out. It can change {', '.join(sorted(_CHANGEABLE))}."
        )
    if known.rewind_optimizer and "optimizer" in changes:
        raise ValueError(
            f"--optimizer={changes['optimizer']}: {run} rewinds the slots of its optimizer "
            f"(--rewind_optimizer), {known.optimizer}, which another one does not have; leave "
            "it out."
        )


def _check_scope(branch: Branch, known: Identity, values: Mapping[str, Any]) -> None:
    together = branch.ranks_together and find_method(known.score).ranks_all_together
    if together and values.get("pruning_scope") == "layerwise":
        known_branches = BRANCHES.all().items()
        layerwise = (f"--branch={name}" for name, kind in known_branches if kind.layerwise)
        raise ValueError(
            f"--pruning_scope=layerwise: --branch={branch.name} ranks the weights of all layers "
            f"together with --score={known.score}, as its authors do; leave it out, or take a "
            f"branch that prunes within each layer, {' or '.join(layerwise)}."
        )


def _check_rewind_step(
    run: RunFolder, branch: str, known: Identity, changes: Mapping[str, Any]
) -> None:
    step = changes["rewind_step"]
    if is_fine_tuned(known.retraining, branch):
        raise ValueError(
            f"--rewind_step={step}: --branch={branch} of {run.path} goes on from the end of "
            "training, and rewinds to no step; leave the flag out."
        )
    if not {"batch_size", "train_steps"} & set(changes):
        # Else the data have to be there to say which iteration it is.
        check_kept_state(run, step, run.details.iteration(step, "--rewind_step"))


def check_kept_state(run: RunFolder, rewind_step: str, step: int) -> None:
    """Checks that a run has kept the state that a branch of it is rewound to.

    Args:
      run: the run folder.
      rewind_step: as it was given.
      step: the iteration that it is.

    Raises:
      ValueError: if it has not; says which it has.
    """
    kept = run.kept_steps()
    if step not in kept:
        raise ValueError(
            f"--rewind_step={rewind_step}: {run.path} keeps no state of iteration {step}, but of "
            f"{', '.join(map(str, kept))}; a run with --keep_states={step}it keeps it too."
        )


def _check_rewinding(run: Path, branch: str, known: Identity, changes: Mapping[str, Any]) -> None:
    if known.retraining != "rewind_weights":
        raise ValueError(
            f"--branch={branch} moves the rewind point, but {run} was made with "
            f"--retraining={known.retraining}, which does not train from it; take a run with "
            "--retraining=rewind_weights."
        )
    if "optimizer" in changes:
        raise ValueError(
            f"--optimizer={changes['optimizer']}: --branch={branch} begins with the slots that "
            f"level 0 of {run} had at the rewind step, those of {known.optimizer}; leave it out."
        )


def _label(branch: str, config: ExperimentConfig, changes: Mapping[str, Any]) -> str:
    """Branch and changes as a folder name, the same whenever they are."""
    own = config.branch
    parts = [f"{name}_{changes[name]}" for name in sorted(changes)]
    if own.other_run is not None:
        parts.append("_".join(Path(own.other_run).parts[-2:]))
    if own.branch_seed:
        parts.append(f"branch_seed_{own.branch_seed}")
    defaults = BRANCHES.find(branch).defaults
    for name, value in own.parameters.items():
        if value != defaults[name]:
            text = f"{value:.12g}" if isinstance(value, float) else value
            parts.append(f"{name}_{text}")
    texts = (re.sub(r"[^A-Za-z0-9._]", "_", part) for part in parts)
    label = "-".join([re.sub(r"[^A-Za-z0-9._+]", "_", branch), *texts])
    if len(label) <= _LONGEST_LABEL:
        return label
    return f"{label[:_LONGEST_LABEL]}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"
