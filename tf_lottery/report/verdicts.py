"""The outcome of a report in sentences."""

from collections.abc import Sequence

from tf_lottery.report.formats import format_accuracy, format_density
from tf_lottery.report.matching_tickets import Ticket


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


def tolerance_sentence(ticket: Ticket) -> str:
    """Says what counts as matching for a run and its branches."""
    count = ticket.tolerance.dense_replicates
    if count is not None and count < 2:
        return (
            "Matching: a test accuracy at the end of training of at least the dense network's. The "
            "spread of the dense network is unknown with fewer than two replicates, so the "
            "tolerance is zero."
        )
    origin = "as given" if count is None else f"one standard deviation of {count} dense replicates"
    return (
        "Matching: a mean test accuracy at the end of training of at most "
        f"{100 * ticket.tolerance.value:.2f} points below the dense network's ({origin})."
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
    count = level.accuracy.count
    return (
        f"Sparsest matching ticket: {format_density(level.density)} of the weights "
        f"(level {level.level}), {format_accuracy(level.accuracy.mean)} test accuracy against "
        f"{dense} of the dense network"
        + (f", mean of {count} replicates." if count > 1 else ", one replicate.")
    )


def _branch_verdict(ticket: Ticket) -> str:
    if not any(level.accuracy for level in ticket.results.levels):
        return "no accuracy is known yet."
    if ticket.level is None:
        return "no level matches."
    return f"matches down to {format_density(ticket.level.density)} of the weights."
