"""What every format of an exported network has in common."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork
from tf_lottery.registry import Registry
from tf_lottery.users_code import plugin_faults_named


class ExportFormat(ABC):
    """A kind of file that a network can be written to.

    Attributes:
      name: as in the argument `formats`.
      file_name: of the file or folder, within the folder of the export.
      runtime: what loads it in `serving_script`: "saved_model", "keras", "tflite" or "onnx".
      quantized: whether weights are rounded to 8 bits, so that outputs are not quite the model's.
      about: the format in a few words, for the model card.
      place: among the formats, which are written and shown in the order of their places.
      by_default: whether it is written unless formats are named.
      packages: that it needs and tf_lottery does not bring, as they are imported.
      extra: of tf_lottery, which installs them.
    """

    name: str
    file_name: str
    runtime: str
    quantized: bool = False
    about: str
    place: int = 100
    by_default: bool = True
    packages: tuple[str, ...] = ()
    extra: str = ""

    def packages_missing(self) -> str | None:
        """Says which packages are not installed, and what installs them; None if all are."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if not missing:
            return None
        are = "is" if len(missing) == 1 else "are"
        return (
            f"{self.name} needs {', '.join(missing)}, which {are} not installed: "
            f'pip install "tf_lottery[{self.extra}]"'
        )

    def reason_unavailable(self, network: ExportedNetwork) -> str | None:
        """Says why the network cannot be written in this format; None if it can."""
        return None

    @abstractmethod
    def write(self, network: ExportedNetwork, path: Path) -> str | None:
        """Writes the network to a path where there is nothing yet.

        Args:
          network: one for which there is no `reason_unavailable`.
          path: the file or folder to make; its parent exists.

        Returns:
          What is particular about this file; None if nothing is.

        Raises:
          ValueError: if TensorFlow cannot convert it after all.
        """

    @abstractmethod
    def loading_code(self, network: PlainNetwork) -> str:
        """Python that computes `outputs` from `inputs`, run beside the file.

        Both are an array `[batch, ...]` if the network has one input and one output. Else they are
        dictionaries of arrays by name.
        """


def format_faults_named(kind: ExportFormat) -> AbstractContextManager[None]:
    """Names the format in what a plug-in's raises, as `plugin_faults_named`."""
    return plugin_faults_named(f"formats: {kind.name}", type(kind).__module__)


_Format = TypeVar("_Format", bound=ExportFormat)

FORMATS: Registry[ExportFormat] = Registry("format", "--formats", "tf_lottery.exporting.formats")


def register_export_format(kind: type[_Format]) -> type[_Format]:
    """Registers a format under its `name`; a decorator of its class."""
    FORMATS.add(kind.name, kind(), kind.__module__)
    return kind
