"""What is refused of a branch once its network is built, before it trains."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tf_lottery.config.arguments import shown
from tf_lottery.data import Dataset
from tf_lottery.experiments.branch_config import BranchPlan, check_kept_state
from tf_lottery.experiments.branch_levels import check_other_run_is_named
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.masking.masks import Mask
from tf_lottery.messages import listed, tell
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.branches import Branch
from tf_lottery.tickets.origin import Start
from tf_lottery.tickets.run_journal import RunJournal


def check_other_run(plan: BranchPlan, branch: Branch, levels: Sequence[int]) -> None:
    """Checks that the run of --other_run has the masks that a branch takes, where it takes some.

    Raises:
      ValueError: if it has not finished the levels, or its masks are of another network.
    """
    other = plan.config.branch.other_run
    check_other_run_is_named(plan, branch)
    if other is None:
        return
    own = Mask.load(plan.run.level(levels[0]).masks_path)
    try:
        run = RunFolder.read(Path(other))
        journal = RunJournal(run)
        for level in levels:
            if not journal.is_complete(level):
                raise RunFolderError(f"level {level} is not finished there.")
        masks = [journal.load(level)[1] for level in levels]
    except RunFolderError as error:
        raise ValueError(f"--other_run={other}: {error}") from error
    shapes = [{name: array.shape for name, array in mask.items()} for mask in (own, *masks)]
    if shapes != shapes[:1] * len(shapes):
        raise ValueError(
            f"--other_run={other}: its masks are those of --model={run.identity.model}, and do "
            f"not fit the network of {plan.run.path}, {plan.config.model.model}."
        )
    same = [
        level
        for level, mask in zip(levels, masks, strict=True)
        if mask.density < 1 and mask == Mask.load(plan.run.level(level).masks_path)
    ]
    if same:
        tell(
            f"Note: --other_run={other} has the masks of {plan.run.path} itself at level "
            f"{', '.join(map(str, same))}: there --branch={plan.branch} changes no mask. An "
            "independent run has others."
        )


def check_rewind_step(plan: BranchPlan, experiment: Experiment) -> None:
    """Checks that the run has kept the state that --rewind_step asks for.

    Raises:
      ValueError: if it has not.
    """
    if "rewind_step" in plan.changes:
        given = experiment.config.pruning.rewind_step
        check_kept_state(plan.run, given, experiment.lengths.rewind_step)


def check_smallest_crop(plan: BranchPlan, experiment: Experiment) -> None:
    """Checks that --smallest_crop, if it is given, changes something.

    Raises:
      ValueError: if the data are held in memory, where it changes nothing.
    """
    in_memory = isinstance(experiment.dataset, Dataset)
    if "smallest_crop" in plan.changes and in_memory and not plan.is_begun:
        raise ValueError(
            f"--smallest_crop={plan.changes['smallest_crop']}: it changes nothing of data that are "
            f"held in memory, as those of {plan.run.path} are: --branch={plan.branch} would train "
            "a copy under another label; leave the flag out."
        )


def check_start(branch: Branch, start: Start, of_level: Start, experiment: Experiment) -> None:
    """Checks what a branch has returned: a start, which fits the network and its training.

    Raises:
      ValueError: if it does not, or begins where training ends without saying so, which its
        learning rate depends on.
    """
    if not isinstance(start, Start):
        raise ValueError(
            f"--branch={branch.name} returned {shown(start)}: return a Start, as "
            "origin.start.with_weights(...) and origin.start.with_mask(...) make."
        )
    if problem := _misfit(start, of_level):
        raise ValueError(f"--branch={branch.name} returned {problem}.")
    step, end = start.state.step, experiment.lengths.train_steps
    if step >= end and not experiment.config.fine_tunes:
        raise ValueError(
            f"--branch={branch.name} begins at iteration {step}, but training ends at {end}: write "
            "@register_branch(fine_tunes=True, ...) above it, so that its learning rate stays the "
            "last one of training and --fine_tune_learning_rate is taken."
        )


def _misfit(start: Start, of_level: Start) -> str:
    """What of a branch's weights and mask does not fit the network; "" if they do."""
    for what, kind, given, right in (
        ("weights", Mapping, start.state.weights, of_level.state.weights),
        ("mask", Mask, start.mask, of_level.mask),
    ):
        if not isinstance(given, kind):
            return f"{shown(given)} as {what}: give a {kind.__name__}, as the level's is"
        if others := {*given} ^ {*right}:
            return f"{what} that differ from the level's in {listed(sorted(others), most=3)}"
        for name, array in right.items():
            if np.shape(given[name]) != array.shape:
                return f"{what} of {name} of shape {np.shape(given[name])}, not {array.shape}"
    for name, array in start.state.weights.items():
        if (kind := np.asarray(array).dtype).kind in "OSUc":
            return f"weights of {name} of type {kind}, which are no real numbers"
        if not np.isfinite(array).all():
            return f"weights of {name} that are not all finite"
    return "" if start.mask.remaining else "a mask in which no weight remains"
