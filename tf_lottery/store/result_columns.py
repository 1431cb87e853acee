"""Columns of the CSV files in landscape/, which analyses write, and tables and figures read."""

from collections.abc import Sequence

from tf_lottery.config.trained_copies import BASELINES
from tf_lottery.store.csv_files import Row
from tf_lottery.store.trained_levels import UNTOLD


def barrier_column(split: str, measure: str = "error") -> str:
    """The column that holds the barriers of a split's error or loss."""
    return f"{split}_{measure}_barrier"


def barrier_columns(splits: Sequence[str]) -> tuple[str, ...]:
    """The last columns of files about lines that were measured on these splits."""
    return tuple(barrier_column(split, of) for split in splits for of in ("error", "loss"))


# Last of each file with a row for each thing that is measured: `levels_text` of those that the row
# is of.
SOLUTIONS = "solutions"

# Followed by the barriers.
LEVELS_COLUMNS = (
    *("first_level", "second_level", "first_density", "second_density"),
    *("first_test_accuracy", "second_test_accuracy", "l2", "cosine"),
)

# Flags that the papers vary beside the rewind step.
NETWORK_SETTINGS = ("learning_rate", "warmup_steps", "batch_size")
# First columns of the files about networks that are trained from a rewind step.
NETWORK_COLUMNS = ("rewind_step", *NETWORK_SETTINGS, "level", "density", "network", "copies")
# Of the column "network", in the order in which they are shown.
NETWORKS = ("dense", "ticket", *BASELINES)
# Followed by the barriers.
INSTABILITY_COLUMNS = (*NETWORK_COLUMNS, "test_accuracy", "l2")
# What is measured of a network, and of each of its kernels; empty where there is nothing to prune.
DISTANCE_COLUMNS = ("pruning_l2", "pruning_cosine", "data_order_l2", "data_order_cosine")
STABILITY_COLUMNS = (*NETWORK_COLUMNS, "test_accuracy", *DISTANCE_COLUMNS)
STABILITY_LAYER_COLUMNS = (*NETWORK_COLUMNS, "layer", *DISTANCE_COLUMNS)

# Of trainings in the level's own data order and in fresh ones.
_MOVE = ("level", "density", "factor", "direction")
_OF_MOVED = (
    *("perturbation_l2", "relative_perturbation", "test_accuracy", "unperturbed_test_accuracy"),
    *("error_barrier", "loss_barrier", "l2", "cosine"),
)
ROBUSTNESS_COLUMNS = (*_MOVE, *_OF_MOVED)
FRESH_NOISE_COLUMNS = (*_MOVE, "data_seed", *_OF_MOVED)

# Solutions that a level's is compared with: columns that are 1 in the rows about them. The dense
# network may be the solution that a level was pruned from.
COMPARISONS = ("pruned_from", "dense", "independent", "noise")
# Followed by the barriers.
SAME_REGION_COLUMNS = (
    *("level", "density", *COMPARISONS, "other_level", "other_init_seed", "other_data_seed"),
    "other_ticket",
    *("test_accuracy", "other_test_accuracy", "ensemble_accuracy", "gain"),
    *("agreement", "agreement_on_errors", "error_overlap", "l2", "cosine"),
)

# What a level's mask is compared with.
MASKS_OF = ("replicate", "branch", "run")
_OF_MASKS = ("level", "density", "kind", "other")
_COMMON = (
    *("remaining", "other_remaining", "in_both", "jaccard", "jaccard_of_chance"),
    *("hamming", "hamming_of_chance"),
)
COMPARE_COLUMNS = (*_OF_MASKS, "other_ticket", "weights", *_COMMON)
COMPARE_KERNELS_COLUMNS = (*_OF_MASKS, "kernel", "weights", *_COMMON)

# Which weights are pruned at once, and how it was found how many.
ORDERS = ("magnitude", "random")
RATIOS = ("predicted", "retrained", "measured")
EIGENVALUE = "eigenvalue_"


def ratio_column(ratio: str, order: str) -> str:
    """The column that holds one of `RATIOS` of one of `ORDERS`."""
    return f"{ratio}_ratio_{order}"


def prediction_error_column(order: str) -> str:
    """The column that holds the standard error of the predicted ratio of one of `ORDERS`."""
    return f"{ratio_column('predicted', order)}_error"


# Followed by `EIGENVALUE`1, ...
CURVATURE_COLUMNS = (
    *("level", "density", "loss", "loss_rise"),
    *("trace", "trace_standard_error", "largest_eigenvalue"),
    *("sharpness_of_smallest", "sharpness_of_random"),
    *(ratio_column(ratio, order) for order in ORDERS for ratio in RATIOS),
    *(prediction_error_column(order) for order in ORDERS),
)

QUARTER_COLUMNS = tuple(f"pruned_next_quarter_{number}" for number in (1, 2, 3, 4))
MAGNITUDES_COLUMNS = (
    *("level", "density", "threshold", "below_threshold", "median_before", "median_after"),
    *("pruned_next", *QUARTER_COLUMNS),
)
# Limits of a bin, and the numbers of weights in it.
HISTOGRAM_COLUMNS = ("level", "density", "lower", "upper", "before", "pruned", "after")


# What files of earlier versions lack, and what stands in its place.
_ADDED = {
    SOLUTIONS: UNTOLD,
    "other_ticket": None,
    **{prediction_error_column(order): None for order in ORDERS},
}


def network_place(network: str) -> int:
    """The place of a network among others; one of another version comes last."""
    return NETWORKS.index(network) if network in NETWORKS else len(NETWORKS)


def with_network(row: Row) -> Row:
    """Names the network in a row of an earlier version, whose column was `random_mask`, 1 or 0."""
    if "random_mask" not in row:
        return row
    network = "random_mask" if row["random_mask"] else "ticket" if row.get("level") else "dense"
    return dict(
        ("network", network) if column == "random_mask" else (column, value)
        for column, value in row.items()
    )


def as_written_today(row: Row, columns: Sequence[str]) -> Row:
    """Gives a row of an earlier version the columns that were added since, which tell nothing."""
    row = with_network(row)
    had = tuple(column for column in columns if column in row or column not in _ADDED)
    return (
        {column: row.get(column, _ADDED.get(column)) for column in columns}
        if tuple(row) == had
        else row
    )
