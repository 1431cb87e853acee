"""Options of the network."""

from dataclasses import dataclass
from typing import Literal

from tf_lottery.config.options import check_options, option

Initializer = Literal["glorot_normal", "glorot_uniform", "he_normal", "he_uniform"]
BatchNorm = Literal["per_replica", "synchronized"]


@dataclass(frozen=True)
class ModelConfig:
    """Which network is trained."""

    model: str = option(
        "lenet_300_100",
        "The network; resnet20_w2 is twice as wide as resnet20.",
    )
    initializer: Initializer = option("glorot_normal", "Distribution of the initial kernels.")
    batch_norm: BatchNorm = option(
        "per_replica",
        "Statistics of batch normalization in training: each replica's own, or of all of them.",
    )

    def __post_init__(self):
        check_options(self)
