"""TensorFlow SavedModel, as a folder or as one compressed file."""

import shutil
from pathlib import Path

from tf_lottery.exporting.archive import write_archive
from tf_lottery.exporting.formats.export_format import ExportFormat, register_export_format
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork


@register_export_format
class SavedModel(ExportFormat):
    """A SavedModel: zeros take as much room as other numbers."""

    name = "saved_model"
    file_name = "saved_model"
    runtime = "saved_model"
    about = "TensorFlow SavedModel"
    place = 1

    def write(self, network: ExportedNetwork, path: Path) -> None:
        """Copies the network's SavedModel."""
        shutil.copytree(network.saved_model, path)

    def loading_code(self, network: PlainNetwork) -> str:
        """Loads it with TensorFlow alone."""
        return "import tensorflow as tf\n\n" + _serving_code(f'"{self.file_name}"', network)


@register_export_format
class CompressedSavedModel(ExportFormat):
    """A SavedModel in a .tar.gz, where zeros take little room."""

    name = "saved_model_compressed"
    file_name = "saved_model.tar.gz"
    runtime = "saved_model"
    about = "TensorFlow SavedModel in a compressed archive"
    place = 2

    def write(self, network: ExportedNetwork, path: Path) -> None:
        """Archives the network's SavedModel; equal SavedModels give equal bytes."""
        with path.open("wb") as file:
            write_archive(network.saved_model, file)

    def loading_code(self, network: PlainNetwork) -> str:
        """Unpacks it to a temporary folder and loads it with TensorFlow alone."""
        serve = _serving_code('f"{folder}/saved_model"', network).replace("\n", "\n    ")
        return (
            "import tarfile\nimport tempfile\n\nimport tensorflow as tf\n\n"
            "with tempfile.TemporaryDirectory() as folder:\n"
            f'    with tarfile.open("{self.file_name}") as archive:\n'
            '        archive.extractall(folder, filter="data")\n'
            f"    {serve}"
        )


def _serving_code(folder: str, network: PlainNetwork) -> str:
    load = f'serve = tf.saved_model.load({folder}).signatures["serving_default"]\n'
    if network.is_simple:
        (given,), (result,) = network.inputs, network.outputs
        call = f'serve({given.name}=tf.constant(inputs))["{result.name}"].numpy()'
        return f"{load}outputs = {call}"
    return (
        f"{load}outputs = serve(**{{name: tf.constant(array) for name, array in inputs.items()}})\n"
        "outputs = {name: output.numpy() for name, output in outputs.items()}"
    )
