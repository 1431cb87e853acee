"""The run whose ticket is trained on other data: what is refused of it without reading arrays."""

from pathlib import Path

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder


def ticket_source(config: ExperimentConfig) -> Path | None:
    """The run folder that a ticket is taken from, if one is named."""
    source = config.model.ticket
    return None if source is None else Path(source).expanduser()


def copy_is_kept(config: ExperimentConfig) -> bool:
    """Whether the run has a copy of the ticket already, and so needs its source no more."""
    return (config.run_path / "ticket").exists()


def source_is_there(config: ExperimentConfig) -> bool:
    """Whether the ticket can be taken from the run that it is of."""
    source, level = ticket_source(config), config.model.ticket_level
    if source is None or level is None or not (source / "config.json").exists():
        return False
    return RunFolder.read(source).level(level).is_complete()


def check_ticket_source(config: ExperimentConfig) -> None:
    """Checks that the ticket of another run can be trained, as far as its folder says.

    Args:
      config: of the experiment that is to train it.

    Raises:
      ValueError: if there is no such ticket, or it is not to be trained alone.
    """
    source, level = ticket_source(config), config.model.ticket_level
    if source is None:
        return
    flag = f"--ticket={source}"
    if config.run.experiment == "lottery":
        raise ValueError(
            f"{flag} does not go with --experiment=lottery, whose levels are planned from a dense "
            "network on; use --experiment=train, which trains the ticket as level 0."
        )
    if copy_is_kept(config):
        return
    if not (source / "config.json").exists():
        raise ValueError(
            f"{flag} is no run folder, WORKDIR/NAME/replicate_R; name one, or leave the flag out."
        )
    run = RunFolder.read(source)
    if not source_is_there(config):
        finished = ", ".join(map(str, run.complete_levels())) or "none"
        raise ValueError(
            f"--ticket_level={level}: it is not finished in {run.path}; finished are {finished}."
        )
    if config.model.ticket_weights == "rewind" and run.kind_of_branch is not None:
        raise ValueError(
            f"{flag} is a branch, which has no weights of a rewind step of its own; use "
            "--ticket_weights=none or trained, or name its run."
        )


def ticket_has_changed(config: ExperimentConfig, run: Path) -> RunFolderMismatchError:
    """The error of a run that would go on with another ticket than it was begun with."""
    return RunFolderMismatchError(
        f"--ticket={config.model.ticket}: its level {config.model.ticket_level} is not the ticket "
        f"that {run} was begun with; restore it, or choose another --name."
    )
