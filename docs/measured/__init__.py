"""What the CSV files of docs/results say of each claim of docs/claims.md."""

from measured.linear_mode_connectivity import (
    by_pruning_scope,
    in_stable_settings,
    linear_mode_connectivity,
    stabilizing,
)
from measured.lottery_tickets import (
    beside_controls,
    conv_on_cifar10,
    conv_with_dropout,
    lottery_tickets,
)
from measured.unmasking import curvature, magnitudes, robustness, successive_levels
from measured.why_tickets_win import why_tickets_win
from measured.words import Measured


def measured_claims() -> dict[str, list[Measured]]:
    """What was measured, by the number of the claim."""
    return {
        **lottery_tickets(),
        **beside_controls(),
        "1.11": conv_on_cifar10(),
        "1.12": [conv_with_dropout()],
        "1.15": [by_pruning_scope()],
        **stabilizing(),
        **linear_mode_connectivity(),
        **in_stable_settings(),
        **why_tickets_win(),
        **successive_levels(),
        **robustness(),
        **curvature(),
        **magnitudes(),
    }
