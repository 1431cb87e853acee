"""What has to be the same: for all workers, and for a run that is continued."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import check_truth, refusal
from tf_lottery.config.data_files import data_files
from tf_lottery.config.experiment import ExperimentConfig, has_renamed_files
from tf_lottery.config.fine_tuning import check_fine_tuning_rate
from tf_lottery.config.options import refuse_together
from tf_lottery.data import Dataset, StreamedDataset
from tf_lottery.experiments.finished.runs import OPEN_ENDED
from tf_lottery.experiments.refusals.damage_checks import check_own_damage
from tf_lottery.experiments.refusals.ticket_source import ticket_has_changed
from tf_lottery.experiments.running.notes_before_training import data_text, tell_of_scope
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.messages import listed, tell
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.training_rules import RULES, made_by_older_version
from tf_lottery.tickets.load import check_network
from tf_lottery.training.workers import Message, Workers


def check_experiment_arguments(config: Any, dataset: Any, overwrite: Any) -> None:
    """Checks the types of what `run_experiment` is given.

    Raises:
      ValueError: names the argument that is wrong, and what is right.
    """
    if not isinstance(config, ExperimentConfig):
        right = 'make one by tf_lottery.config_from_values({"levels": 5})'
        raise refusal("config", config, right)
    check_is_dataset(dataset)
    check_truth("overwrite", overwrite)


def check_is_dataset(dataset: Any) -> None:
    """Checks that data of the user's own are a data set.

    Raises:
      ValueError: if they are not.
    """
    if not (dataset is None or isinstance(dataset, Dataset | StreamedDataset)):
        raise refusal("dataset", dataset, "make one by tf_lottery.from_arrays((x, y), (x2, y2))")


def check_same_experiment(experiment: Experiment, workers: Workers) -> None:
    """Checks that all workers were given the same; to be called by all of them.

    Raises:
      ValueError: if they were not; to who differs from the chief it says in what.
    """
    # Workers may have other numbers of cores, and files elsewhere.
    details = replace(experiment.details, threads=None, onednn=False, network_file=None)
    here = json.loads(json.dumps([experiment.config.identity(), details.to_json()]))
    chief = workers.from_chief(lambda: Message(here)).record
    others = [index for index, differs in enumerate(workers.all(int(here != chief))) if differs]
    if here != chief:
        raise ValueError(
            f"worker {workers.index} was given other flags, data or versions than the chief:\n"
            f"{_differences(here, chief)}\nStart all workers with the same command."
        )
    if others:
        names = listed([f"worker {index}" for index in others])
        raise ValueError(
            f"other flags, data or versions were given to {names}; look at its messages, then "
            "start all workers with the same command."
        )


def _differences(here: Sequence[Any], chief: Sequence[Any]) -> str:
    """Flags and details that are not the chief's."""
    return "\n".join(
        f"  {prefix}{name}: the chief has {json.dumps(has.get(name))}, this worker "
        f"{json.dumps(own.get(name))}"
        for own, has, prefix in zip(here, chief, ("--", ""), strict=True)
        for name in sorted(own.keys() | has.keys())
        if own.get(name) != has.get(name)
    )


def open_run(
    path: Path,
    experiment: Experiment,
    flags_text: str,
    details: RunDetails,
    defaults: Mapping[str, Any],
) -> RunFolder:
    """Makes or continues the run folder of an experiment and checks what the flags leave open.

    Args:
      path: the folder.
      experiment: what is run in it.
      flags_text: the flag file that replays it.
      details: what else is kept of it.
      defaults: of the flags that the folder may have been made without.

    Raises:
      ValueError: as `RunFolder.open` and `check_details`.
    """
    identity = experiment.config.identity()
    # Before the folder is opened, which repairs some damage, and has its flags replayed later.
    with suppress(OSError):
        RunFolder.refuse(path, identity, defaults, OPEN_ENDED)
        if (path / "config.json").exists():
            begun = RunFolder.read(path)
            check_own_damage(begun)
            check_details(begun, experiment)
    run = RunFolder.open(path, identity, details, flags_text, defaults, OPEN_ENDED)
    tell_of_scope(experiment)
    return run


def check_details(run: RunFolder, experiment: Experiment) -> None:
    """Checks what the flags leave open: the data, and what was chosen by the devices.

    Raises:
      RunFolderMismatchError: if the run would go on with other data or in another precision.
    """
    check_same_data(run, experiment)
    check_network(run, experiment.details.network_sha256)
    check_same_initial_weights(run, experiment)
    check_same_ticket(run, experiment)
    check_same_score(run, experiment)
    begun, now = run.details, experiment.details
    if begun.precision != now.precision:
        flag = "off" if begun.precision == "float32" else "on"
        raise RunFolderMismatchError(
            f"--mixed_precision={experiment.config.training.mixed_precision} means "
            f"{now.precision} on these devices, but {run.path} was begun with "
            f"{begun.precision}; go on where it was begun, or give --mixed_precision={flag} and "
            "another --name."
        )
    if begun.threads not in (None, now.threads):
        tell(
            f"Note: the run was begun with {begun.threads} threads and goes on with {now.threads}: "
            f"the last bits of its results may differ. --threads={begun.threads} in a process of "
            "its own keeps them."
        )
    if begun.onednn != now.onednn and experiment.is_convolutional:
        tell(
            f"Note: the run was begun {_with(begun.onednn)} the environment variable "
            f"TF_ENABLE_ONEDNN_OPTS=1 and goes on {_with(now.onednn)} it: the last bits of its "
            "results may differ."
        )
    if begun.replicas != now.replicas:
        tell(
            f"The run was begun on {begun.replicas} replicas and goes on with {now.replicas}: "
            "its results will differ in rounding, and with --batch_norm=per_replica in more than "
            "that."
        )


