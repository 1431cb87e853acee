"""The figures of the papers that one command makes: which flag files, controls and analyses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

_CONVS = ("lth_conv2_cifar10", "lth_conv4_cifar10", "lth_conv6_cifar10")


@dataclass(frozen=True)
class PaperFigure:
    """What is run for a figure.

    Attributes:
      title: paper and what the figure shows.
      files: names of the flag files in configs/paper, without ".cfg".
      controls: branches that are run of every level.
      analyses: names of analyses of all runs.
      replicates: as many as in the paper.
      changed: flags beside those of the files.
      learning_rates: of those files that the figure takes with another rate than their own.
      suffix: of the runs' names where flags are changed.
      unchanged_too: whether the files are run without what is changed as well.
    """

    title: str
    files: tuple[str, ...]
    controls: tuple[str, ...] = ()
    analyses: tuple[str, ...] = ()
    replicates: str = "1-5"
    changed: tuple[str, ...] = ()
    learning_rates: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    unchanged_too: bool = False

    @property
    def experiments(self) -> list[tuple[str, "PaperFigure"]]:
        """Each flag file, with a figure that changes it so; first those that stay as they are."""
        unchanged = replace(self, changed=(), learning_rates={}, suffix="")
        parts = (unchanged, self) if self.unchanged_too else (self,)
        return [(file, part) for part in parts for file in self.files]


def _variants(stem: str) -> tuple[str, ...]:
    return (stem, f"{stem}_low", f"{stem}_warmup")


PAPER_FIGURES = {
    "lth:1": PaperFigure(
        "arXiv 1803.03635, figure 1: early stopping of tickets and of random masks",
        ("lth_lenet_mnist", *_CONVS),
        ("random_mask",),
    ),
    "lth:3": PaperFigure(
        "arXiv 1803.03635, figure 3: test accuracy of LeNet in training, by level",
        ("lth_lenet_mnist",),
        ("random_reinitialization",),
    ),
    "lth:4": PaperFigure(
        "arXiv 1803.03635, figure 4: LeNet, pruned iteratively and at once, and reinitialized",
        ("lth_lenet_mnist",),
        ("random_reinitialization", "one_shot", "one_shot+random_reinitialization"),
    ),
    "lth:5": PaperFigure(
        "arXiv 1803.03635, figure 5: Conv-2, Conv-4 and Conv-6, and reinitialized",
        _CONVS,
        ("random_reinitialization",),
    ),
    "lth:6": PaperFigure(
        "arXiv 1803.03635, figure 6: Conv-2, Conv-4 and Conv-6 with dropout and without",
        _CONVS,
        changed=("--dropout=0.5",),
        learning_rates=dict(zip(_CONVS, ("0.0003", "0.0002", "0.0002"), strict=True)),
        suffix="_dropout",
        unchanged_too=True,
    ),
    "lth:7": PaperFigure(
        "arXiv 1803.03635, figure 7: VGG-19 at the standard and the low rate and with warmup",
        _variants("lth_vgg19_cifar10"),
        ("random_reinitialization",),
    ),
    "lth:8": PaperFigure(
        "arXiv 1803.03635, figure 8: ResNet-18 at the standard and the low rate and with warmup",
        _variants("lth_resnet18_cifar10"),
        ("random_reinitialization",),
    ),
    "lmc:lenet": PaperFigure(
        "arXiv 1912.05671, table 1, LeNet: instability by level, and the two baselines",
        ("lmc_lenet_mnist",),
        ("random_mask", "random_reinitialization"),
        ("instability",),
        "1-3",
    ),
    "lmc:resnet20": PaperFigure(
        "arXiv 1912.05671, table 1, ResNet-20: instability by level, and the two baselines",
        _variants("lmc_resnet20_cifar10"),
        ("random_mask", "random_reinitialization"),
        ("instability",),
        "1-3",
    ),
    "lmc:vgg16": PaperFigure(
        "arXiv 1912.05671, table 1, VGG-16: instability by level, and the two baselines",
        _variants("lmc_vgg16_cifar10"),
        ("random_mask", "random_reinitialization"),
        ("instability",),
        "1-3",
    ),
    "stability:resnet20": PaperFigure(
        "arXiv 1903.01611: distances of tickets to the dense network and to their copies",
        ("lmc_resnet20_cifar10",),
        ("random_mask",),
        ("stability",),
        "1-3",
    ),
    "why:resnet20": PaperFigure(
        "arXiv 2106.06955: tickets rewound to iteration 0, their stability and their regions",
        ("lmc_resnet20_cifar10_low", "lmc_resnet20_cifar10_warmup"),
        analyses=("instability", "same_region"),
        replicates="1-3",
    ),
    "unmasking:resnet20": PaperFigure(
        "arXiv 2210.03044: successive levels, robustness, flatness and magnitudes of ResNet-20",
        ("lmc_resnet20_cifar10",),
        analyses=("successive_levels", "robustness", "curvature", "magnitudes"),
        replicates="1-3",
    ),
}


def figures_text(names: Iterable[str] = PAPER_FIGURES) -> str:
    """Names and titles, for people."""
    return "; ".join(f"{name}: {PAPER_FIGURES[name].title}" for name in names)
