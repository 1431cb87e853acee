"""The outcome of a report in sentences."""

from collections.abc import Sequence

from tf_lottery.matching import matching_rule
from tf_lottery.report.formats import format_accuracy, format_density, format_range
from tf_lottery.report.matching_tickets import Ticket
from tf_lottery.report.method_results import Spread


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
      A sentence per branch whose run has a dense network.
    """
    branches = [ticket for ticket in tickets if ticket.results.branch is not None]
    return [
        f"{ticket.results.label}: {_branch_verdict(ticket)}"
        for ticket in branches
        if ticket.dense is not None
    ]


def rule_sentence(tickets: Sequence[Ticket]) -> str:
    """Says what matching means: of means, if any run has several replicates."""
    return matching_rule(
        tickets[0].tolerance, means=any(len(ticket.results.records) > 1 for ticket in tickets)
    )


def _run_verdict(ticket: Ticket) -> str:
    if ticket.dense is None:
        return "The test accuracy of the dense network (level 0) is not known yet."
    dense = format_accuracy(ticket.dense.mean)
    if ticket.level is None:
        if all(level.level == 0 for level in ticket.results.levels):
            return f"The dense network's test accuracy is {dense}; no pruned level is complete."
        return f"No pruned level matches the dense network ({dense})."
    level = ticket.level
    return (
        f"Sparsest matching ticket: {format_density(level.density)} of the weights "
        f"(level {level.level}), {format_accuracy(level.accuracy.mean)} test accuracy"
        f"{_range(level.accuracy)} against {dense} of the dense network{_range(ticket.dense)}"
        f"{_replicates(level.accuracy, ticket.dense)}"
    )


def _range(spread: Spread) -> str:
    return "" if spread.count == 1 else f" ({format_range(spread.minimum, spread.maximum)})"


def _replicates(level: Spread, dense: Spread) -> str:
    if level.count == dense.count:
        return ", one replicate." if level.count == 1 else f", means of {level.count} replicates."
    return f", means of {level.count} and {dense.count} replicates."


def _branch_verdict(ticket: Ticket) -> str:
    if not any(level.accuracy for level in ticket.results.levels):
        return "no accuracy is known yet."
    if ticket.level is None:
        return "no level matches."
    return f"matches down to {format_density(ticket.level.density)} of the weights."
