"""Options of the randomness, and of branches."""

from dataclasses import dataclass

from tf_lottery.config.options import Range, at_least, check_options, option


@dataclass(frozen=True)
class SeedConfig:
    """Where the randomness comes from."""

    replicate: int = option(
        1, "Number of this repetition of the experiment, from 1.", within=at_least(1)
    )
    init_seed: int | None = option(
        None, "Draws the initial weights; unset: the replicate.", within=at_least(0)
    )
    data_seed: int | None = option(
        None, "Draws the data order; unset: the replicate.", within=at_least(0)
    )

    def __post_init__(self):
        check_options(self)


@dataclass(frozen=True)
class BranchConfig:
    """What a branch changes of the level that it starts from."""

    branch: str | None = option(
        None, "Control that starts from levels of --run; several are separated by commas."
    )
    branch_seed: int = option(
        0, "Draws what a branch draws: other weights, other masks.", within=at_least(0)
    )
    other_run: str | None = option(
        None,
        "Run folder of the replicate whose masks --branch=mask_of_replicate takes, or whose "
        "solutions --experiment=same_region compares with; unset there: the first other replicate.",
        path=True,
    )
    perturbation: float = option(
        1.0,
        "Length by which --branch=perturbed moves a level's rewind point, in distances between it "
        "and the next level's; 0: not at all.",
        within=Range(
            "use 0, which moves nothing, or a positive number, such as 2",
            lambda length: 0 <= length < float("inf"),
        ),
    )

    def __post_init__(self):
        check_options(self)
