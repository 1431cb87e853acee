"""Options of the network."""

from dataclasses import dataclass
from typing import Literal

from tf_lottery.config.arguments import expanded
from tf_lottery.config.layer_patterns import read_patterns
from tf_lottery.config.options import (
    at_least,
    below_one,
    check_options,
    option,
    positive,
    refuse_together,
)

Initializer = Literal["glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "normal"]
BatchNorm = Literal["per_replica", "synchronized"]
BatchNormInit = Literal["ones", "uniform"]
TicketWeights = Literal["none", "rewind", "trained"]


@dataclass(frozen=True)
class ModelConfig:
    """Which network is trained."""

    model: str = option(
        "lenet_300_100",
        "The network; resnet20_w2 is twice as wide as resnet20. MODULE:FUNCTION is one of yours: "
        "FUNCTION(inputs, classes) in a module that is installed or in the current folder returns "
        "logits, or FUNCTION(input_shape, classes) a functional or sequential model.",
    )
    initializer: Initializer = option(
        "glorot_normal",
        "Distribution of the initial kernels; normal: Gaussian, of deviation --init_stddev.",
    )
    init_stddev: float | None = option(
        None, "Standard deviation of --initializer=normal, such as 0.05.", within=positive()
    )
    batch_norm: BatchNorm = option(
        "per_replica",
        "Statistics of batch normalization in training: each replica's own, or of all of them.",
    )
    batch_norm_init: BatchNormInit = option(
        "ones",
        "Initial scales of batch normalization; uniform: drawn between 0 and 1, as the reference "
        "implementation of the papers does.",
    )
    dropout: float = option(
        0.0,
        "Share of the units of hidden Dense layers that are left out of each training step, such "
        "as 0.5; for lenet_N_M_…, conv2, conv4, conv6, and squeezenet's last convolution.",
        within=below_one("share"),
    )

    initial_weights: str | None = option(
        None,
        "File of weights that the dense network starts from, in place of drawn ones, and that "
        "--rewind_step=0it rewinds to: .weights.h5 or .h5 of Keras, or a checkpoint, such as "
        "RUN/level_0/weights. Replicates differ in the data order then.",
        path=True,
    )
    initial_weights_except: str = option(
        "",
        "Layers, or patterns such as block_4*, separated by commas, that are drawn all the same, "
        "such as the output for other classes.",
        reads=read_patterns,
    )
    ticket: str | None = option(
        None,
        "Run folder whose ticket of level --ticket_level is trained on these data, with "
        "--experiment=train: level 0 has its mask. An output of other classes is drawn, and dense.",
        path=True,
    )
    ticket_level: int | None = option(None, "Level of --ticket.", within=at_least(0))
    ticket_weights: TicketWeights = option(
        "rewind",
        "Weights that --ticket is trained from: those of its run's rewind step, those that it was "
        "trained to there, or none of them: drawn ones.",
    )

    def __post_init__(self):
        check_options(self)
        self._check_ticket()
        if self.initial_weights_except and self.initial_weights is None:
            raise ValueError(
                f"--initial_weights_except={self.initial_weights_except} is for "
                "--initial_weights=FILE; give both, or neither."
            )
        if self.initializer == "normal" and self.init_stddev is None:
            raise ValueError(
                "--initializer=normal needs a standard deviation, such as --init_stddev=0.05."
            )
        if self.initializer != "normal" and self.init_stddev is not None:
            raise ValueError(
                f"--init_stddev={self.init_stddev} is for --initializer=normal, and not for "
                f"--initializer={self.initializer}; leave it out."
            )

    @property
    def name_of_ticket(self) -> str:
        """What --ticket and --ticket_level name: `ticket_of_NAME_replicate_R_level_N`."""
        assert self.ticket is not None, "there is one"
        *_, name, replicate, branches, branch = ("", "", "", *_parts(self.ticket))
        of = (name, replicate, branch) if branches == "branches" else (branches, branch)
        return f"ticket_of_{'_'.join(of)}_level_{self.ticket_level}"

    def _check_ticket(self) -> None:
        if self.ticket is None:
            given = {"ticket_level": self.ticket_level, "ticket_weights": self.ticket_weights}
            unset = {"ticket_level": None, "ticket_weights": ModelConfig.ticket_weights}
            for name, value in given.items():
                if value != unset[name]:
                    raise ValueError(
                        f"--{name}={value} is for --ticket=RUN; give both, or neither."
                    )
            return
        if self.ticket_level is None:
            raise ValueError(
                f"--ticket={self.ticket} needs --ticket_level: the level whose mask is taken."
            )
        refuse_together(
            self.initial_weights is not None and self.ticket_weights != "none",
            *("ticket_weights", self.ticket_weights, "initial_weights", self.initial_weights),
            "weights are taken from one of the two; use --ticket_weights=none",
        )


def _parts(path: str) -> tuple[str, ...]:
    return expanded("--ticket", path).absolute().parts
