"""The .keras archive of Keras, which can be trained further."""

import json
from pathlib import Path

from tf_lottery.exporting.formats.export_format import ExportFormat, register_export_format
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork


@register_export_format
class KerasArchive(ExportFormat):
    """A .keras archive of plain layers, for the Keras that the model is of."""

    name = "keras"
    file_name = "model.keras"
    runtime = "keras"
    about = "Keras archive"
    place = 3

    def reason_unavailable(self, network: ExportedNetwork) -> str | None:
        """Only layers that Keras brings can be loaded elsewhere; Lambdas hold bytecode."""
        return network.plain.reason_without_archive()

    def write(self, network: ExportedNetwork, path: Path) -> None:
        """Saves the model without an optimizer."""
        try:
            network.plain.save_archive(path)
        except (TypeError, ValueError, NotImplementedError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise ValueError(
                f"{self.name}: Keras cannot save {network.plain.name}: {reason}"
            ) from error

    def loading_code(self, network: PlainNetwork) -> str:
        """Loads it with Keras, whose model takes and gives what it was built with."""
        load = f'model = keras.models.load_model("{self.file_name}", compile=False)\n'
        if network.is_simple:
            return f"import {network.archive_module}\n\n{load}outputs = model.predict(inputs)"
        inputs, outputs = (
            [t.name for t in tensors] for tensors in (network.inputs, network.outputs)
        )
        return (
            f"import tensorflow as tf\nimport {network.archive_module}\n\n{load}"
            f"given = [inputs[name] for name in {json.dumps(inputs)}]\n"
            "results = model.predict(tf.nest.pack_sequence_as(model.input, given))\n"
            f"outputs = dict(zip({json.dumps(outputs)}, tf.nest.flatten(results)))"
        )
