"""All registries, for tests that add to them."""

from __future__ import annotations

from tf_lottery.config.analyses import ANALYSES
from tf_lottery.config.branches import BRANCHES
from tf_lottery.config.datasets import DATASETS
from tf_lottery.config.loggers import LOGGERS
from tf_lottery.exporting.formats.export_format import FORMATS
from tf_lottery.models.registry import FAMILIES
from tf_lottery.pruning.score import SCORES
from tf_lottery.registry import imported_plugins

REGISTRIES = (ANALYSES, BRANCHES, DATASETS, FAMILIES, FORMATS, LOGGERS, SCORES)


def what_tests_have_added() -> list[str]:
    """Things and plug-ins that are not the package's own."""
    found = (
        f"{registry.module_of(name)}: {name}" for registry in REGISTRIES for name in registry.all()
    )
    own = [text for text in found if not text.startswith("tf_lottery.")]
    return [*own, *imported_plugins()]


def forget_what_was_added() -> None:
    """Takes all things out of the registries that are not the package's own."""
    for registry in REGISTRIES:
        for name in list(registry.all()):
            if not registry.module_of(name).startswith("tf_lottery."):
                registry.remove(name)
