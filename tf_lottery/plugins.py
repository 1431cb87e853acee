"""What a plug-in needs: a module that registers scores, branches, models, analyses and so on.

```python
from tf_lottery import plugins


@plugins.register_score()
def squares(weights, mask, evidence):
    return {name: weights[name] ** 2 for name in mask}
```

`main.py --plugin=my_module --score=squares` finds it; in Python, importing the module is enough.
"""

from typing import Any

from tf_lottery.startup import import_quietly

_MODULES = {
    "Column": "tf_lottery.report.table",
    "DataSize": "tf_lottery.config.datasets",
    "Dataset": "tf_lottery.data",
    "Evidence": "tf_lottery.pruning.score",
    "ExportFormat": "tf_lottery.exporting.formats.export_format",
    "Look": "tf_lottery.config.branches",
    "Mask": "tf_lottery.masking.masks",
    "MeasuredRun": "tf_lottery.experiments.measuring.measured_run",
    "Origin": "tf_lottery.tickets.origin",
    "Parameter": "tf_lottery.config.parameters",
    "LoggedRun": "tf_lottery.config.loggers",
    "Range": "tf_lottery.config.options",
    "ResultFile": "tf_lottery.config.analyses",
    "Rows": "tf_lottery.experiments.measuring.rows",
    "RunLogger": "tf_lottery.config.loggers",
    "Start": "tf_lottery.tickets.origin",
    "UnsuitableInputError": "tf_lottery.models.images",
    "at_least": "tf_lottery.config.options",
    "between": "tf_lottery.config.options",
    "curves_by_density": "tf_lottery.report.landscape.density_figure",
    "density_figure": "tf_lottery.report.landscape.density_figure",
    "from_arrays": "tf_lottery.data",
    "print_table": "tf_lottery.report.table",
    "register_analysis": "tf_lottery.config.analyses",
    "register_branch": "tf_lottery.config.branches",
    "register_dataset": "tf_lottery.config.datasets",
    "register_export_format": "tf_lottery.exporting.formats.export_format",
    "register_logger": "tf_lottery.config.loggers",
    "register_model": "tf_lottery.models.registry",
    "register_score": "tf_lottery.pruning.score",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_quietly(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
