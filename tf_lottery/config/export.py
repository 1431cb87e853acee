"""What `--experiment=export` is told: its options are flags too."""

from dataclasses import dataclass

from tf_lottery.config.options import AutoOnOff, check_options, option


@dataclass(frozen=True)
class ExportConfig:
    """Options of the export of tickets."""

    formats: str = option(
        "",
        "Formats of --experiment=export, such as saved_model,tflite; unset: all but onnx that the "
        "network can be written in.",
    )
    compact: AutoOnOff = option(
        "auto",
        "Remove units that pruning has left without effect before they are exported; auto: if "
        "there are any; on: they must be.",
    )
    measure: bool = option(
        True,
        "Measure memory and latency of exported files beside the dense network's; about half a "
        "minute for each format.",
    )
    overwrite: bool = option(
        False,
        "Replace an earlier export of another ticket or time, and nothing else; all of its files "
        "go, those of other --formats too.",
    )

    def __post_init__(self):
        check_options(self)

    @property
    def format_names(self) -> tuple[str, ...] | None:
        """The formats; None for all but onnx that can be written."""
        if not self.formats:
            return None
        return tuple(name.strip() for name in self.formats.split(","))

    @property
    def compacts(self) -> bool | None:
        """The argument `compact` of `tf_lottery.export`."""
        return {"auto": None, "on": True, "off": False}[self.compact]
