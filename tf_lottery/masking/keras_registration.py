"""Lets Keras load what tf_lottery saved, whichever of the two is imported first.

Keras knows the classes of others that are registered. Those of tf_lottery need TensorFlow, which
takes seconds to import, so that until a file asks for one its loader is registered in its place.
"""

import importlib
from types import ModuleType
from typing import Any

import wrapt

_CLASSES = {
    "tf_keras": {
        "MaskedLayer": "tf_lottery.masking.wrapper",
        "MaskedFunctional": "tf_lottery.masking.masked_graph",
        "MaskedSequential": "tf_lottery.masking.masked_graph",
    },
    "keras": {
        "MaskedFunctional": "tf_lottery.masking.masked_graph",
        "MaskedSequential": "tf_lottery.masking.masked_graph",
    },
}


def register() -> None:
    """Registers the loaders with each Keras now, or as soon as it is imported."""
    for name in _CLASSES:
        wrapt.register_post_import_hook(_register_with, name)


def _register_with(keras: ModuleType) -> None:
    known = keras.saving.get_custom_objects()
    for name, module in _CLASSES[keras.__name__].items():
        for key in (f"tf_lottery>{name}", name):
            known.setdefault(key, _loader(keras, key, module))


def _loader(keras: ModuleType, key: str, module: str) -> type:
    class Loader:
        """In place of a class: imports it where Keras first makes something by it."""

        @classmethod
        def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
            known = keras.saving.get_custom_objects()
            # Keras may come again with this loader, which it had looked up before.
            if known.get(key) is Loader:
                del known[key]
                imported = importlib.import_module(module)
                if hasattr(imported, "register_masked_classes"):
                    imported.register_masked_classes(keras)
            return known[key].from_config(config)

    return Loader
