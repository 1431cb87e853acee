"""Exports tickets as plain TensorFlow."""

import inspect
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import check_path, check_truth
from tf_lottery.exporting.export_folder import ExportFolder
from tf_lottery.exporting.plain_network import PlainNetwork, has_named_tensors
from tf_lottery.exporting.traced_network import TracedNetwork, takes_strings
from tf_lottery.masking.keras_versions import is_graph, is_keras_3
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.masked_graph import save_for_export
from tf_lottery.masking.prunable import without_masks, zero_pruned
from tf_lottery.masking.prunable_checks import check_is_built, check_is_model
from tf_lottery.masking.used_weights import weights_used_directly


def export_saved_model(model: Any, path: str | Path, *, overwrite: bool = False) -> None:
    """Writes a SavedModel that loads and serves with TensorFlow alone.

    `tf.saved_model.load(path).signatures["serving_default"]` takes and returns the model's inputs
    and outputs by name: that of the input layer and of the layer that computes the output, or the
    model's own if its inputs or outputs are a dictionary. Characters that no Python identifier has
    are "_". Pruned weights are exactly 0.0. An export.json beside it lists the files.

    Args:
      model: a prunable model, or any other of either Keras; built.
      path: folder to write; it may exist if it is empty.
      overwrite: whether an earlier export in the folder gives way, as a whole.

    Raises:
      ValueError: if an argument is of another type, or the folder holds an earlier export that is
        to stay, or something else, or cannot be written.
    """
    check_is_model(model)
    check_is_built("model", model)
    check_path("path", path)
    check_truth("overwrite", overwrite)
    folder = ExportFolder(path, f"path={path}", overwrite=overwrite)
    write_saved_model(model, folder, of=model.name)


def write_saved_model(
    model: Any, folder: ExportFolder, *, of: str, ticket: str | None = None
) -> None:
    """Does the same as `export_saved_model`; `of` and `ticket` are as in `ExportFolder.written`."""
    with folder.written(of, ticket) as temporary:
        _save(model, temporary)


def _save(model: Any, path: Path) -> None:
    if is_graph(model) and (is_keras_3(model) or weights_used_directly(model)):
        if is_keras_3(model) and takes_strings(model):
            without_masks(model).export(path, verbose=False)
        else:
            TracedNetwork(model).save_saved_model(path)
    elif is_graph(model):
        plain = without_masks(model)
        if has_named_tensors(plain):
            PlainNetwork(plain).save_saved_model(path)
        else:
            save_for_export(plain, path, save_format="tf", include_optimizer=False)
    else:
        # It cannot be copied.
        zero_pruned(model)
        if is_keras_3(model):
            model.export(path, verbose=False)
        else:
            try:
                save_for_export(model, path, save_format="tf", include_optimizer=False)
            except TypeError as error:
                _refuse_other_names_of_self(model, error)
                raise


def _refuse_other_names_of_self(model: Any, error: TypeError) -> None:
    """Says what the user can change if Keras cannot tell apart the arguments of a `call`."""
    held = (layer for _, layer in leaf_layers(model))
    for kind in dict.fromkeys(map(type, (model, *held))):
        parameters = inspect.signature(kind.call).parameters
        if next(iter(parameters), "self") != "self":
            raise ValueError(
                f"model={model.name}: Keras writes a SavedModel only of layers and models whose "
                f"call names its first argument self, but it is {kind.__name__}.call("
                f"{', '.join(parameters)}): rename it; or give tf_lottery.export some test_data, "
                "which does without."
            ) from error
