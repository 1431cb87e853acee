"""Parameters: keyword arguments of a registered function that are flags too."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tf_lottery.config.options import Range, check_options, option


@dataclass(frozen=True)
class Parameter:
    """Makes a flag of a keyword argument, whose type it annotates.

    ```python
    def shifted(
        origin: Origin, *, shift: Annotated[float, Parameter("By how much.", within=...)] = 0.1
    ) -> Start:
    ```

    Attributes:
      help: what it does, for --help.
      within: which values it takes.
      path: whether it names a file or folder.
    """

    help: str
    within: Range | None = None
    path: bool = False


def parameters_of(function: Callable[..., Any]) -> type:
    """The parameters of a function.

    Args:
      function: its keyword-only arguments are annotated with a `Parameter`, and have defaults.

    Returns:
      A frozen dataclass of `option`s, which checks its values.

    Raises:
      TypeError: if a keyword-only argument has no `Parameter` or no default.
    """
    annotations = inspect.get_annotations(function, eval_str=True)
    fields = []
    for name, argument in inspect.signature(function).parameters.items():
        if argument.kind is not argument.KEYWORD_ONLY:
            continue
        kind, *notes = typing.get_args(annotations.get(name)) or (None,)
        about = next((note for note in notes if isinstance(note, Parameter)), None)
        if about is None or argument.default is argument.empty:
            raise TypeError(
                f"{function.__module__}.{function.__name__}: write its keyword-only argument as "
                f'{name}: Annotated[TYPE, Parameter("what it does")] = DEFAULT.'
            )
        field = option(argument.default, about.help, within=about.within, path=about.path)
        fields.append((name, kind, field))
    return dataclasses.make_dataclass(
        f"{function.__name__}_parameters",
        fields,
        frozen=True,
        namespace={"__post_init__": check_options},
    )


def checked(parameters: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all parameters, those that are not given at their defaults.

    Args:
      parameters: as `parameters_of` gives them.
      values: of some of them.

    Raises:
      ValueError: if a value is not right; names the flag.
    """
    return dataclasses.asdict(parameters(**values))
