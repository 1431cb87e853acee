"""Whether a run was made with the flags that are given."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import LOCATED, identity_value, is_same_value
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.former_flags import flags_in_effect
from tf_lottery.store.run_folder import RunFolder

_POINTS = ("rewind_step", "train_steps", "warmup_steps", "evaluate_every", "validate_every")
# What the length of an epoch depends on.
_OF_EPOCHS = ("dataset", "batch_size", "validation_examples")
_SEEDS = ("init_seed", "data_seed")


def check_flags_of_run(run: RunFolder, expected: Mapping[str, Any]) -> None:
    """Checks that a run was made with some flags.

    Raises:
      ValueError: if it was not; names the first flag, its value, and the run's.
    """
    known, others = flags_in_effect(run.identity), other_values(run, expected)
    for flag, value in others.items():
        if flag == "rewind_step":
            _refuse_rewind_step(run, value)
        if flag in known:
            raise _is_another(run, flag, value)


def check_flags_of_runs(runs: Iterable[Path], expected: Mapping[str, Any]) -> None:
    """Checks the same of several runs, as far as they can be read, where no data are.

    Raises:
      ValueError: as `check_flags_of_run`, or if data or weights are called or read otherwise than
        in a run, as what they hold is not looked at.
    """
    for path in runs if expected else ():
        run = None
        with suppress(OSError, RunFolderError):
            run = RunFolder.read(path)
        if run is not None:
            check_flags_of_run(run, expected)
            known = flags_in_effect(run.identity)
            for flag in LOCATED:
                value = identity_value(flag, expected.get(flag, known.get(flag)))
                if value != identity_value(flag, known.get(flag)):
                    raise _is_another(run, flag, expected[flag])


def other_values(run: RunFolder, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some flag values that mean something else than the run's own.

    1ep and 57it are the same where an epoch has 57 iterations, and a seed that is not given is the
    replicate's number.

    Args:
      run: the run folder.
      values: by the names of flags.
    """
    known = flags_in_effect(run.identity)
    has_same_epochs = all(
        is_same_value(name, values.get(name, known.get(name)), known.get(name))
        for name in _OF_EPOCHS
    )

    def is_same(flag: str) -> bool:
        value, own = values.get(flag, known.get(flag)), known.get(flag)
        if flag in _SEEDS:
            # Unset, they are the replicate's number.
            own = known.get("replicate") if own is None else own
        if is_same_value(flag, _plain(value), _plain(own)):
            return True
        if flag not in _POINTS or not has_same_epochs:
            return False
        if flag != "train_steps" and "%" in f"{value}{own}" and not is_same("train_steps"):
            return False
        return _iteration(run, flag, value) == _iteration(run, flag, own)

    return {flag: value for flag, value in values.items() if not is_same(flag)}


def _is_another(run: RunFolder, flag: str, value: Any) -> ValueError:
    own = flags_in_effect(run.identity).get(flag)
    return ValueError(
        f"--{flag}={value}: {run.path} was made with --{flag}={own}; leave the flag out, or name "
        "another run."
    )


def _plain(value: Any) -> Any:
    return value.replace(" ", "") if isinstance(value, str) else value


def _iteration(run: RunFolder, flag: str, point: str) -> int | str:
    """The iteration of a point in the run's training; the text, if it is none."""
    with suppress(ValueError):
        return run.details.iteration(point, f"--{flag}")
    return point


def _refuse_rewind_step(run: RunFolder, wanted: str) -> None:
    own, step = run.details.rewind_step, run.details.iteration(wanted, "--rewind_step")
    raise ValueError(
        f"--rewind_step={wanted}: {run.path} is rewound to iteration {own}; leave the flag out, or "
        f"run the experiment with it. --sweep=rewind_step:{own}it,{step}it makes a run for each."
    )
