"""Exports tickets of runs."""

from tf_lottery.experiments.chosen_runs import run_folders
from tf_lottery.experiments.commands import ExportTickets
from tf_lottery.experiments.refusals.damage_checks import check_source
from tf_lottery.experiments.refusals.flags_of_run import check_flags_of_run
from tf_lottery.experiments.refusals.own_data import refuse_without_arrays
from tf_lottery.startup import import_tensorflow_quietly
from tf_lottery.store.run_folder import RunFolder


def export_runs(command: ExportTickets) -> None:
    """Exports a ticket of each run.

    Raises:
      ValueError: as of `run_command`.
    """
    runs = run_folders(command)
    for folder in runs:
        run = RunFolder.read(folder)
        refuse_without_arrays(
            folder,
            f'tf_lottery.export("{folder}", "FOLDER", test_data=(x_test, y_test))',
            "where x_test has the shape [examples, height, width, channels]",
        )
        check_flags_of_run(run, command.expected)
        last = run.complete_levels()[-1:] if command.level is None else [command.level]
        check_source(run, (0, *last))
    import_tensorflow_quietly()
    from tf_lottery.experiments.ticket_export import export_tickets

    export_tickets(
        runs, command.level, command.folder, command.options, command.here, command.expected
    )
