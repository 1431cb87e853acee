"""Exports tickets as plain TensorFlow."""

import os
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_lottery.exporting.network import PlainNetwork, has_named_tensors
from tf_lottery.exporting.traced_network import TracedNetwork, takes_strings
from tf_lottery.pruning.keras_versions import is_graph, is_keras_3
from tf_lottery.pruning.prunable import get_mask, set_mask, strip

_SAVED_MODEL_NAMES = frozenset(
    {"assets", "fingerprint.pb", "keras_metadata.pb", "saved_model.pb", "variables"}
)


def export_saved_model(model: Any, path: str | Path) -> None:
    """Writes a SavedModel that loads and serves with TensorFlow alone.

    `tf.saved_model.load(path).signatures["serving_default"]` takes and returns the model's inputs
    and outputs by name: that of the input layer and of the layer that computes the output, or the
    model's own if its inputs or outputs are a dictionary. Characters that no Python identifier has
    are "_". Pruned weights are exactly 0.0.

    Args:
      model: a prunable model, or any other of either Keras; built.
      path: folder to write. It may exist if it is empty or holds an earlier SavedModel, which is
        replaced as a whole.

    Raises:
      ValueError: if the folder holds something else, or cannot be written.
    """
    target = check_export_dir(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
            written = Path(temporary) / "new"
            _save(model, written)
            if target.exists():
                # Not removed before the new one is complete, and put aside in one step.
                target.rename(Path(temporary) / "old")
            written.replace(target)
    except (OSError, tf.errors.OpError) as error:
        raise ValueError(f"--export_dir={path} cannot be written: {error}") from error


def _save(model: Any, path: Path) -> None:
    if is_graph(model) and is_keras_3(model):
        if takes_strings(model):
            strip(model).export(path, verbose=False)
        else:
            TracedNetwork(model).save_saved_model(path)
    elif is_graph(model):
        plain = strip(model)
        if has_named_tensors(plain):
            PlainNetwork(plain).save_saved_model(path)
        else:
            plain.save(path, save_format="tf", include_optimizer=False)
    else:
        # It cannot be copied.
        set_mask(model, get_mask(model))
        if is_keras_3(model):
            model.export(path, verbose=False)
        else:
            model.save(path, save_format="tf", include_optimizer=False)


def check_export_dir(path: str | Path) -> Path:
    """Checks that a SavedModel may be written to a folder.

    Raises:
      ValueError: if there is a file, a folder of something else, or no way to make a folder.
    """
    target = Path(path).expanduser().absolute()
    if target.is_dir():
        names = {entry.name for entry in target.iterdir()}
        others = names - _SAVED_MODEL_NAMES if "saved_model.pb" in names else names
        if others:
            raise ValueError(
                f"--export_dir={path} holds {', '.join(sorted(others)[:5])}, which is no part of a "
                "SavedModel; choose an empty or a new folder."
            )
    elif target.exists():
        raise ValueError(f"--export_dir={path} is a file; choose a folder.")
    parent = next(folder for folder in target.parents if folder.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise ValueError(
            f"--export_dir={path} cannot be written: {parent} is not a writable folder."
        )
    return target
