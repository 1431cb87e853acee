"""The .keras archive of Keras, which can be trained further."""

from pathlib import Path

import tf_keras as keras

from tf_lottery.exporting.formats.export_format import ExportFormat
from tf_lottery.exporting.network import ExportedNetwork
from tf_lottery.pruning.layers import leaf_layers


class KerasArchive(ExportFormat):
    """A .keras archive of plain layers, for tf_keras."""

    name = "keras"
    file_name = "model.keras"
    runtime = "keras"
    about = "Keras archive, for tf_keras (Keras 2)"

    def reason_unavailable(self, network: ExportedNetwork) -> str | None:
        """Only layers that tf_keras brings can be loaded elsewhere; Lambdas hold bytecode."""
        for path, layer in leaf_layers(network.model):
            kind = type(layer)
            if kind.__module__.split(".")[0] not in ("keras", "tf_keras"):
                return f"layer {path} is a {kind.__name__}, which tf_keras alone cannot load"
            if isinstance(layer, keras.layers.Lambda):
                return f"layer {path} is a Lambda, whose code tf_keras refuses to load"
        return None

    def write(self, network: ExportedNetwork, path: Path) -> None:
        """Saves the model without an optimizer."""
        network.model.save(path, save_format="keras")

    def loading_code(self) -> str:
        """Loads it with tf_keras."""
        return (
            "import tf_keras as keras\n\n"
            f'model = keras.models.load_model("{self.file_name}", compile=False)\n'
            "outputs = model.predict(inputs)"
        )
