"""Takes a ticket from another run, or from the copy that a run has kept of it."""

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.experiments.refusals.ticket_source import (
    check_ticket_source,
    copy_is_kept,
    source_is_there,
    ticket_has_changed,
    ticket_source,
)
from tf_lottery.messages import tell
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.given_ticket import GivenTicket
from tf_lottery.tickets.run_journal import RunJournal


def taken_ticket(config: ExperimentConfig) -> GivenTicket | None:
    """The ticket that --ticket names; None without.

    A run goes on with its copy. While the source is there, it has to be the same still.

    Raises:
      ValueError: if there is no such ticket, or its files are damaged.
      RunFolderMismatchError: if the source has changed since the run was begun.
    """
    if config.model.ticket is None:
        return None
    if not copy_is_kept(config):
        check_ticket_source(config)
        return _of_source(config)
    tensors, _ = RunFolder.read(config.run_path).ticket.load()
    begun = GivenTicket.from_tensors(tensors, f"--ticket={config.model.ticket}")
    if not source_is_there(config):
        tell(
            f"Note: --ticket={config.model.ticket} has no level {config.model.ticket_level} any "
            f"more; {config.run_path} goes on with the copy that it has."
        )
    elif _of_source(config).sha256 != begun.sha256:
        raise ticket_has_changed(config, config.run_path)
    return begun


def keep_ticket(run: RunFolder, ticket: GivenTicket | None) -> None:
    """Copies the ticket into the run that is begun with it, unless that was done.

    Raises:
      StorageError: the disk is full, read-only, …
    """
    if ticket is not None and not run.ticket.exists():
        run.ticket.save(ticket.tensors(), {"taken_by": ticket.flag})


def _of_source(config: ExperimentConfig) -> GivenTicket:
    source, level = ticket_source(config), config.model.ticket_level
    assert source is not None and level is not None, "they are checked"
    journal = RunJournal(RunFolder.read(source))
    trained, mask = journal.load(level)
    weights = {
        "none": lambda: None,
        "trained": lambda: trained,
        "rewind": lambda: journal.rewind_state().weights,
    }[config.model.ticket_weights]()
    return GivenTicket(f"--ticket={config.model.ticket}", mask, weights)
