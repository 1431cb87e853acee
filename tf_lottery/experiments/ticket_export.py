"""Exports tickets of run folders, with the runs' own data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.config.export import ExportConfig
from tf_lottery.data import Dataset
from tf_lottery.experiments.example_data import representative_images, verification_examples
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.exporting.export import export_into
from tf_lottery.exporting.export_folder import ExportFolder
from tf_lottery.exporting.export_report import ExportReport
from tf_lottery.exporting.formats import check_formats
from tf_lottery.messages import tell
from tf_lottery.report.export_table import print_export
from tf_lottery.report.progress.exports import ExportProgressReporter
from tf_lottery.store.atomic import remove_abandoned
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.stopping import not_finished


@dataclass(frozen=True)
class _Ticket:
    """A level of a run, and where its export goes."""

    run: Path
    level: int
    folder: Path
    target: ExportFolder


def export_tickets(
    runs: Sequence[Path],
    level: int | None = None,
    folder: Path | None = None,
    options: ExportConfig | None = None,
    here: Mapping[str, Any] | None = None,
    expected: Mapping[str, Any] | None = None,
    dataset: Dataset | None = None,
) -> list[ExportReport]:
    """Exports a ticket of each run, all of them checked before the first is written.

    Args:
      runs: run folders, or folders of branches.
      level: number of prunings; None: the last finished level of each.
      folder: to make; None: export/level_N in the run folder.
      options: formats and so on.
      here: options of `RunConfig` that take the place of the runs': where the data are.
      expected: flags that the runs should have been made with.
      dataset: your own data, if the experiments were run on them.

    Returns:
      What was written and found, for each run.

    Raises:
      ValueError: if a run, its level, its data, the folder or a format is not in order.
    """
    options = options or ExportConfig()
    _check_formats(options)
    if folder is not None and len(runs) > 1:
        raise ValueError(
            f"--export_dir={folder} takes one ticket, but these are {len(runs)} runs; leave it "
            "out, and each is exported into its own run folder."
        )
    tickets = [_checked_ticket(run, level, folder, options.overwrite) for run in runs]
    return [
        _export_ticket(
            ticket, AnalyzedRun(ticket.run, here or {}, dataset, expected=expected), options
        )
        for ticket in tickets
    ]


def _check_formats(options: ExportConfig) -> None:
    if options.format_names is not None:
        check_formats("--formats", options.formats, options.format_names)


def _checked_ticket(path: Path, level: int | None, folder: Path | None, overwrite: bool) -> _Ticket:
    run = RunFolder.read(path)
    finished = run.complete_levels()
    if not finished or (level is not None and level not in finished):
        raise not_finished(run, level)
    level = finished[-1] if level is None else level
    run.level(level).verify()
    place = folder or run.export / f"level_{level}"
    name = f"--export_dir={place}" if folder else f"the run's own export folder {place}"
    target = ExportFolder(place, name, overwrite=overwrite)
    target.holds()
    if folder is None:
        remove_abandoned(place, and_of_others=True)
    return _Ticket(path, level, place, target)


def _export_ticket(ticket: _Ticket, run: AnalyzedRun, options: ExportConfig) -> ExportReport:
    data = run.experiment.dataset
    images, labels = verification_examples(data)
    tell(
        f"export of level {ticket.level} of {ticket.run}, verified with {len(labels):,} of "
        f"{len(data.test):,} test examples",
    )
    report = export_into(
        ticket.target,
        ticket.run,
        options.format_names,
        level=ticket.level,
        test_data=(images, labels),
        representative=representative_images(data),
        compact=options.compacts,
        measure=options.measure,
        progress=ExportProgressReporter(),
    )
    tell()
    print_export(ticket.folder)
    tell(f"Export: {ticket.folder}\n")
    return report
