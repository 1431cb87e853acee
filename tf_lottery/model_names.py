"""Names of models: which there are, without TensorFlow, that a wrong one is refused at once."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelNames:
    """The names of an architecture.

    Attributes:
      pattern: the name, or a regular expression for the names of a whole family.
      examples: names of the family that can be built, the cheapest first.
      shown: what lists of models show.
      spelled: names that are suggested in place of a similar unknown one.
    """

    pattern: str
    examples: tuple[str, ...]
    shown: tuple[str, ...]
    spelled: tuple[str, ...]

    def match(self, name: str) -> tuple[str | None, ...] | None:
        """The texts that the pattern's groups match; None if it is no name of the family."""
        found = re.fullmatch(self.pattern, name)
        return found and found.groups()


def names(
    pattern: str,
    examples: Sequence[str] = (),
    shown: Sequence[str] = (),
    spelled: Sequence[str] = (),
) -> ModelNames:
    """The names of an architecture; what is left out is as in `models.register`."""
    given = tuple(examples) or (pattern,)
    return ModelNames(pattern, given, tuple(shown) or given, tuple(spelled) or given)


# All of `tf_keras.applications`.
_APPLICATIONS = """
ConvNeXtBase ConvNeXtLarge ConvNeXtSmall ConvNeXtTiny ConvNeXtXLarge DenseNet121 DenseNet169
DenseNet201 EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 EfficientNetB4
EfficientNetB5 EfficientNetB6 EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2
EfficientNetV2B3 EfficientNetV2L EfficientNetV2M EfficientNetV2S InceptionResNetV2 InceptionV3
MobileNet MobileNetV2 MobileNetV3Large MobileNetV3Small NASNetLarge NASNetMobile RegNetX002
RegNetX004 RegNetX006 RegNetX008 RegNetX016 RegNetX032 RegNetX040 RegNetX064 RegNetX080 RegNetX120
RegNetX160 RegNetX320 RegNetY002 RegNetY004 RegNetY006 RegNetY008 RegNetY016 RegNetY032 RegNetY040
RegNetY064 RegNetY080 RegNetY120 RegNetY160 RegNetY320 ResNet101 ResNet101V2 ResNet152 ResNet152V2
ResNet50 ResNet50V2 ResNetRS101 ResNetRS152 ResNetRS200 ResNetRS270 ResNetRS350 ResNetRS420
ResNetRS50 VGG16 VGG19 Xception
"""
APPLICATIONS = tuple(_APPLICATIONS.split())
SHORT_NAMES = {"inception_v3": "InceptionV3", "mobilenet_v2": "MobileNetV2"}
_LONG_NAMES = tuple(f"applications.{constructor}" for constructor in APPLICATIONS)
_CIFAR_RESNETS = tuple(f"resnet{depth}" for depth in (20, 32, 44, 56, 110))
_IMAGENET_RESNETS = tuple(f"resnet{depth}" for depth in (18, 34, 50, 101))
_VGGS = tuple(f"vgg{depth}" for depth in (11, 13, 16, 19))
# Depths beyond those of the paper, 16 to 40, as long as they are 6n + 4.
_WIDE_DEPTHS = "|".join(str(6 * blocks + 4) for blocks in range(1, 34))

BUILT_IN = {
    "applications": names(
        f"({'|'.join((*SHORT_NAMES, *_LONG_NAMES))})".replace(".", r"\."),
        examples=("mobilenet_v2", "inception_v3", "applications.MobileNetV3Small"),
        shown=(*SHORT_NAMES, "applications.NAME (NAME as in tf_keras.applications)"),
        spelled=(*SHORT_NAMES, *_LONG_NAMES),
    ),
    "cifar_resnet": names(
        r"resnet(20|32|44|56|110)(?:_w([1-9]\d*))?",
        examples=("resnet20", "resnet20_w2"),
        shown=(*_CIFAR_RESNETS, "resnet20_wFACTOR"),
        spelled=_CIFAR_RESNETS,
    ),
    "conv": names(r"conv([246])", examples=("conv2", "conv4", "conv6")),
    "imagenet_resnet": names(
        r"resnet(18|34|50|101)",
        examples=("resnet18", "resnet50"),
        shown=_IMAGENET_RESNETS,
        spelled=_IMAGENET_RESNETS,
    ),
    "lenet": names(
        r"lenet((?:_[1-9]\d*)+)",
        examples=("lenet_300_100",),
        shown=("lenet_300_100", "lenet_N_M_…"),
    ),
    "vgg": names(r"vgg(11|13|16|19)", examples=("vgg11",), shown=_VGGS, spelled=_VGGS),
    "wide_resnet": names(
        rf"wideresnet_({_WIDE_DEPTHS})_([1-9]\d*)",
        examples=("wideresnet_10_1",),
        shown=("wideresnet_16_8", "wideresnet_28_10", "wideresnet_D_N (D = 10, 16, 22, …)"),
        spelled=("wideresnet_16_8", "wideresnet_28_10", "wideresnet_40_4"),
    ),
}


def check_built_in(name: str) -> None:
    """Checks that a name is one of the architectures that tf_lottery comes with.

    Args:
      name: as given to `--model`.

    Raises:
      ValueError: if it is not; says which there are.
    """
    if all(family.match(name) is None for family in BUILT_IN.values()):
        raise unknown_name(name, BUILT_IN.values())


def unknown_name(name: str, known: Iterable[ModelNames]) -> ValueError:
    """The error that refuses a name; it says which are known, and which may have been meant.

    Args:
      name: as given to `--model`.
      known: the names that there are.
    """
    known = list(known)
    spelled = {text.lower(): text for family in known for text in family.spelled}
    close = difflib.get_close_matches(name.lower(), spelled)
    meant = f" Did you mean {' or '.join(map(spelled.get, close))}?" if close else ""
    shown = sorted(itertools.chain.from_iterable(family.shown for family in known))
    return ValueError(f"--model={name} is not a known model.{meant} Known are: {', '.join(shown)}.")
