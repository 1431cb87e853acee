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
        "lenet_300_100 or any lenet_N_M_...; conv2, conv4, conv6; for CIFAR resnet20 (32, 44, 56, "
        "110; resnet20_w2: twice as wide), vgg16 (11, 13, 19), wideresnet_16_8, wideresnet_28_10; "
        "for ImageNet resnet50 (18, 34, 101), inception_v3, mobilenet_v2; applications.NAME: any "
        "network of tf_keras.applications.",
    )
    initializer: Initializer = option("glorot_normal", "Distribution of the initial kernels.")
    batch_norm: BatchNorm = option(
        "per_replica",
        "Statistics of batch normalization in training: each replica's own, or of all of them.",
    )

    def __post_init__(self):
        check_options(self)
