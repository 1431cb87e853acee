"""The states that a run keeps of its dense network: at the rewind step and at others."""

from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.network import NetworkState


class JournalRewoundTo(RunJournal):
    """The levels of a run, with another rewind step than the run's."""

    def __init__(self, run: RunFolder, state: NetworkState):
        """Takes the network at the other rewind step."""
        super().__init__(run)
        self._state = state

    def rewind_state(self) -> NetworkState:
        """The network at the other rewind step."""
        return self._state


def state_at(run: RunFolder, step: int, initial: NetworkState) -> NetworkState | None:
    """The dense network of a run at an iteration of its training; None if it was not kept.

    Args:
      run: the run folder.
      step: the iteration.
      initial: the network as the run has initialized it.

    Raises:
      DamagedFileError: if its files are not as they were written.
    """
    if step == 0:
        return initial
    if run.details.rewind_step == step:
        return RunJournal(run).rewind_state()
    kept = run.kept_state(step)
    if not kept.exists():
        return None
    tensors, record = kept.load()
    return NetworkState.from_tensors(record["step"], tensors)
