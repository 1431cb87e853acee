"""Sweeps: the combinations of several values of some flags."""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from absl import flags

from tf_lottery.cli.flag_uses import is_of_use
from tf_lottery.config.branches import branch_options, branches_with
from tf_lottery.config.experiment import ExperimentConfig, is_respelt
from tf_lottery.config.flags import define_config_flags
from tf_lottery.config.options import names_of
from tf_lottery.config.run import RunConfig
from tf_lottery.registry import likely_names

# What results depend on; replicates have a flag of their own.
_SWEEPABLE = set(ExperimentConfig().identity()) - {"replicate"}
_SEVERAL_VALUES = re.compile(r"flag --(?P<name>\w+)=(?P<values>[^:,]+(,[^:,]+)+):")
_WHAT_MAY_BE = (
    "What may be swept is what the results depend on, such as rewind_step, pruning_rate, score, "
    "model, learning_rate or init_seed."
)


def combinations(
    sweeps: list[str], known: Iterable[str] = ()
) -> Iterator[dict[str, tuple[str, Any]]]:
    """All combinations of the values of sweeps.

    Args:
      sweeps: such as "rewind_step:0it,500it".
      known: names of all flags.

    Yields:
      Flag to the text of its value, and the value; nothing but an empty one without sweeps.

    Raises:
      ValueError: if a sweep cannot be read, or a value does not fit its flag.
    """
    choices: dict[str, list[tuple[str, Any]]] = {}
    for sweep in sweeps:
        name, _, texts = sweep.partition(":")
        name = name.strip().removeprefix("--")
        if not (name and texts.strip()):
            raise ValueError(
                f"--sweep={sweep}: write FLAG:VALUE,VALUE,..., such as rewind_step:0it,500it."
            )
        if name not in _SWEEPABLE:
            _refuse(sweep, name, _split(texts, sweep), known)
        if name in choices:
            raise ValueError(
                f"--sweep={sweep}: another --sweep has --{name}; give all values in one."
            )
        choices[name] = [(text, _parsed(name, text, sweep)) for text in _split(texts, sweep)]
        _refuse_same(sweep, name, choices[name])
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def _refuse_same(sweep: str, name: str, values: list[tuple[str, Any]]) -> None:
    """Refuses values that would give a run twice."""
    for (one, value), (other, another) in itertools.combinations(values, 2):
        if is_respelt(name, value, another):
            twice = f"{one} is there twice" if one == other else f"{one} and {other} are the same"
            raise ValueError(f"--sweep={sweep}: {twice}; leave one out.")


def hint_to_sweep(problem: str) -> str:
    """How to do several runs, if that is what a refused value is about.

    Args:
      problem: such as "flag --learning_rate=0.1,0.2: use a number, such as 0.5".
    """
    found = _SEVERAL_VALUES.match(problem)
    if found is None or found["name"] not in _SWEEPABLE:
        return ""
    return f". For a run with each value, give --sweep={found['name']}:{found['values']}"


def _refuse(sweep: str, name: str, values: list[str], known: Iterable[str]) -> NoReturn:
    """Refuses a flag that cannot be swept, with what to do in its place."""
    if name not in known:
        close = [f"--{other}" for other in likely_names(name, _SWEEPABLE)]
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"--sweep={sweep}: there is no flag --{name}.{meant} {_WHAT_MAY_BE}")
    one = f"--{name}={values[0]}"
    if name in ("replicate", "replicates"):
        why = f"replicates have a flag of their own; give --replicates={','.join(values)}"
    elif name == "name":
        why = "runs of a sweep are named after their values; give one --name, which they begin with"
    elif name in names_of(RunConfig):
        why = (
            f"--{name} says where and how runs are computed, not what they find, so that its runs "
            f"would be copies of each other; give {one} for all of them, or use several commands "
            "with a --name each"
        )
    elif name in branch_options():
        why = (
            f"--{name} is for branches, not for the runs that they start from; give a command for "
            f"each value, --experiment=branch --branch={branches_with(name)[0]} {one} and so on, "
            "which keeps each in a folder of its own"
        )
    elif not is_of_use(name, "lottery"):
        why = f"--{name} is not for the training of runs; give {one} where it is used"
    else:
        why = f"--{name} is for the whole command, not for each of its runs; give {one} once"
    raise ValueError(f"--sweep={sweep}: {why}. {_WHAT_MAY_BE}")


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