def _with(is_so: bool) -> str:
    return "with" if is_so else "without"


def check_fine_tuning(experiment: Experiment) -> None:
    """Checks that what is fine-tuned, if anything is, has a learning rate that can train.

    Raises:
      ValueError: if it has not.
    """
    config = experiment.config
    if config.fine_tunes and (experiment.levels or config.branch.branch):
        check_fine_tuning_rate(config.training)


def check_score(experiment: Experiment) -> None:
    """Checks that the score tells the weights of what is pruned from each other.

    Raises:
      ValueError: if it does not.
    """
    pruning = experiment.config.pruning
    untrained = bool(experiment.levels) and pruning.prune_from == "rewind_step"
    refuse_together(
        untrained and pruning.score == "movement",
        *("score", pruning.score, "prune_from", pruning.prune_from),
        "no weight has moved there; use another score, or --prune_from=previous_level",
    )


def check_rules(run: RunFolder, affected: Sequence[int], wanted: Sequence[int]) -> None:
    """Checks that what is left to train is trained by the rules by which the run was begun.

    Args:
      run: the run folder of an experiment or a branch, opened to work in it.
      affected: levels that the rules may make others.
      wanted: levels that there are to be.

    Raises:
      RunFolderMismatchError: if the run would go on by other rules.
    """
    begun = made_by_older_version(run)
    if begun is None:
        return
    if not any(run.level(level).path.exists() for level in affected):
        run.remember(replace(run.details, rules=RULES))
        return
    if not all(run.level(level).is_complete() for level in wanted):
        raise RunFolderMismatchError(
            f"{begun} Its levels cannot be continued by another rule; to train them anew, choose "
            "another --name, or, of a branch, delete its folder."
        )
    tell(f"Note: {begun}")


def check_same_data(run: RunFolder, experiment: Experiment) -> None:
    """Checks that the examples are those that a run was begun with.

    Raises:
      RunFolderMismatchError: if they are not.
    """
    renamed = _renamed_classes(run.details.class_names, experiment.details.class_names)
    if run.details.data_sha256 != experiment.details.data_sha256:
        raise RunFolderMismatchError(
            f"{data_text(experiment)}: the examples are not those that {run.path} was begun "
            f"with{f' ({renamed})' if renamed else ''}; {_right_data(run, experiment)}, or choose "
            "another --name."
        )
    if renamed:
        tell(
            f"Note: {data_text(experiment)}: {renamed}; the examples are the same, and {run.path} "
            "keeps the names that it was begun with."
        )


def check_same_initial_weights(run: RunFolder, experiment: Experiment) -> None:
    """Checks that the file of initial weights is the one that a run was begun with.

    Raises:
      RunFolderMismatchError: if it has changed.
    """
    if run.details.initial_weights_sha256 != experiment.details.initial_weights_sha256:
        raise RunFolderMismatchError(
            f"--initial_weights={experiment.config.model.initial_weights}: the weights are not "
            f"those that {run.path} was begun with; give the same file, or choose another --name."
        )


def check_same_ticket(run: RunFolder, experiment: Experiment) -> None:
    """Checks that the ticket of another run is the one that a run was begun with.

    Raises:
      RunFolderMismatchError: if it has changed.
    """
    if run.details.ticket_sha256 != experiment.details.ticket_sha256:
        raise ticket_has_changed(experiment.config, run.path)


def check_same_score(run: RunFolder, experiment: Experiment) -> None:
    """Checks that a plug-in's score is the one by which the levels of a run were pruned.

    Raises:
      RunFolderMismatchError: if its code has changed.
    """
    score = experiment.config.pruning.score
    begun, now = run.details.score_code, experiment.details.score_code
    if begun is None or now is None or run.identity.score != score or not _has_pruned(run):
        return
    # Another Python compiles the same text to other code.
    if begun["python"] == now["python"] and begun != now:
        raise RunFolderMismatchError(
            f"--score={score} computes something else than the score of that name by which "
            f"{run.path} was pruned (comments and docstrings do not count); restore that, or give "
            "the changed function another name and its runs another --name."
        )


def with_score(run: RunFolder, experiment: Experiment) -> RunDetails:
    """What a run remembers; until it has pruned by a score, that may become another."""
    if _has_pruned(run):
        return run.details
    return replace(run.details, score_code=experiment.details.score_code)


def _has_pruned(run: RunFolder) -> bool:
    return any(run.level_numbers())


def _right_data(run: RunFolder, experiment: Experiment) -> str:
    if experiment.details.data_name:
        return "give the same ones in the same order"
    if name := run.details.data_name:
        return f"it was begun in Python with data of your own ({name}): give them there"
    files = data_files(experiment.config.data.dataset)
    if files is None:
        return "check --data_dir"
    if has_renamed_files(run.identity, experiment.config.identity()):
        return f"give those, which were in {run.identity.dataset} then"
    return f"check whether {files.path} has changed"


def _renamed_classes(begun: Sequence[str] | None, now: Sequence[str] | None) -> str:
    """Says which classes have other names than those that a run has kept; "" if none."""
    if begun is None or now is None or len(begun) != len(now):
        return ""
    others = [
        f"class {number} is called {new} now, and was {old}"
        for number, (old, new) in enumerate(zip(begun, now, strict=True))
        if old != new
    ]
    return listed(others, most=3, between="; ")
