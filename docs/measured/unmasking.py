"""Claims 5.1 to 5.7 and 5.9 (2210.03044)."""

import pandas as pd

from measured.tables import (
    HALF,
    RESNET_20,
    UNSTABLE,
    matches,
    mean_of,
    of_fashion_mnist,
    table_of,
)
from measured.words import Measured, listed, percent, percent_list, share

# Networks on CIFAR-10, and how the names of their runs begin.
_RUNS = {HALF: "resnet14_half", RESNET_20: "resnet20_"}


def successive_levels() -> dict[str, list[Measured]]:
    """Claims 5.1 and 5.2, of levels and the next ones."""
    lenet = table_of("fashion_mnist_successive_levels")
    results = {
        number: of_fashion_mnist(lenet, here) for number, here in _by_matching(lenet).items()
    }
    for network, rows in _by_network("cifar10_successive_levels"):
        for number, here in _by_matching(rows).items():
            text = f"{network}: {here}"
            results[number].append(Measured("CIFAR-10", rows.replicate.nunique(), text))
    return results


def _by_network(name: str) -> list[tuple[str, pd.DataFrame]]:
    rows = table_of(name)
    return [(network, rows[rows.run.str.startswith(runs)]) for network, runs in _RUNS.items()]


def _by_matching(rows: pd.DataFrame) -> dict[str, str]:
    """What is said of pairs of levels that both match, and of the others if there are some."""
    runs = ["run", "replicate"]
    dense = rows[rows.first_level == 0].set_index(runs).first_test_accuracy
    accuracies = rows[["first_test_accuracy", "second_test_accuracy"]].min(axis=1)
    match = [
        matches(accuracy, dense[run])
        for accuracy, run in zip(accuracies, rows[runs].itertuples(index=False), strict=True)
    ]
    matching, others = rows[match], rows[[not each for each in match]]
    barriers, largest = others.test_error_barrier, matching.test_error_barrier.max()
    found = {
        "5.1": f"barrier {percent(mean_of(matching.test_error_barrier))}, at most "
        f"{percent(largest)}, over {len(matching)} pairs down to "
        f"{share(matching.second_density.min())}",
    }
    if len(others):
        found["5.2"] = (
            f"barrier {percent(mean_of(barriers))} over {len(others)} pairs; "
            f"{(barriers > largest).sum()} of them above the largest of those that match, "
            f"{(barriers > UNSTABLE).sum()} above two points"
        )
    return found


def robustness() -> dict[str, list[Measured]]:
    """Claim 5.3, of rewind points that are moved as far as successive ones are apart."""
    moves = {
        name: table_of(f"fashion_mnist_{name}").query("level > 0 and factor == 1")
        for name in ("robustness_fresh_noise", "robustness")
    }
    fresh, same = (
        f"{percent(mean_of(rows.error_barrier))}, at most {percent(rows.error_barrier.max())}"
        for rows in moves.values()
    )
    rows = moves["robustness_fresh_noise"]
    levels = f"levels of {share(rows.density.max())} to {share(rows.density.min())}"
    text = f"{levels}: barrier {fresh}, with fresh noise; {same}, in the same data order"
    residual = table_of("cifar10_robustness_fresh_noise")
    unmoved, moved = (
        percent(mean_of(residual[residual.factor == factor].error_barrier)) for factor in (0, 1)
    )
    of_residual = (
        f"{RESNET_20}, from 100, {share(residual.density.min())}: barrier {moved}, with fresh "
        f"noise; {unmoved} without a move"
    )
    return {
        "5.3": [
            *of_fashion_mnist(rows, text),
            Measured("CIFAR-10", residual.replicate.nunique(), of_residual),
        ]
    }


def curvature() -> dict[str, list[Measured]]:
    """Claims 5.4 to 5.7, of flatness and pruning ratios."""
    lenet, residual = table_of("fashion_mnist_curvature"), table_of("cifar10_curvature")
    of_residual = _of_curvature(residual)
    return {
        number: [
            *of_fashion_mnist(lenet, text),
            Measured(
                "CIFAR-10",
                residual.replicate.nunique(),
                f"{RESNET_20}, from 100: {of_residual[number]}",
            ),
        ]
        for number, text in _of_curvature(lenet).items()
    }


def _of_curvature(rows: pd.DataFrame) -> dict[str, str]:
    levels = sorted(rows.level.unique())

    def share_of(level: int) -> str:
        return share(mean_of(rows[rows.level == level].density))

    def means(column: str) -> list[float]:
        return [mean_of(rows[rows.level == level][column]) for level in levels]

    def predicted_and_found(weights: str) -> str:
        predicted, found = (
            percent_list(means(f"{kind}_ratio_{weights}"), 1) for kind in ("predicted", "retrained")
        )
        return f"predicted {predicted}%, found {found}%"

    better = rows[rows.retrained_ratio_magnitude > rows.predicted_ratio_magnitude]
    curvatures = (
        f"{smallest:.5f}, random {random:.5f}, at {share_of(level)}"
        for smallest, random, level in zip(
            means("sharpness_of_smallest"), means("sharpness_of_random"), levels, strict=True
        )
    )
    shares = ", ".join(map(share_of, levels))
    at = listed(map(share_of, sorted(set(better.level)))) if len(better) else "no size"
    return {
        "5.4": f"at {shares}: {predicted_and_found('magnitude')} of the weights; predicted more "
        f"than found in {len(rows) - len(better)} of {len(rows)} cases",
        "5.5": f"at {shares}: {predicted_and_found('random')}",
        "5.6": f"better in {len(better)} of {len(rows)} cases, at {at}",
        "5.7": f"curvature {'; '.join(curvatures)}",
    }


def magnitudes() -> dict[str, list[Measured]]:
    """Claim 5.9, of new small weights."""
    lenet = table_of("fashion_mnist_magnitudes")

    def of_survivors(rows: pd.DataFrame, *levels: int) -> str:
        parts = (rows[rows.level == level] for level in levels)
        shares = (
            f"{percent(mean_of(part.below_threshold), 1)}% at {share(mean_of(part.density))}"
            for part in parts
        )
        return (
            f"{', '.join(shares)} of the survivors become smaller than the largest weight just "
            "pruned"
        )

    return {
        "5.9": [
            *of_fashion_mnist(lenet, of_survivors(lenet, 1, 12)),
            *(
                Measured(
                    "CIFAR-10",
                    rows.replicate.nunique(),
                    f"{network}, from 100: {of_survivors(rows, 1, rows.level.max())}",
                )
                for network, rows in _by_network("cifar10_magnitudes")
            ),
        ]
    }
