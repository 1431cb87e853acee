"""How the units of two solutions are matched before they are compared, a flag of analyses."""

from dataclasses import dataclass
from typing import Literal

from tf_lottery.config.options import check_options, option

Align = Literal["none", "weights"]


@dataclass(frozen=True)
class Alignment:
    """The order in which the second of two solutions has its units when they are compared."""

    align: Align = option(
        "none",
        "Order of the units of the second of two solutions that are compared: none, as it was "
        "trained; weights, the one in which its weights are most like those of the first.",
    )

    def __post_init__(self):
        check_options(self)

    @property
    def settings(self) -> tuple[str, ...]:
        """What names of files have of it: nothing, if units stay where they are."""
        return () if self.align == "none" else (f"aligned_by_{self.align}",)
