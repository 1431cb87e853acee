"""Writes reports of runs."""

from tf_lottery.experiments.chosen_runs import runs_in
from tf_lottery.experiments.commands import WriteReport
from tf_lottery.experiments.refusals.flags_of_run import check_flags_of_runs
from tf_lottery.messages import tell


def write_report(command: WriteReport) -> bool:
    """Writes a report and says where; returns whether something is left out, as it is damaged.

    Raises:
      ValueError: if there are no such runs, or they were made with other flags than were given.
    """
    from tf_lottery.report.report import compare_runs

    check_flags_of_runs(runs_in(command.runs), command.expected)
    report = compare_runs(
        command.runs, command.folder, matching_tolerance=command.matching_tolerance
    )
    for sentence in report.left_out:
        tell(f"Note: {sentence}")
    tell(f"Report: {report.page}")
    if report.damaged:
        tell("Left out of this report:")
        for problem in report.damaged:
            tell(f"  {problem}")
    return bool(report.damaged)
