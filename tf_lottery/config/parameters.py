"""Parameters: keyword arguments of a registered function that are flags too.

Flags that belong together and that several functions share are a dataclass of options: a keyword
argument of that type stands for all of them.
"""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tf_lottery.config.options import Range, check_options, names_of, option, options_of
from tf_lottery.messages import listed


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
      reads: reads the name of the flag and a value, and raises `ValueError` if it cannot.
    """

    help: str
    within: Range | None = None
    path: bool = False
    reads: Callable[[str, Any], Any] | None = None


@dataclass(frozen=True)
class Parametrized:
    """A registered function with its parameters.

    Attributes:
      name: that it is registered by.
      function: it.
      parameters: a dataclass of the options that its keyword arguments are, by `parameters_of`.
    """

    name: str
    function: Callable[..., Any]
    parameters: type

    def takes(self, parameter: str) -> bool:
        """Whether a flag is one of its own."""
        return parameter in names_of(self.parameters)

    @property
    def defaults(self) -> dict[str, Any]:
        """Its parameters, at their defaults."""
        return self.checked({})

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all its parameters, those that are not given at their defaults.

        Raises:
          ValueError: if a value is not right, or of no parameter; names the flag.
        """
        own = names_of(self.parameters)
        if others := [name for name in values if name not in own]:
            raise ValueError(f"{self.name} takes no {others[0]}; it takes {listed(own) or 'none'}.")
        return dataclasses.asdict(self.parameters(**values))

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments of the function; values and errors as of `checked`."""
        rest, groups = self.checked(values), {}
        for name, group in self.parameters.groups.items():
            groups[name] = group(**{option: rest.pop(option) for option in names_of(group)})
        return {**rest, **groups}


def parameters_of(function: Callable[..., Any]) -> type:
    """The parameters of a function.

    Args:
      function: its keyword-only arguments are annotated with a `Parameter`, and have defaults; or
        with a dataclass of options, and have none.

    Returns:
      A frozen dataclass of `option`s, which checks its values.

    Raises:
      TypeError: if a keyword-only argument is neither.
    """
    fields: list[tuple[str, Any, Any]] = []
    groups = {}
    for argument, annotation in _keyword_arguments(function):
        name = argument.name
        if dataclasses.is_dataclass(annotation):
            groups[name] = annotation
            for each in options_of(groups[name]):
                copy = dataclasses.field(default=each.default, metadata=each.metadata)
                fields.append((each.name, each.type, copy))
            continue
        kind, *notes = typing.get_args(annotation) or (None,)
        about = next((note for note in notes if isinstance(note, Parameter)), None)
        if about is None or argument.default is argument.empty:
            raise TypeError(
                f"{function.__module__}.{function.__name__}: write its keyword-only argument as "
                f'{name}: Annotated[TYPE, Parameter("what it does")] = DEFAULT.'
            )
        field = option(
            argument.default, about.help, within=about.within, path=about.path, reads=about.reads
        )
        fields.append((name, kind, field))
    return dataclasses.make_dataclass(
        f"{function.__name__}_parameters",
        fields,
        frozen=True,
        namespace={"__post_init__": check_options, "groups": groups},
    )


def _keyword_arguments(
    function: Callable[..., Any],
) -> Iterator[tuple[inspect.Parameter, Any]]:
    """The keyword-only arguments with their annotations."""
    signature = inspect.signature(function).parameters.values()
    arguments = [each for each in signature if each.kind is each.KEYWORD_ONLY]
    # Of these alone: the others may be of types that are imported for type checkers only.
    annotated = type("", (), {"__annotations__": {one.name: one.annotation for one in arguments}})
    kinds = typing.get_type_hints(annotated, function.__globals__, include_extras=True)
    return ((argument, kinds[argument.name]) for argument in arguments)


def shared_parameters(flag: str, things: Iterable[Parametrized]) -> dict[str, dataclasses.Field]:
    """The parameters of several functions, by name.

    Args:
      flag: that chooses one of the functions, for error messages.
      things: the functions.

    Raises:
      TypeError: if two have parameters of the same name that are not the same.
    """
    found: dict[str, dataclasses.Field] = {}
    for thing in things:
        for parameter in options_of(thing.parameters):
            known = found.setdefault(parameter.name, parameter)
            if (known.type, known.default) != (parameter.type, parameter.default):
                raise TypeError(
                    f"{flag}={thing.name}: another one has a parameter {parameter.name} of "
                    "another type or default; rename one of them."
                )
    return found
