"""What a report of many runs leaves to the report of each."""

# With more runs than this, figures of one run alone would make a page that nobody scrolls through.
MOST_RUNS_WITH_OWN_FIGURES = 12


def leaves_figures_out(runs: int) -> bool:
    """Whether a report of so many runs has no figures of one run alone."""
    return runs > MOST_RUNS_WITH_OWN_FIGURES


def left_out_sentence(runs: int) -> str:
    """Says where the figures of one run alone are; empty if they are in the report."""
    if not leaves_figures_out(runs):
        return ""
    return (
        f"Of these {runs} runs, learning curves, densities by layer and what else is of one run "
        "alone are left to the report of that run: --experiment=report --run=WORKDIR/NAME."
    )
