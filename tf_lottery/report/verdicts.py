"""The outcome of a report in sentences."""

from collections.abc import Sequence

from tf_lottery.config.matching import matching_rule
from tf_lottery.report.formats import (
    format_accuracy,
    format_density,
    format_levels,
    format_range,
)
from tf_lottery.report.matching_tickets import Comparison, Ticket
from tf_lottery.report.method_results import MethodResults, Spread


def verdicts(tickets: Sequence[Ticket]) -> list[str]:
    """Says of each run which is its sparsest matching ticket.

    Args:
      tickets: of the runs and their branches.

    Returns:
      A sentence per run, without its branches.
    """
    runs = [ticket for ticket in tickets if ticket.results.branch is None]
    prefixes = [f"{ticket.results.label}: " if len(runs) > 1 else "" for ticket in runs]
    return [f"{prefix}{_run_verdict(t)}" for prefix, t in zip(prefixes, runs, strict=True)]


def branch_verdicts(tickets: Sequence[Ticket]) -> list[str]:
    """Says of each branch down to which density it matches the dense network of its run.

    Args:
      tickets: of the runs and their branches.

    Returns:
      A sentence per branch whose run has a dense network; it names those pruned levels of the run
      that the branch was not trained at.
    """
    runs = {t.results.run: t.results for t in tickets if t.results.branch is None}
    branches = [ticket for ticket in tickets if ticket.results.branch is not None]
    return [
        f"{ticket.results.label}: {_branch_verdict(ticket, runs[ticket.results.run])}"
        for ticket in branches
        if ticket.dense is not None
    ]


def rule_sentence(tickets: Sequence[Ticket]) -> str:
    """Says what matching means: of means, if any run has several replicates."""
    return matching_rule(
        tickets[0].tolerance, means=any(len(ticket.results.records) > 1 for ticket in tickets)
    )


def _run_verdict(ticket: Ticket) -> str:
    if ticket.results.begins_with_a_ticket:
        level = ticket.results.levels[0]
        accuracy = level.accuracy
        known = "is not known" if accuracy is None else f"is {format_accuracy(accuracy.mean)}"
        return (
            f"Level 0 is the ticket of another run, with {format_density(level.density)} of the "
            f"weights; its test accuracy {known}{_range(accuracy) if accuracy else ''}."
        )
    if ticket.dense is None:
        return _without_dense_accuracy(ticket.results)
    decimals = ticket.decimals
    dense = format_accuracy(ticket.dense.mean, decimals)
    if ticket.best is None:
        if all(level.level == 0 for level in ticket.results.levels):
            return f"The dense network's test accuracy is {dense}; no pruned level is complete."
        unfinished = _unfinished(ticket.results)
        every = " in every replicate" if ticket.not_counted() else ""
        return (
            f"No pruned level matches the dense network ({dense}){every}{unfinished}."
            + _not_counted(ticket)
        )
    level, accuracy = ticket.best.level, ticket.best.accuracy
    means = "means of " if accuracy.count > 1 else ""
    return (
        f"Sparsest matching ticket: {format_density(level.density)} of the weights "
        f"(level {level.level}), {format_accuracy(accuracy.mean, decimals)} test accuracy"
        f"{_range(accuracy, decimals)} against {dense} of the dense network"
        f"{_range(ticket.dense, decimals)}, {means}{ticket.best.replicates()}."
        + _not_counted(ticket)
    )


def _without_dense_accuracy(run: MethodResults) -> str:
    """Says why the dense network has no test accuracy, as far as that is known."""
    sentence = "The dense network (level 0) has no test accuracy"
    if any(0 in record.levels for record in run.records):
        return f"{sentence}."
    if any(0 in record.state.complete_levels or record.problems for record in run.records):
        return f"{sentence} that can be read."
    return f"{sentence}: its training has not finished."


def _not_counted(ticket: Ticket) -> str:
    """Says which sparser levels match but are not the ticket; empty without any."""
    found = ticket.not_counted()
    if not found:
        return ""
    levels = format_levels(one.level.level for one in found)
    failed = ", ".join(dict.fromkeys(name for one in found for name in one.failed))
    return (
        f" {levels[0].upper()}{levels[1:]} {_verb(found, 'matches', 'match')} in the replicates "
        f"that have {_verb(found, 'it', 'them')}, and {_verb(found, 'does', 'do')} not count: "
        f"{failed} ended too inaccurate, or diverged, before."
    )


def _verb(levels: Sequence[Comparison], singular: str, plural: str) -> str:
    return singular if len(levels) == 1 else plural


def _range(spread: Spread, decimals: int = 2) -> str:
    if spread.count == 1:
        return ""
    return f" ({format_range(spread.minimum, spread.maximum, decimals)})"


def _branch_verdict(ticket: Ticket, run: MethodResults) -> str:
    trained = {level.level for level in ticket.results.levels if level.accuracy}
    if not trained:
        return "no accuracy is known yet."
    pruned = {level.level for level in run.levels if level.level > 0}
    absent = sorted(pruned - trained)
    not_run = f" It was not run at {format_levels(absent)}." if absent else ""
    not_run += _not_counted(ticket)
    if ticket.best is None:
        tried = sorted(one.level.level for one in ticket.comparisons)
        if not tried:
            return f"trained at {format_levels(trained)} alone, which is not pruned."
        every = " in every replicate" if ticket.not_counted() else ""
        if absent:
            return f"of {format_levels(tried)}, none matches{every}.{not_run}"
        return f"no level matches{every}.{not_run}"
    density = format_density(ticket.best.level.density)
    some = f", in {ticket.best.replicates()}" if ticket.best.absent else ""
    return f"matches down to {density} of the weights{some}.{not_run}"


def _unfinished(run: MethodResults) -> str:
    """Says which levels of a run are not there yet; empty if it has all that it is to have."""
    last = max((record.state.levels or 0 for record in run.records), default=0)
    complete = {level.level for level in run.levels}
    missing = [level for level in range(1, last + 1) if level not in complete]
    verb = "is" if len(missing) == 1 else "are"
    return f"; {format_levels(missing)} {verb} not complete" if missing else ""
