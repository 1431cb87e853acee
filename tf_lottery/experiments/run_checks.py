"""What has to be the same: for all workers, and for a run that is continued."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tf_lottery.experiments.setup import Experiment
from tf_lottery.pruning.layers import leaf_layers
from tf_lottery.pruning.wrapper import unwrapped
from tf_lottery.steps import parse_steps
from tf_lottery.store.errors import RunFolderError, RunFolderMismatchError
from tf_lottery.store.rules import RULES, outdated_rules
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.seal import checksum
from tf_lottery.training.learning_rate import check_fine_tuning_rate
from tf_lottery.training.workers import Workers


def check_same_experiment(experiment: Experiment, workers: Workers) -> None:
    """Checks that all workers were given the same; to be called by all of them.

    Raises:
      ValueError: if they were not; says which differ from this one.
    """
    content = {"identity": experiment.config.identity(), "details": experiment.details}
    number = int(checksum(content)[:15], 16)
    others = [index for index, own in enumerate(workers.all(number)) if own != number]
    if others:
        raise ValueError(
            f"worker {workers.index} was given other flags, data or versions than "
            f"{', '.join(f'worker {index}' for index in others)}; start all with the same command."
        )


def open_run(
    path: Path,
    experiment: Experiment,
    flags_text: str,
    details: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> RunFolder:
    """Makes or continues the run folder of an experiment and checks what the flags leave open.

    Args:
      path: The folder.
      experiment: What is run in it.
      flags_text: The flag file that replays it.
      details: What else is kept of it.
      defaults: Of the flags that the folder may have been made without.

    Raises:
      ValueError: as `RunFolder.open` and `check_details`.
    """
    identity = experiment.config.identity()
    # Earlier levels do not depend on how many there will be.
    run = RunFolder.open(
        path, identity, details, flags_text, defaults=defaults, open_ended=["levels"]
    )
    warn_of_dropout(experiment)
    tell_of_scope(experiment)
    try:
        check_details(run, experiment)
    except ValueError:
        run.close()
        raise
    return run


def check_details(run: RunFolder, experiment: Experiment) -> None:
    """Checks what the flags leave open: the data, and what was chosen by the devices.

    Raises:
      RunFolderMismatchError: if the run would go on with other data or in another precision.
    """
    check_same_data(run, experiment)
    begun, now = run.details, experiment.details
    precision = begun.get("precision", "float32")
    if precision != now["precision"]:
        flag = "off" if precision == "float32" else "on"
        raise RunFolderMismatchError(
            f"--mixed_precision={experiment.config.training.mixed_precision} means "
            f"{now['precision']} on these devices, but {Path(run.path)} was begun with "
            f"{precision}; go on where it was begun, or give --mixed_precision={flag} and another "
            "--name."
        )
    replicas = begun.get("replicas", 1)
    if replicas != now["replicas"]:
        print(
            f"The run was begun on {replicas} replicas and goes on with {now['replicas']}: its "
            "results will differ in rounding, and with --batch_norm=per_replica in more than that."
        )


def check_fine_tuning(experiment: Experiment) -> None:
    """Checks that what is fine-tuned, if anything is, has a learning rate that can train.

    Raises:
      ValueError: if it has not.
    """
    config = experiment.config
    if config.fine_tunes and (experiment.levels or config.branch.branch):
        check_fine_tuning_rate(config.training)


def check_rules(run: RunFolder, affected: Sequence[int], wanted: Sequence[int]) -> None:
    """Checks that what is left to train is trained by the rules by which the run was begun.

    Args:
      run: the run folder of an experiment or a branch, opened to work in it.
      affected: levels that the rules may make others.
      wanted: levels that there are to be.

    Raises:
      RunFolderMismatchError: if the run would go on by other rules.
    """
    outdated = outdated_rules(run.identity, run.details)
    if not outdated:
        return
    if not any(run.level(level).path.exists() for level in affected):
        run.remember(rules=RULES)
        return
    begun = f"{run.path} was begun by an older version of tf_lottery: {'; '.join(outdated)}."
    if not all(run.level(level).is_complete() for level in wanted):
        raise RunFolderMismatchError(
            f"{begun} Its levels cannot be continued by another rule; to train them anew, choose "
            "another --name, or, of a branch, delete its folder."
        )
    print(f"Note: {begun}")


def refuse_outdated_tickets(run: RunFolder, levels: Sequence[int]) -> None:
    """Checks that controls of a run would differ from its levels in what they control alone.

    Args:
      run: the run.
      levels: those that the controls start from.

    Raises:
      RunFolderMismatchError: if they were trained by other rules.
    """
    outdated = outdated_rules(run.identity, run.details)
    if outdated and max(levels) > 0:
        raise RunFolderMismatchError(
            f"--run={run.path} was made by an older version of tf_lottery: {'; '.join(outdated)}. "
            "A branch of its pruned levels would differ from them in that too; make the run anew "
            "under another --name."
        )


def refuse_outdated_copies(run: RunFolder) -> None:
    """Checks that an analysis does not measure what it trained by other rules, now or before.

    Args:
      run: the run that is analyzed.

    Raises:
      RunFolderMismatchError: if trainings that are kept as steps of analyses are such; names them.
    """
    outdated: dict[str, list[str]] = {}
    for path in run.branches():
        # Others are told of where they are used.
        with suppress(RunFolderError):
            branch = RunFolder.read(path)
            if branch.details.get("for_analysis"):
                for rule in outdated_rules(branch.identity, branch.details):
                    outdated.setdefault(rule, []).append(f"branches/{path.name}")
    if outdated:
        listed = "; ".join(f"of {', '.join(names)}: {rule}" for rule, names in outdated.items())
        raise RunFolderMismatchError(
            f"--run={run.path}: an older version of tf_lottery trained what was measured here; "
            f"{listed}. Delete these folders, and the CSV files of the analysis in landscape/, to "
            "train and measure them anew."
        )


def check_same_data(run: RunFolder, experiment: Experiment) -> None:
    """Checks that the examples are those that a run was begun with.

    Raises:
      RunFolderMismatchError: if they are not.
    """
    if run.details["data_sha256"] != experiment.details["data_sha256"]:
        raise RunFolderMismatchError(
            f"{_data_text(experiment)}: the examples are not those that {Path(run.path)} was begun "
            "with; check --data_dir, or choose another --name."
        )


def _data_text(experiment: Experiment) -> str:
    if name := experiment.details.get("data_name"):
        return f"dataset={name}"
    return f"--dataset={experiment.config.data.dataset}"


def check_flags_of_run(run: RunFolder, expected: Mapping[str, Any]) -> None:
    """Checks that a run was made with some flags.

    Raises:
      ValueError: if it was not; names the first flag, its value, and the run's.
    """
    for flag, value in expected.items():
        if flag == "rewind_step":
            _check_rewind_step(run, value)
        elif value != run.identity.get(flag, value):
            raise ValueError(
                f"--{flag}={value}: {run.path} was made with --{flag}={run.identity[flag]}; leave "
                "the flag out, or name another run."
            )


def _check_rewind_step(run: RunFolder, wanted: str) -> None:
    details = run.details
    step = parse_steps(
        wanted,
        steps_per_epoch=details["steps_per_epoch"],
        total_steps=details["train_steps"],
        argument="--rewind_step",
    )
    if step != details["rewind_step"]:
        raise ValueError(
            f"--rewind_step={wanted}: {run.path} has saved the state at iteration "
            f"{details['rewind_step']} alone; leave the flag out, or run the experiment with it. "
            f"--sweep=rewind_step:{details['rewind_step']}it,{step}it makes a run for each."
        )


def tell_of_scope(experiment: Experiment) -> None:
    """Says so if a run prunes layer by layer what a method's authors rank together."""
    pruning = experiment.config.pruning
    layerwise = pruning.pruning_scope == "layerwise" and pruning.prune_from == "rewind_step"
    if layerwise and experiment.method.ranks_all_together:
        print(
            f"--score={pruning.score} ranks the weights of each layer apart here "
            "(--pruning_scope=layerwise); its authors rank those of all layers together, as "
            "--pruning_scope=global does."
        )


def warn_of_dropout(experiment: Experiment) -> None:
    """Says so if the results will not be the same again."""
    layers = (unwrapped(layer) for _, layer in leaf_layers(experiment.network.model))
    if any(getattr(layer, "rate", 0) for layer in layers):
        print(
            f"--model={experiment.config.model.model} has dropout, whose random numbers are not "
            "those of --data_seed and are not saved: its results differ from run to run."
        )
