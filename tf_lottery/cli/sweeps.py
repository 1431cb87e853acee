"""Sweeps: the combinations of several values of some flags."""

import csv
from collections.abc import Iterator
from itertools import product
from typing import Any

from absl import flags

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.flags import define_config_flags

# What results depend on; replicates have a flag of their own.
_SWEEPABLE = set(ExperimentConfig().identity()) - {"replicate"}


def combinations(sweeps: list[str]) -> Iterator[dict[str, tuple[str, Any]]]:
    """All combinations of the values of sweeps.

    Args:
      sweeps: such as "rewind_step:0it,500it".

    Yields:
      Flag to the text of its value, and the value; nothing but an empty one without sweeps.

    Raises:
      ValueError: if a sweep cannot be read, or a value does not fit its flag.
    """
    choices: dict[str, list[tuple[str, Any]]] = {}
    for sweep in sweeps:
        name, _, texts = sweep.partition(":")
        name = name.strip().removeprefix("--")
        if name not in _SWEEPABLE or not texts.strip():
            raise ValueError(
                f"--sweep={sweep}: write FLAG:VALUE,VALUE,..., such as rewind_step:0it,500it, with "
                "a flag that the results depend on."
            )
        if name in choices:
            raise ValueError(
                f"--sweep={sweep}: another --sweep has --{name}; give all values in one."
            )
        choices[name] = [(text, _parsed(name, text, sweep)) for text in _split(texts, sweep)]
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def _split(texts: str, sweep: str) -> list[str]:
    try:
        row = next(csv.reader([texts], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(
            f'--sweep={sweep}: put values with a comma in double quotes, such as "1ep,2ep",3ep.'
        ) from error
    return [text.strip() for text in row]


def _parsed(name: str, text: str, sweep: str) -> Any:
    values = flags.FlagValues()
    define_config_flags(values)
    try:
        values(["sweep", f"--{name}={text}"])
    except flags.Error as error:
        raise ValueError(f"--sweep={sweep}: {error}") from error
    if name == "levels" and not isinstance(values[name].value, int):
        raise ValueError(f"--sweep={sweep}: {text} is not a number of prunings, such as 10.")
    return values[name].value
