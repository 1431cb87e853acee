"""Takes the dense network from another run that has trained the very same one.

Runs of a sweep over the rewind step, or over anything else that matters only once the dense network
is trained, have level 0 in common.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tf_lottery.experiments.running.kept_states import state_at
from tf_lottery.experiments.running.run_logs import RunLogs
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.messages import tell
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.csv_files import MetricsLog
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import METRICS_COLUMNS
from tf_lottery.tickets.run_journal import RunJournal


def take_dense_training(
    run: RunFolder, experiment: Experiment, source: Path, logs: RunLogs
) -> None:
    """Copies level 0 and the states that are to be kept, if another run has them; says so.

    Args:
      run: the run folder, opened to work in it.
      experiment: what is run in it; its network is as initialized.
      source: the other run folder.
      logs: of the run.

    Raises:
      DamagedFileError: if a file of the other run is not as it was written.
    """
    if run.level(0).is_complete() or not (source / "config.json").exists():
        return
    other = RunFolder.read(source)
    if not other.level(0).is_complete():
        return
    if difference := _difference(other.details, experiment.details):
        tell(f"Note: level 0 is not taken from {other.path}, which was {difference}.")
        return
    state = state_at(other, experiment.lengths.rewind_step, experiment.network.state())
    if state is None:
        tell(
            f"Note: level 0 is not taken from {other.path}, which has kept no state of the rewind "
            f"step, iteration {experiment.lengths.rewind_step}."
        )
        return
    journal, level = RunJournal(other), run.level(0)
    weights, mask = journal.load(0)
    metrics = other.level(0).metrics_path
    level.path.mkdir(exist_ok=True)
    with atomic_path(level.metrics_path) as path:
        path.write_bytes(metrics.read_bytes())
    logs.start_level(0, MetricsLog.load(metrics, METRICS_COLUMNS).rows)
    own = RunJournal(run)
    own.save_rewind_state(state)
    _take_kept_states(run, experiment, other)
    own.save(0, weights, mask, other.level(0).record())
    logs.finish_level(0)
    tell(f"Level 0 is taken from {other.path}, which has trained the same dense network.")


def _take_kept_states(run: RunFolder, experiment: Experiment, other: RunFolder) -> None:
    missing = []
    for step in experiment.lengths.keep_states:
        kept, state = run.kept_state(step), state_at(other, step, experiment.network.state())
        if state is None:
            missing.append(f"{step}it")
        elif not kept.exists():
            kept.save(state.tensors(), {"step": state.step})
    if missing:
        points = ",".join(missing)
        tell(
            f"Note: --keep_states={points}: {other.path}, which level 0 is taken from, has kept no "
            f"such state. To have it, leave out --dense_from and choose another --name."
        )


def _difference(begun: RunDetails, now: RunDetails) -> str:
    """Says in what the training of two dense networks differs, if it does."""
    later: dict[str, Any] = {
        # All rules that have changed are about what comes after level 0.
        "rules": 0,
        "rewind_step": 0,
        "levels": 0,
        "stop_below": None,
        "score_code": None,
        "diverged": None,
        "network_file": None,
        # Of the data, the fingerprint counts.
        "data_name": None,
        "class_names": None,
        "others": {},
    }
    one, other = vars(replace(begun, **later)), vars(replace(now, **later))
    names = [name for name in one if one[name] != other[name]]
    if not names:
        return ""
    name, remedy = names[0], ""
    if name == "threads" and begun.threads is not None:
        remedy = f"; to take it, give --threads={begun.threads} and another --name"
    return f"trained with {name}={one[name]}, and not {name}={other[name]}{remedy}"
